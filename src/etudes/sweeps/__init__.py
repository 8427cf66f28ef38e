"""Sweeps: a study over seeds and settings of its parameters, or a search among them; ``kedro sweep``."""
