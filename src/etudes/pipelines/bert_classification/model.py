"""The variants of the study: blocks of features side by side under a linear model, and the encoder that learns.

Importing this module registers every class that a model file may name.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from etudes.examples import Examples
from etudes.pipelines.bert_classification.parameters import LoraParameters, PenaltyParameters
from etudes.pipelines.bert_classification.predictor import ReviewPredictor
from etudes.text.features import Corpus
from etudes.text.linear import LinearText, Parts, dev_scores, learn_on_dev
from etudes.text.parameters import EncoderParameters, FrozenParameters
from etudes.training.parameters import RunParameters

__all__ = ["LINEAR", "ReviewPredictor", "corpus_of", "fit_linear", "tune_encoder"]
History = dict[str, Any]
WORDS, CHARACTERS = ("terms", "words", "tfidf"), ("terms", "characters", "tfidf")
# What stands side by side in each linear variant, and how the frozen encoder's states are pooled.
LINEAR: dict[str, tuple[Parts, str]] = {
    "tfidf": ((WORDS,), "mean"),
    "words_and_characters": ((WORDS, CHARACTERS), "mean"),
    "probe_first": ((("states",),), "first"),
    "probe_mean": ((("states",),), "mean"),
}


def corpus_of(
    parts: list[Examples], pooling: str, frozen: FrozenParameters, linear: PenaltyParameters
) -> Corpus:
    """The texts of several splits, one after the other, with the states that preprocessing computed."""
    texts = [text for part in parts for text in part.rows["text"]]
    known = dict(zip(texts, np.concatenate([part[pooling] for part in parts]), strict=True))
    return Corpus(texts, frozen.model_copy(update={"pooling": pooling}), linear.characters, known)


def fit_linear(
    train_split: Examples,
    dev_split: Examples,
    frozen: FrozenParameters,
    linear: PenaltyParameters,
    variant: str = "",
) -> tuple[LinearText, History]:
    """A linear variant; dev chooses its penalty and fits Platt's scale."""
    parts, pooling = LINEAR[variant]
    corpus = corpus_of([train_split, dev_split], pooling, frozen, linear)
    rows, dev = np.split(np.arange(len(corpus)), [len(train_split)])
    labels = np.concatenate([part.rows["label"].to_numpy() for part in (train_split, dev_split)])
    learned = learn_on_dev(parts, corpus, rows, dev, labels, linear.penalties)
    scores = dev_scores(labels[dev], learned.model.probabilities(learned.held_out))
    return learned.model, {"dev": scores, "epochs": [], "setting": learned.setting}


def tune_encoder(
    train_split: Examples,
    dev_split: Examples,
    split_card: dict[str, Any],
    parameters: EncoderParameters,
    run: RunParameters,
) -> tuple[Any, History]:
    """The encoder, fine-tuned, or with adapters where the parameters are of those; dev chooses the epoch."""
    from etudes.pipelines.bert_classification.encoders import AdaptedEncoder, SentenceEncoder

    kind = AdaptedEncoder if isinstance(parameters, LoraParameters) else SentenceEncoder
    return kind.train(train_split.rows, dev_split.rows, split_card, parameters, run)
