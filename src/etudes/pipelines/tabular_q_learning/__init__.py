"""Tabular Q-learning and its relatives, held against what the rules themselves say."""

from etudes.pipelines.tabular_q_learning.pipeline import create_pipeline

__all__ = ["create_pipeline"]
