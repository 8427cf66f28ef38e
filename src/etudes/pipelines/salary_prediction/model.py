"""The variants of the study. Importing this module registers every class that a model file may name."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd

from etudes.benches.regressors import mae
from etudes.evaluation.conformal import conformal_margin
from etudes.pipelines.salary_prediction.features import EVERYTHING, OF_FIELDS, Views
from etudes.pipelines.salary_prediction.methods import (
    Answering,
    Boosting,
    Median,
    Ridge,
    learn_boosting,
    learn_ridge,
)
from etudes.pipelines.salary_prediction.network import Network, learn_network
from etudes.pipelines.salary_prediction.parameters import LearningParameters
from etudes.pipelines.salary_prediction.predictor import SalaryPredictor
from etudes.text.heads import HEADS
from etudes.training.parameters import RunParameters
from etudes.training.seeds import derive_seed

__all__ = ["Boosting", "Median", "Network", "Ridge", "SalaryPredictor", "Views", "train"]
NETWORKS = ("network", "network_lstm", *(f"without_{head}" for head in HEADS))


def train(
    train_split: pd.DataFrame, learning: LearningParameters, run: RunParameters, variant: str = ""
) -> tuple[Answering, dict[str, Any]]:
    """A variant on training rows. Answers to rows that were held out give its dev score and the margin of its intervals: of networks those
    to the dev rows, which they do not train on, of all others those to all training rows, in turn."""
    seed, y = derive_seed(run.seed, "inner"), np.log(train_split["salary"].to_numpy())
    told: dict[str, Any] = {"epochs": []}
    model: Answering
    held_out = np.ones(len(y), dtype=bool)
    if variant == "median":
        model = Median(log_salary=float(np.median(y)))
        held = model.predict(train_split)
    elif variant in NETWORKS:
        heads = [head for head in HEADS if variant != f"without_{head}"]
        model, held, told["epochs"] = learn_network(
            train_split, heads, variant == "network_lstm", learning.network, run
        )
        held_out = train_split["is_dev"].to_numpy()
    else:
        terms, ridge, trees = learning.terms, learning.ridge, learning.boosting
        if variant == "boosting":
            model, held = learn_boosting(train_split, terms, ridge, trees, seed)
        else:
            views = EVERYTHING if variant == "ridge" else OF_FIELDS
            linear, held, told["penalty"] = learn_ridge(train_split, views, terms, ridge, seed)
            model = linear
        if variant == "combination":
            model, held = learn_boosting(train_split, terms, ridge, trees, seed, upon=(linear, held))
    model.margin = conformal_margin((y - held)[held_out], learning.coverage)
    is_dev = train_split["is_dev"].to_numpy()
    told["dev"] = {"salary_mae": mae(train_split["salary"].to_numpy()[is_dev], np.exp(held[is_dev]))}
    return model, {**told, "margin": model.margin}
