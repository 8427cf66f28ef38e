"""Toxic or not: comments of two classes."""

from etudes.pipelines.toxic_comments.pipeline import create_pipeline

__all__ = ["create_pipeline"]
