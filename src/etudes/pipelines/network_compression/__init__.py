"""One network made smaller in every usual way: accuracy against bytes, operations and time."""

from etudes.pipelines.network_compression.pipeline import create_pipeline

__all__ = ["create_pipeline"]
