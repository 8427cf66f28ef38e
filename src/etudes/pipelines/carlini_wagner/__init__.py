"""The nearest picture that a network answers otherwise: the attack of Carlini and Wagner and its rivals."""

from etudes.pipelines.carlini_wagner.pipeline import create_pipeline

__all__ = ["create_pipeline"]
