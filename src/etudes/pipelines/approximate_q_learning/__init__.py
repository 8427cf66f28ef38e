"""Approximate Q-learning: what replay, a target network and double Q-learning are each worth to the same network."""

from etudes.pipelines.approximate_q_learning.pipeline import create_pipeline

__all__ = ["create_pipeline"]
