"""The three linear variants as models that answer people."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
import pandas as pd

from etudes.benches.classifiers import on_dev
from etudes.models import register_model
from etudes.pipelines.income_classification.features import Features
from etudes.pipelines.income_classification.generative import fit_gaussian, fit_naive_bayes
from etudes.pipelines.income_classification.linear import FloatArray, Linear, Set, log_loss, sigmoid
from etudes.pipelines.income_classification.logistic import Descent, objective, optima, standard_errors
from etudes.pipelines.income_classification.parameters import (
    FeatureParameters,
    GenerativeParameters,
    LogisticParameters,
)
from etudes.stored import Stored
from etudes.training.parameters import RunParameters

Trained = tuple[Any, dict[str, Any]]


@register_model("income_classification.linear")
@dataclass
class LinearClassifier(Stored):
    """`Features` and the log-odds that are linear in their standardised columns.

    ``errors`` (P,) are standard errors of the weights, where the method has them.
    """

    features: Features
    linear: Linear
    errors: FloatArray | None = None

    def predict_proba(self, frame: pd.DataFrame) -> FloatArray:
        """Probabilities of both incomes (N, 2)."""
        above = sigmoid(self.linear.log_odds(self.features.transform(frame)))
        return np.column_stack([1.0 - above, above])

    def effects(self) -> pd.DataFrame:
        """One row a column of the matrix: ``feature``, ``source``, ``unit``, ``effect`` (nats per unit), its ``error``.

        A number's unit is its standard deviation on train; a level's effect is against the reference of its block, and
        so its weight is divided by the standard deviation of the 0/1 column.
        """
        table = self.features.columns()
        unit = np.where(table["unit"] == "standard deviation", 1.0, self.features.scale)
        errors = np.full(len(unit), np.nan) if self.errors is None else self.errors / unit
        return table.assign(effect=self.linear.weights / unit, error=errors)


def train_generative(
    train_split: pd.DataFrame,
    dev_split: pd.DataFrame,
    features: FeatureParameters,
    generative: GenerativeParameters,
    method: Literal["gaussian", "naive_bayes"] = "gaussian",
) -> Trained:
    """Gaussians with one covariance, or naive Bayes over levels; the prior's strength is chosen on dev."""
    layout, penalties = Features.fit(train_split, features), generative.penalties
    matrix, labels = set_of(layout, train_split)
    if method == "gaussian":
        models = [fit_gaussian(matrix, labels, penalty) for penalty in penalties]
    else:  # it counts levels, which standardising would hide
        raw, parts = layout.raw(train_split), (layout.slices(), len(layout.numbers))
        found = [fit_naive_bayes(raw, labels, penalty, *parts) for penalty in penalties]
        models = [model.standardised(layout.mean, layout.scale) for model in found]
    linear, penalty = best_on_dev(models, penalties, set_of(layout, dev_split))
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
    train, dev = set_of(layout, train_split), set_of(layout, dev_split)
    best, penalty = best_on_dev(optima(*train, parameters.penalties), parameters.penalties, dev)
    least = objective(best, *train, penalty)
    descent = Descent(train, dev, penalty, least, parameters, run)
    linear = descent.run()
    model = LinearClassifier(layout, linear, standard_errors(linear, train[0], penalty))
    difference = float(np.abs(linear.weights - best.weights).max())
    found = {"penalty": penalty, "optimum": least, "largest_weight_difference": difference}
    return model, {**on_dev(model, dev_split, **found), "epochs": descent.epochs}


def best_on_dev(models: list[Linear], penalties: list[float], dev: Set) -> tuple[Linear, float]:
    """Of models of all penalties the one with the smallest log-loss on dev, of equals the strongest; and its penalty."""
    losses = [log_loss(model.log_odds(dev[0]), dev[1]) for model in models]
    best = min(range(len(models)), key=lambda i: (losses[i], -penalties[i]))
    return models[best], penalties[best]


def set_of(features: Features, frame: pd.DataFrame) -> Set:
    """The standardised matrix of people and their labels."""
    return features.transform(frame), frame["label"].to_numpy()
