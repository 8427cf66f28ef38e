"""The variants of the study. Importing this module registers every class that a model file may name."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd

from etudes.benches.tagging import dev_scores, tag_ids
from etudes.pipelines.pos_tagging.linear import LinearTagger, make_linear
from etudes.pipelines.pos_tagging.network import NetworkTagger, make_network
from etudes.pipelines.pos_tagging.parameters import LinearParameters, NetworkParameters
from etudes.pipelines.pos_tagging.predictor import TagPredictor
from etudes.pipelines.pos_tagging.tagger import MostFrequent
from etudes.text.tagging import TaggingProblem
from etudes.training.fit import fit
from etudes.training.parameters import RunParameters
from etudes.training.seeds import derive_seed, seed_everything

__all__ = [
    "LinearTagger",
    "MostFrequent",
    "NetworkTagger",
    "TagPredictor",
    "train_linear",
    "train_most_frequent",
    "train_network",
]
Trained = tuple[Any, dict[str, Any]]
# What a network reads beside its words' own vectors (pretrained vectors, characters), and whether its tags are a chain.
PARTS = {
    "bilstm": (False, False, False),
    "bilstm_vectors": (True, False, False),
    "bilstm_characters": (True, True, False),
    "bilstm_crf": (True, True, True),
}


def train_most_frequent(
    train_split: pd.DataFrame, dev_split: pd.DataFrame, split_card: dict[str, Any]
) -> Trained:
    """Counting."""
    classes = split_card["classes"]
    model = MostFrequent.fit(train_split["words"].tolist(), tag_ids(train_split, classes), len(classes))
    return model, {"dev": dev_scores(model, train_split, dev_split, classes), "epochs": []}


def train_linear(
    train_split: pd.DataFrame,
    dev_split: pd.DataFrame,
    split_card: dict[str, Any],
    parameters: LinearParameters,
    run: RunParameters,
    chained: bool = False,
) -> Trained:
    """A weight for each feature and tag; ``chained`` adds one for each pair of tags."""
    model = make_linear(train_split["words"].tolist(), len(split_card["classes"]), chained, parameters.fewest)
    return _fitted(model, train_split, dev_split, split_card, parameters, run)


def train_network(
    train_split: pd.DataFrame,
    dev_split: pd.DataFrame,
    split_card: dict[str, Any],
    parameters: NetworkParameters,
    run: RunParameters,
    variant: str = "",
) -> Trained:
    """The bidirectional LSTM, with the parts of the variant."""
    seed_everything(derive_seed(run.seed, "network"))
    vectors, characters, chained = PARTS[variant]
    model = make_network(
        train_split["words"].tolist(), len(split_card["classes"]), parameters, vectors, characters, chained
    )
    return _fitted(model, train_split, dev_split, split_card, parameters, run)


def _fitted(
    model: LinearTagger | NetworkTagger,
    train: pd.DataFrame,
    dev: pd.DataFrame,
    split_card: dict[str, Any],
    parameters: LinearParameters | NetworkParameters,
    run: RunParameters,
) -> Trained:
    classes = split_card["classes"]
    problem = TaggingProblem(
        model.network,
        model.encode(train["words"].tolist()),
        tag_ids(train, classes),
        model.encode(dev["words"].tolist()),
        np.concatenate(tag_ids(dev, classes)),
        parameters.fit.batch_size,
        parameters.model_dump_json(),
    )
    epochs = fit(problem, parameters.fit, run)
    return model, {"dev": dev_scores(model, train, dev, classes), "epochs": epochs}
