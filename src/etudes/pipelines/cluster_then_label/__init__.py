"""Few labels and many rows: k-means that labels guide, and what is to be had without it."""

from etudes.pipelines.cluster_then_label.pipeline import create_pipeline

__all__ = ["create_pipeline"]
