"""The variants of the study. `clustering` is the method; `methods` is what stands beside it.

Importing this module registers every class that a model file may name.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd

from etudes.benches.few_labels import UNKNOWN, choose
from etudes.benches.table_models import Standardised
from etudes.benches.tables import matrix_of
from etudes.evaluation import classification_metrics
from etudes.pipelines.cluster_then_label import clustering
from etudes.pipelines.cluster_then_label.methods import FITS, settings_of
from etudes.pipelines.cluster_then_label.parameters import MethodsParameters
from etudes.training.parameters import RunParameters
from etudes.training.seeds import derive_seed


def train(
    train_split: pd.DataFrame,
    split_card: dict[str, Any],
    methods: MethodsParameters,
    run: RunParameters,
    variant: str = "",
) -> tuple[Standardised, dict[str, Any]]:
    """One variant, its setting chosen among the labelled rows; the dev scores are those of labels that were held out.

    The history has an entry a sweep of the guided descent that is kept.

    Raises:
        ValueError: a class with one labelled row, which nothing can be held out of.
    """
    matrix, labels = matrix_of(train_split), train_split["label"].to_numpy()
    classes = len(split_card["classes"])
    model, seed = Standardised.of(matrix), derive_seed(run.seed, "methods")
    z, settings = model.z(matrix), settings_of(variant, methods)
    choice = choose(FITS[variant], settings, z, labels, classes, methods.folds, seed)
    if choice.held_out is None:
        raise ValueError(
            "train has one labelled row of a class; expected two of each, one of which can be held out"
        )
    model.rule = choice.rule
    epochs = descent(z, labels, classes, seed, **choice.setting) if variant == "guided" else []
    chosen = {name: value for name, value in choice.setting.items() if name not in ("starts", "sweeps")}
    dev = classification_metrics(labels[labels != UNKNOWN], choice.held_out)
    return model, {"dev": dev, "epochs": epochs, "chosen": chosen}


def descent(
    z: clustering.FloatArray,
    labels: clustering.IntArray,
    classes: int,
    seed: int,
    *,
    per_class: int,
    alpha: float,
    starts: int,
    sweeps: int,
) -> list[dict[str, float]]:
    """What each sweep of guided k-means left of its objective, and how much of that is impurity."""
    centres = clustering.spread_out(z, per_class * classes, starts, np.random.default_rng(seed))
    found = clustering.descend(z, centres, sweeps, *clustering.guide(z, labels, classes, alpha))
    pairs = enumerate(zip(found.objective, found.impurity, strict=True), start=1)
    return [{"sweep": n, "objective": whole, "impurity": part} for n, (whole, part) in pairs]
