"""Several networks inside of one, and what a small one has room for."""

from etudes.pipelines.mimo_ensemble.pipeline import create_pipeline

__all__ = ["create_pipeline"]
