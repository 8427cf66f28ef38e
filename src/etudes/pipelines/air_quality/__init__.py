"""Fine dust in the next hours: persistence, least squares in closed form and by descent, ridge, boosting."""

from etudes.pipelines.air_quality.pipeline import create_pipeline

__all__ = ["create_pipeline"]
