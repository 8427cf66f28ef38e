"""Few labels and many pictures: may a classifier teach itself?"""

from etudes.pipelines.self_training.pipeline import create_pipeline

__all__ = ["create_pipeline"]
