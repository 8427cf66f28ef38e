"""PaDiM: anomaly detection and localisation from Gaussians of patches."""

from etudes.pipelines.anomaly_padim.pipeline import create_pipeline

__all__ = ["create_pipeline"]
