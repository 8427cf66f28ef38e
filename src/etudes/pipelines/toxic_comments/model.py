"""The variants of the study. Linear ones are blocks of features side by side (`etudes.text.features`, `etudes.text.linear`); the
encoder is fine-tuned as well.

Importing this module registers every class that a model file may name.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from etudes.benches.classifiers import Majority
from etudes.evaluation.classification import SMALLEST_PROBABILITY
from etudes.examples import Examples
from etudes.models import register_model
from etudes.pipelines.toxic_comments.predictor import CommentPredictor
from etudes.splits import stratified
from etudes.text.features import Corpus, FloatArray, IntArray
from etudes.text.linear import BAG, NAIVE_BAYES, LinearText, Parts, Scorer, dev_scores, learn
from etudes.text.logistic import platt_scale
from etudes.text.parameters import EncoderParameters, FrozenParameters, LinearParameters
from etudes.training.parameters import RunParameters
from etudes.training.seeds import derive_seed

__all__ = ["PARTS", "CommentPredictor", "FineTuned", "fine_tune", "train", "train_encoder", "train_majority"]
History = dict[str, Any]
WORDS, CHARACTERS = ("terms", "words", "tfidf"), ("terms", "characters", "tfidf")
WORD_RATIOS, CHARACTER_RATIOS = ("terms", "words", "ratio"), ("terms", "characters", "ratio")
# What stands side by side in each linear variant.
PARTS: dict[str, Parts] = {
    "bow": (BAG,),
    "multinomial_nb": NAIVE_BAYES,
    "tfidf": (WORDS,),
    "characters": (CHARACTERS,),
    "words_and_characters": (WORDS, CHARACTERS),
    "nb_svm": (WORD_RATIOS,),
    "nb_svm_characters": (CHARACTER_RATIOS,),
    "mean_vectors": (("vectors", "mean"),),
    "idf_vectors": (("vectors", "idf"),),
    "encoder_probe": (("states",),),
    "combination": (WORD_RATIOS, CHARACTER_RATIOS, ("states",)),
}


def train(
    train_split: Examples,
    frozen: FrozenParameters,
    methods: LinearParameters,
    run: RunParameters,
    variant: str = "",
) -> tuple[LinearText, History]:
    """A linear variant; its dev scores are those of training rows that were held out."""
    corpus, labels = comments_of(train_split, frozen, methods), train_split.rows["label"].to_numpy()
    learned = learn(
        {variant: PARTS[variant]},
        corpus,
        np.arange(len(labels)),
        labels,
        methods,
        derive_seed(run.seed, "inner"),
    )[variant]
    is_dev = train_split.rows["is_dev"].to_numpy()
    p = learned.model.probabilities(learned.held_out[is_dev])
    return learned.model, {"dev": dev_scores(labels[is_dev], p), "epochs": [], "setting": learned.setting}


def dev_rows(labels: IntArray, fraction: float, seed: int) -> NDArray[np.bool_]:
    """Which of the training rows (R,) variants are compared by."""
    return stratified(labels, fraction, derive_seed(seed, "dev"))


def comments_of(examples: Examples, frozen: FrozenParameters, methods: LinearParameters) -> Corpus:
    """The texts of a split with the states that preprocessing computed."""
    texts = examples.rows["text"].tolist()
    return Corpus(texts, frozen, methods.characters, dict(zip(texts, examples["states"], strict=True)))


def train_majority(train_split: Examples) -> tuple[Majority, History]:
    """The trivial baseline: the share of either class, whatever is asked."""
    labels = train_split.rows["label"].to_numpy()
    model, dev = Majority.fit(labels, 2), train_split.rows[train_split.rows["is_dev"]]
    return model, {"dev": dev_scores(dev["label"].to_numpy(), model.predict_proba(dev)), "epochs": []}


@register_model("toxic_comments.encoder")
@dataclass(kw_only=True)
class FineTuned(Scorer):
    """The encoder, fine-tuned."""

    network: Any

    def scores(self, texts: Sequence[str] | Corpus, rows: IntArray | None = None) -> FloatArray:
        found = texts.texts if isinstance(texts, Corpus) else list(texts)
        chosen = found if rows is None else [found[row] for row in rows]
        p = np.maximum(self.network.predict_proba(pd.DataFrame({"text": chosen})), SMALLEST_PROBABILITY)
        return np.log(p[:, 1]) - np.log(p[:, 0])


def fine_tune(
    frame: pd.DataFrame, parameters: EncoderParameters, run: RunParameters
) -> tuple[FineTuned, History]:
    """Train on all rows but those that are ``is_dev``, which choose the epoch, fit Platt's scale and give the dev scores."""
    labels, is_dev = frame["label"].to_numpy(), frame["is_dev"].to_numpy()
    from etudes.pipelines.toxic_comments.encoder import CommentEncoder

    kept, dev = (frame[rows].reset_index(drop=True) for rows in (~is_dev, is_dev))
    network, history = CommentEncoder.train(kept, dev, {"classes": ["fine", "toxic"]}, parameters, run)
    model = FineTuned(network=network)
    scores = model.scores(dev["text"].tolist())
    model.slope, model.offset = platt_scale(scores, labels[is_dev])
    return model, {**history, "dev": dev_scores(labels[is_dev], model.probabilities(scores))}


def train_encoder(
    train_split: Examples, parameters: EncoderParameters, run: RunParameters
) -> tuple[FineTuned, History]:
    """The encoder's upper layers and an output layer on the mean of its states."""
    return fine_tune(train_split.rows, parameters, run)
