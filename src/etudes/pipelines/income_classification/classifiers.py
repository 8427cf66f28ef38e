"""The variants as models that answer people: the trivial one and the three linear ones."""

from __future__ import annotations

from typing import Any, ClassVar, Self

import numpy as np
import pandas as pd

from etudes.models import ModelState, register_model
from etudes.pipelines.income_classification.features import Features, FloatArray
from etudes.pipelines.income_classification.generative import fit_gaussian, fit_naive_bayes
from etudes.pipelines.income_classification.linear import IntArray, Linear, penalty_path, sigmoid
from etudes.pipelines.income_classification.logistic import (
    fit_newton,
    fit_sgd,
    log_loss,
    objective,
    standard_errors,
)
from etudes.pipelines.income_classification.parameters import (
    FeatureParameters,
    GenerativeParameters,
    LogisticParameters,
)
from etudes.training.seeds import derive_seed

History = dict[str, Any]


def two_columns(positive: FloatArray) -> FloatArray:
    """P(y = 1) (N,) as probabilities of both classes (N, 2)."""
    return np.column_stack([1.0 - positive, positive])


@register_model("income_classification.majority")
class Majority:
    """Answers the class shares of the training people, whoever it is: the trivial baseline."""

    registered_name: str

    def __init__(self, shares: FloatArray) -> None:
        self.shares = shares

    @classmethod
    def fit(cls, labels: IntArray) -> Self:
        return cls(np.bincount(labels, minlength=2) / len(labels))

    def predict_proba(self, frame: pd.DataFrame) -> FloatArray:
        return np.tile(self.shares, (len(frame), 1))

    def state(self) -> ModelState:
        return ModelState(arrays={"shares": self.shares})

    @classmethod
    def from_state(cls, state: ModelState) -> Self:
        return cls(state.arrays["shares"])


class LinearClassifier:
    """`Features` and the log-odds that are linear in their standardised columns."""

    registered_name: ClassVar[str]

    def __init__(self, features: Features, linear: Linear, errors: FloatArray | None = None) -> None:
        self.features, self.linear = features, linear
        self.errors = errors  # standard errors of the weights, where the method has them

    def log_odds(self, frame: pd.DataFrame) -> FloatArray:
        """log P(> 50K) / P(<= 50K) (N,), nats."""
        return self.linear.log_odds(self.features.transform(frame))

    def predict_proba(self, frame: pd.DataFrame) -> FloatArray:
        return two_columns(sigmoid(self.log_odds(frame)))

    def effects(self) -> pd.DataFrame:
        """One row a column of the matrix: ``feature``, ``source``, ``unit``, ``effect`` (nats per unit), its ``error``.

        A number's unit is its standard deviation on train; a level's effect is against the reference of its block, and
        so its weight is divided by the standard deviation of the 0/1 column.
        """
        columns = self.features.columns()
        unit = np.ones(len(columns))
        first = len(self.features.numbers)
        unit[first:] = self.features.scale[first:]
        errors = np.full(len(columns), np.nan) if self.errors is None else self.errors / unit
        return pd.DataFrame(
            {
                "feature": [column.name for column in columns],
                "source": [column.source for column in columns],
                "unit": [column.unit for column in columns],
                "effect": self.linear.weights / unit,
                "error": errors,
            }
        )

    def state(self) -> ModelState:
        state = ModelState({"bias": self.linear.bias}, {"weights": self.linear.weights})
        if self.errors is not None:
            state.arrays["errors"] = self.errors
        state.nest("features", self.features.state())
        return state

    @classmethod
    def from_state(cls, state: ModelState) -> Self:
        linear = Linear(state.arrays["weights"], float(state.config["bias"]))
        return cls(Features.from_state(state.nested("features")), linear, state.arrays.get("errors"))


