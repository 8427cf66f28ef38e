"""Models of rows of a table: a rule behind one scale, and the cheap rules that any method is measured against.

A rule sees standardised rows z (N, D) and answers with probabilities (N, C) of C classes.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, ClassVar, Self

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from etudes.benches.tables import matrix_of
from etudes.models import ModelState, register_model, registered_class

FloatArray = NDArray[np.float64]
IntArray = NDArray[np.int64]


@dataclass(frozen=True, eq=False)
class Rule:
    """What a method learned, as a dataclass: fields that are arrays are its weights, all others JSON values."""

    registered_name: ClassVar[str]

    def state(self) -> ModelState:
        weights = {name: value for name, value in vars(self).items() if isinstance(value, np.ndarray)}
        return ModelState({n: v for n, v in vars(self).items() if n not in weights}, weights)

    @classmethod
    def from_state(cls, state: ModelState) -> Self:
        return cls(**state.config, **state.arrays)


@register_model("tables.standardised")
class Standardised:
    """A rule behind rows of a table: it sees z = (x - mean) / scale, both (D,) and of all training rows."""

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


@register_model("tables.neighbours")
@dataclass(frozen=True, eq=False)
class Neighbours(Rule):
    """P(c | z) = (n_c + 1) / (k + C), where n_c of the k nearest rows (L, D) are of class c (Laplace: none is impossible).

    Where there are fewer than k rows all are asked.
    """

    rows: FloatArray
    labels: IntArray
    k: int
    classes: int

    def predict_proba(self, z: FloatArray) -> FloatArray:
        distances = (
            np.square(self.rows).sum(axis=1) - 2 * z @ self.rows.T
        )  # less |z|^2, the same for all rows
        order = distances.argsort(axis=1, kind="stable")
        counts = np.eye(self.classes)[self.labels[order[:, : self.k]]].sum(axis=1)
        return (counts + 1) / (min(self.k, len(self.rows)) + self.classes)


@register_model("tables.softmax")
@dataclass(frozen=True, eq=False)
class Softmax(Rule):
    """P(c | z) = softmax(W z + b), W (C, D) and b (C,)."""

    weights: FloatArray
    intercepts: FloatArray

    @classmethod
    def fit(cls, z: FloatArray, labels: IntArray, penalty: float) -> Self:
        """Logistic regression: the least sum of -ln P(y | z) + ``penalty`` / 2 |W|^2; each class has a row.

        Args:
            z: (L, D).
            labels: (L,) classes, each of 0..C-1 there.
            penalty: 1 / C of scikit-learn, which fits it.
        """
        from sklearn.linear_model import LogisticRegression

        from etudes.training.classification import rows_of_classes

        fitted = LogisticRegression(C=1 / penalty, max_iter=1000).fit(z, labels)
        weights, intercepts = rows_of_classes(fitted.coef_, fitted.intercept_)
        share = (
            0.5 if len(weights) == 2 else 1.0
        )  # of two classes scikit-learn has the difference of both rows
        return cls(weights * share, intercepts * share)

    def predict_proba(self, z: FloatArray) -> FloatArray:
        logits = z @ self.weights.T + self.intercepts
        odds = np.exp(logits - logits.max(axis=1, keepdims=True))
        return odds / odds.sum(axis=1, keepdims=True)
