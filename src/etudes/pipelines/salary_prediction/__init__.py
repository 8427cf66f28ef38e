"""Salaries of job advertisements."""

from etudes.pipelines.salary_prediction.pipeline import create_pipeline

__all__ = ["create_pipeline"]
