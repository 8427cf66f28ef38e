"""Meta-learning: starts from which a few gradient steps learn a new task."""

from etudes.pipelines.meta_learning.pipeline import create_pipeline

__all__ = ["create_pipeline"]
