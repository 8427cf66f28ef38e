"""Classes of rows of a table, from their measurements."""

from etudes.pipelines.{{ cookiecutter.pipeline_name }}.pipeline import create_pipeline

__all__ = ["create_pipeline"]
