"""Film genre classification, 27 classes."""

from etudes.pipelines.genre_classification.pipeline import create_pipeline

__all__ = ["create_pipeline"]
