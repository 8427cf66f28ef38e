"""Reversible residual networks: activations are computed again on the way back, and not kept."""

from etudes.pipelines.revnet.pipeline import create_pipeline

__all__ = ["create_pipeline"]
