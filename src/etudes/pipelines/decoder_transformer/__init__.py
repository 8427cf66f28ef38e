"""A decoder-only transformer: rotary positions, a cache of keys and values, temperature and nucleus sampling."""

from etudes.pipelines.decoder_transformer.pipeline import create_pipeline

__all__ = ["create_pipeline"]
