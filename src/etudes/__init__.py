"""Fifty classic machine-learning studies, each one a Kedro pipeline measured against its own claims."""

__version__ = "0.1.0"
