"""The three linear variants as models that answer people."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Self

import numpy as np
import pandas as pd

from etudes.benches.classifiers import Majority, on_dev
from etudes.cards import fingerprint
from etudes.models import ModelState, register_model
from etudes.pipelines.income_classification.features import Features, FloatArray
from etudes.pipelines.income_classification.generative import fit_gaussian, fit_naive_bayes
from etudes.pipelines.income_classification.linear import IntArray, Linear, log_loss, sigmoid
from etudes.pipelines.income_classification.logistic import Descent, fit_newton, objective, standard_errors
from etudes.pipelines.income_classification.parameters import (
    FeatureParameters,
    GenerativeParameters,
    LogisticParameters,
)
from etudes.training.parameters import RunParameters

Trained = tuple[Any, dict[str, Any]]
Set = tuple[FloatArray, IntArray]


@register_model("income_classification.linear")
class LinearClassifier:
    """`Features` and the log-odds that are linear in their standardised columns.

    ``errors`` (P,) are standard errors of the weights, where the method has them.
    """

    registered_name: str

    def __init__(self, features: Features, linear: Linear, errors: FloatArray | None = None) -> None:
        self.features, self.linear, self.errors = features, linear, errors

    def predict_proba(self, frame: pd.DataFrame) -> FloatArray:
        """Probabilities of both incomes (N, 2)."""
        above = sigmoid(self.linear.log_odds(self.features.transform(frame)))
        return np.column_stack([1.0 - above, above])

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
        table = pd.DataFrame(map(vars, columns)).rename(columns={"name": "feature"})
        return table.assign(effect=self.linear.weights / unit, error=errors)

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


def train_majority(train_split: pd.DataFrame, dev_split: pd.DataFrame) -> Trained:
    """The trivial baseline."""
    model = Majority.fit(train_split["label"].to_numpy(), 2)
    return model, on_dev(model, dev_split)


def train_naive_bayes(
    train_split: pd.DataFrame,
    dev_split: pd.DataFrame,
    features: FeatureParameters,
    generative: GenerativeParameters,
) -> Trained:
    """Naive Bayes over levels; the prior's strength is chosen on dev."""
    layout = Features.fit(train_split, features)
    raw, labels, n_numbers = layout.raw(train_split), train_split["label"].to_numpy(), len(layout.numbers)

    def fit(penalty: float) -> Linear:
        found = fit_naive_bayes(raw, labels, layout.slices(), n_numbers, penalty)
        return found.standardised(layout.mean, layout.scale)

    linear, penalty = best_on_dev(fit, generative.penalties, _set(layout, dev_split))
    model = LinearClassifier(layout, linear)
    return model, on_dev(model, dev_split, penalty=penalty)


def train_gaussian(
    train_split: pd.DataFrame,
    dev_split: pd.DataFrame,
    features: FeatureParameters,
    generative: GenerativeParameters,
) -> Trained:
    """Gaussians with one covariance; the prior's strength is chosen on dev."""
    layout = Features.fit(train_split, features)
    train = _set(layout, train_split)
    linear, penalty = best_on_dev(
        lambda p: fit_gaussian(*train, p), generative.penalties, _set(layout, dev_split)
    )
    model = LinearClassifier(layout, linear)
    return model, on_dev(model, dev_split, penalty=penalty)


def train_logistic(
    train_split: pd.DataFrame,
    dev_split: pd.DataFrame,
    features: FeatureParameters,
    parameters: LogisticParameters,
    run: RunParameters,
) -> Trained:
    """Logistic regression by mini-batch gradient descent; the penalty is chosen on dev along the path of optima."""
    layout = Features.fit(train_split, features)
    (matrix, labels), dev = _set(layout, train_split), _set(layout, dev_split)
    nearest: list[Linear] = []

    def optimum(penalty: float) -> Linear:
        nearest.append(fit_newton(matrix, labels, penalty, nearest[-1] if nearest else None))
        return nearest[-1]

    # From the strongest penalty down, each optimum is near the one before.
    best, penalty = best_on_dev(optimum, sorted(parameters.penalties, reverse=True), dev)
    least = objective(best, matrix, labels, penalty)

    def watch(model: Linear) -> dict[str, float]:
        odds = model.log_odds(dev[0])
        return {
            "excess_loss": objective(model, matrix, labels, penalty) / least - 1,
            "dev_loss": log_loss(odds, dev[1]),
            "dev_accuracy": float(((odds > 0) == dev[1]).mean()),
        }

    descent = Descent(matrix, labels, penalty, parameters, run, watch, fingerprint(*dev))
    linear = descent.run()
    model = LinearClassifier(layout, linear, standard_errors(linear, matrix, penalty))
    difference = float(np.abs(linear.weights - best.weights).max())
    found = {"penalty": penalty, "optimum": least, "largest_weight_difference": difference}
    return model, {**on_dev(model, dev_split, **found), "epochs": descent.epochs}


def best_on_dev(fit: Callable[[float], Linear], penalties: list[float], dev: Set) -> tuple[Linear, float]:
    """Of models of all penalties the one with the smallest log-loss on dev, of equals the strongest; and its penalty."""
    models = [fit(penalty) for penalty in penalties]
    losses = [log_loss(model.log_odds(dev[0]), dev[1]) for model in models]
    best = min(range(len(models)), key=lambda i: (losses[i], -penalties[i]))
    return models[best], penalties[best]


def _set(features: Features, frame: pd.DataFrame) -> Set:
    return features.transform(frame), frame["label"].to_numpy()
