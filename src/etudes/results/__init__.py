"""Recorded results: repeat a study over seeds, keep the numbers in ``docs/results``, make every table from them."""
