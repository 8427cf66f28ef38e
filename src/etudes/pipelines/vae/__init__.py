"""Variational autoencoders of digits."""

from etudes.pipelines.vae.pipeline import create_pipeline

__all__ = ["create_pipeline"]
