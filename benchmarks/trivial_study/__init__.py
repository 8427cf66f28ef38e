"""Nodes that do nothing."""

from etudes.pipelines.bench_trivial.pipeline import create_pipeline

__all__ = ["create_pipeline"]
