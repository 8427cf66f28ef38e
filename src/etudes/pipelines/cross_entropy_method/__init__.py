"""The cross-entropy method over actions and over weights, held against planning and rules written by hand."""

from etudes.pipelines.cross_entropy_method.pipeline import create_pipeline

__all__ = ["create_pipeline"]
