"""Income above 50,000 dollars from census answers."""

from etudes.pipelines.income_classification.pipeline import create_pipeline

__all__ = ["create_pipeline"]
