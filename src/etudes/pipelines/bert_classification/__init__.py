"""Sentences for or against a film: counted words, a frozen encoder, adapters of low rank, and the encoder fine-tuned."""

from etudes.pipelines.bert_classification.pipeline import create_pipeline

__all__ = ["create_pipeline"]
