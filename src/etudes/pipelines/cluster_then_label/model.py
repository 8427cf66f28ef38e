"""The variants of the study. Importing this module registers every class that a model file may name.

`clustering` is the method; `methods` is what stands beside it, and how settings are chosen.
"""

from __future__ import annotations

from typing import Any, Self

import numpy as np
import pandas as pd

from etudes.benches.tables import matrix_of
from etudes.evaluation import classification_metrics
from etudes.models import ModelState, register_model, registered_class
from etudes.pipelines.cluster_then_label import clustering
from etudes.pipelines.cluster_then_label.clustering import UNKNOWN, FloatArray
from etudes.pipelines.cluster_then_label.methods import choose
from etudes.pipelines.cluster_then_label.parameters import MethodsParameters
from etudes.training.parameters import RunParameters
from etudes.training.seeds import derive_seed


@register_model("cluster_then_label.standardised")
class Standardised:
    """A rule of `methods` behind rows of a table: it sees z = (x - mean) / scale, both (D,) and of all training rows."""

    registered_name: str

    def __init__(self, mean: FloatArray, scale: FloatArray, rule: Any) -> None:
        self.mean, self.scale, self.rule = mean, scale, rule

    @classmethod
    def of(cls, matrix: FloatArray, one_unit: bool = False) -> Self:
        """From rows (N, D), without a rule as yet: the deviation of each measurement, or the root mean square of all.

        The scale of what does not vary is 1.
        """
        deviation = matrix.std(axis=0)
        if one_unit:
            deviation = np.full(matrix.shape[1], np.sqrt(np.square(deviation).mean()))
        return cls(matrix.mean(axis=0), np.where(deviation > 0, deviation, 1.0), None)

    def z(self, matrix: FloatArray) -> FloatArray:
        return (matrix - self.mean) / self.scale

    def predict_proba(self, frame: pd.DataFrame) -> FloatArray:
        """Probabilities (N, C) of the rows of a frame."""
        found: FloatArray = self.rule.predict_proba(self.z(matrix_of(frame)))
        return found

    def state(self) -> ModelState:
        state = ModelState({"class": self.rule.registered_name}, {"mean": self.mean, "scale": self.scale})
        state.nest("rule", self.rule.state())
        return state

    @classmethod
    def from_state(cls, state: ModelState) -> Self:
        rule = registered_class(state.config["class"]).from_state(state.nested("rule"))
        return cls(state.arrays["mean"], state.arrays["scale"], rule)


def train(
    train_split: pd.DataFrame,
    split_card: dict[str, Any],
    methods: MethodsParameters,
    run: RunParameters,
    variant: str = "",
) -> tuple[Standardised, dict[str, Any]]:
    """One variant, its setting chosen among the labelled rows; the dev scores are those of labels that were held out.

    The history has an entry a sweep of the guided descent, of the clustering that is kept.
    """
    matrix, labels, classes = (
        matrix_of(train_split),
        train_split["label"].to_numpy(),
        len(split_card["classes"]),
    )
    model = Standardised.of(matrix)
    z, seed = model.z(matrix), derive_seed(run.seed, "methods")
    choice = choose(variant, z, labels, classes, methods, seed)
    model.rule = choice.rule
    history = {"dev": classification_metrics(labels[labels != UNKNOWN], choice.held_out), "epochs": []}
    chosen = {name: value for name, value in choice.setting.items() if name not in ("starts", "sweeps")}
    if variant == "guided":
        history["epochs"] = descent(z, labels, classes, seed, **choice.setting)
    return model, {**history, "chosen": chosen}


def descent(
    z: FloatArray,
    labels: Any,
    classes: int,
    seed: int,
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
