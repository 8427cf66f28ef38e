"""Tests of the study; a package, so that its file names are its own among the studies'."""
