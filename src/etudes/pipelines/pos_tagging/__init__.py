"""Parts of speech: a tag for each word of a sentence."""

from etudes.pipelines.pos_tagging.pipeline import create_pipeline

__all__ = ["create_pipeline"]
