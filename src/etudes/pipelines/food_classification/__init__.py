"""Which dish is this? Networks from scratch and a pretrained one, with a few hundred pictures."""

from etudes.pipelines.food_classification.pipeline import create_pipeline

__all__ = ["create_pipeline"]
