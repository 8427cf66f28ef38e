"""A small network that learns from the answers of a large one."""

from etudes.pipelines.knowledge_distillation.pipeline import create_pipeline

__all__ = ["create_pipeline"]
