"""Nodes that do nothing."""

from .pipeline import create_pipeline

__all__ = ["create_pipeline"]
