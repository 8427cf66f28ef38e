"""A strip on top of a photo that makes a network see a shark."""

from etudes.pipelines.adversarial_strip.pipeline import create_pipeline

__all__ = ["create_pipeline"]
