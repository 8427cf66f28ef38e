"""The methods of the study, written out. Importing this module registers every class that a model file may name."""

from __future__ import annotations

from typing import Any, Self

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from etudes.benches.classifiers import Majority, on_dev
from etudes.benches.tables import matrix_of
from etudes.models import ModelState, register_model
from etudes.pipelines.{{ cookiecutter.pipeline_name }}.parameters import CentroidParameters

Trained = tuple[Any, dict[str, Any]]


@register_model("{{ cookiecutter.pipeline_name }}.nearest_centroid")
class NearestCentroid:
    """The class whose mean is nearest, with probabilities.

    With z = (x - m) / s, m and s the mean and standard deviation of the training rows, and c_k the mean of z in class k,

        P(k | x) = exp(-|z - c_k|^2 / 2v) / sum_j exp(-|z - c_j|^2 / 2v),

    which is Bayes' rule for classes that are equally frequent and spherical Gaussians of one variance v (Hastie,
    Tibshirani and Friedman, The Elements of Statistical Learning, 2009, section 4.3). v is the mean square of z - c_y
    over training rows and measurements; it changes how certain an answer is and never which class is nearest.
    """

    registered_name: str

    def __init__(self, mean: NDArray, scale: NDArray, centroids: NDArray, variance: float) -> None:
        self.mean, self.scale, self.centroids, self.variance = mean, scale, centroids, variance

    @classmethod
    def fit(cls, matrix: NDArray, labels: NDArray, n_classes: int, standardise: bool) -> Self:
        """From measurements (N, D), classes (N,) in 0..n_classes-1; s is 1 of constants and without ``standardise``."""
        deviation = matrix.std(axis=0) if standardise else np.ones(matrix.shape[1])
        mean, scale = matrix.mean(axis=0), np.where(deviation > 0, deviation, 1.0)
        z = (matrix - mean) / scale
        centroids = np.stack([z[labels == k].mean(axis=0) for k in range(n_classes)])
        return cls(mean, scale, centroids, max(float(np.square(z - centroids[labels]).mean()), 1e-12))

    def predict_proba(self, frame: pd.DataFrame) -> NDArray:
        """Probabilities (N, K) of the rows of a frame."""
        z = (matrix_of(frame) - self.mean) / self.scale
        logits = -np.square(z[:, None, :] - self.centroids).sum(axis=2) / (2 * self.variance)
        weights = np.exp(logits - logits.max(axis=1, keepdims=True))
        return weights / weights.sum(axis=1, keepdims=True)

    def state(self) -> ModelState:
        arrays = {"mean": self.mean, "scale": self.scale, "centroids": self.centroids}
        return ModelState({"variance": self.variance}, arrays)

    @classmethod
    def from_state(cls, state: ModelState) -> Self:
        return cls(**state.arrays, variance=state.config["variance"])


def train_most_frequent(
    train_split: pd.DataFrame, dev_split: pd.DataFrame, split_card: dict[str, Any]
) -> Trained:
    """The trivial baseline."""
    model = Majority.fit(train_split["label"].to_numpy(), len(split_card["classes"]))
    return model, on_dev(model, dev_split)


def train_nearest_centroid(
    train_split: pd.DataFrame,
    dev_split: pd.DataFrame,
    split_card: dict[str, Any],
    parameters: CentroidParameters,
) -> Trained:
    """The nearest centroid."""
    labels, classes = train_split["label"].to_numpy(), len(split_card["classes"])
    model = NearestCentroid.fit(matrix_of(train_split), labels, classes, parameters.standardise)
    return model, on_dev(model, dev_split)
