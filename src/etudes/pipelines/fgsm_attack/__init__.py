"""A picture moved by its gradient until a network no longer knows it, and what helps against that."""

from etudes.pipelines.fgsm_attack.pipeline import create_pipeline

__all__ = ["create_pipeline"]