@register_model("income_classification.naive_bayes")
class NaiveBayes(LinearClassifier):
    """Naive Bayes over levels; the prior's strength is chosen on dev."""

    @classmethod
    def fit(
        cls,
        train: pd.DataFrame,
        dev: pd.DataFrame,
        layout: FeatureParameters,
        parameters: GenerativeParameters,
    ) -> tuple[Self, History]:
        features = Features.fit(train, layout)
        sets = _sets(features, train, dev)
        raw, labels, n_numbers = features.raw(train), sets[0][1], len(features.numbers)

        def fit(penalty: float) -> Linear:
            found = fit_naive_bayes(raw, labels, features.slices(), n_numbers, penalty)
            return found.standardised(features.mean, features.scale)

        models, path = penalty_path(fit, parameters.penalties, *sets)
        best = _best(path)
        return cls(features, models[best]), {"path": path, "penalty": path[best]["penalty"]}


@register_model("income_classification.gaussian")
class Gaussian(LinearClassifier):
    """Gaussians with one covariance; the prior's strength is chosen on dev."""

    @classmethod
    def fit(
        cls,
        train: pd.DataFrame,
        dev: pd.DataFrame,
        layout: FeatureParameters,
        parameters: GenerativeParameters,
    ) -> tuple[Self, History]:
        features = Features.fit(train, layout)
        sets = _sets(features, train, dev)
        models, path = penalty_path(lambda p: fit_gaussian(*sets[0], p), parameters.penalties, *sets)
        best = _best(path)
        return cls(features, models[best]), {"path": path, "penalty": path[best]["penalty"]}


@register_model("income_classification.logistic")
class Logistic(LinearClassifier):
    """Logistic regression by mini-batch gradient descent; the penalty is chosen on dev along the path of optima."""

    @classmethod
    def fit(
        cls,
        train: pd.DataFrame,
        dev: pd.DataFrame,
        layout: FeatureParameters,
        parameters: LogisticParameters,
        seed: int,
        resume: bool,
    ) -> tuple[Self, History]:
        features = Features.fit(train, layout)
        sets = _sets(features, train, dev)
        (matrix, labels), (dev_matrix, dev_labels) = sets
        nearest: list[Linear] = []

        def optimum(penalty: float) -> Linear:
            start = nearest[-1] if nearest else None
            nearest.append(fit_newton(matrix, labels, penalty, start))
            return nearest[-1]

        # From the strongest penalty down, each optimum is near the one before.
        falling = sorted(parameters.penalties, reverse=True)
        models, path = penalty_path(optimum, falling, *sets)
        best = _best(path)
        penalty = falling[best]
        least = objective(models[best], matrix, labels, penalty)

        def watch(model: Linear) -> dict[str, float]:
            odds = model.log_odds(dev_matrix)
            excess = objective(model, matrix, labels, penalty) / least - 1
            return {
                "excess_loss": excess,
                "dev_loss": log_loss(odds, dev_labels),
                "dev_accuracy": float(((odds > 0) == dev_labels).mean()),
            }

        linear, epochs = fit_sgd(
            matrix, labels, penalty, parameters, derive_seed(seed, "logistic"), watch, resume
        )
        history = {
            "epochs": epochs,
            "path": path,
            "path_effects": _path_effects(features, models, falling),
            "penalty": penalty,
            "optimum": least,
            "largest_weight_difference": float(np.abs(linear.weights - models[best].weights).max()),
        }
        return cls(features, linear, standard_errors(linear, matrix, penalty)), history


Set = tuple[FloatArray, IntArray]


def _sets(features: Features, train: pd.DataFrame, dev: pd.DataFrame) -> tuple[Set, Set]:
    return (
        (features.transform(train), train["label"].to_numpy()),
        (features.transform(dev), dev["label"].to_numpy()),
    )


def _best(path: list[dict[str, float]]) -> int:
    """The row with the smallest log-loss on dev; of equals the strongest penalty."""
    return min(range(len(path)), key=lambda i: (path[i]["dev_log_loss"], -path[i]["penalty"]))


def _path_effects(features: Features, models: list[Linear], penalties: list[float]) -> list[dict[str, Any]]:
    """The standardised weights along the path, one row for each penalty and column."""
    names = [column.name for column in features.columns()]
    return [
        {"penalty": penalty, "feature": name, "weight": float(weight)}
        for penalty, model in zip(penalties, models, strict=True)
        for name, weight in zip(names, model.weights, strict=True)
    ]
