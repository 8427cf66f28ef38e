"""The reinforcement-learning engine: environments, replay, evaluation, statistics over seeds, pictures.

Nothing here knows an algorithm. gymnasium, torch, scipy and plotly are loaded by the functions that use them.
"""
