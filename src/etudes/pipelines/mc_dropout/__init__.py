"""Dropout at test time, and other ways to know how sure a network may be."""

from etudes.pipelines.mc_dropout.pipeline import create_pipeline

__all__ = ["create_pipeline"]
