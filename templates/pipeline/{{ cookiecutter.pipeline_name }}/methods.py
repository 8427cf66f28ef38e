"""The methods of the study. numpy alone: they work without Kedro."""

from __future__ import annotations

from typing import Self

import numpy as np
from numpy.typing import NDArray

from etudes.models import ModelState, register_model

FloatArray = NDArray[np.float64]
IntArray = NDArray[np.int64]
SMALLEST_VARIANCE = 1e-12


@register_model("{{ cookiecutter.pipeline_name }}.most_frequent")
class MostFrequent:
    """Answers the class shares of the training rows, whatever the row: the trivial baseline."""

    registered_name: str

    def __init__(self, shares: FloatArray) -> None:
        self.shares = shares

    @classmethod
    def fit(cls, target: IntArray, n_classes: int) -> Self:
        """From the classes (N,), integers in 0..n_classes-1."""
        return cls(np.bincount(target, minlength=n_classes) / len(target))

    def predict_proba(self, matrix: FloatArray) -> FloatArray:
        """Probabilities (N, K) for measurements (N, D)."""
        return np.tile(self.shares, (len(matrix), 1))

    def state(self) -> ModelState:
        return ModelState(arrays={"shares": self.shares})

    @classmethod
    def from_state(cls, state: ModelState) -> Self:
        return cls(state.arrays["shares"])


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

    def __init__(self, mean: FloatArray, scale: FloatArray, centroids: FloatArray, variance: float) -> None:
        self.mean, self.scale, self.centroids, self.variance = mean, scale, centroids, variance

    @classmethod
    def fit(cls, matrix: FloatArray, target: IntArray, n_classes: int, standardise: bool) -> Self:
        """From measurements (N, D) and classes (N,), integers in 0..n_classes-1; without ``standardise`` s is 1.

        Raises:
            ValueError: shapes that do not fit, or a class without a row.
        """
        check_shapes(matrix, target)
        empty = np.flatnonzero(np.bincount(target, minlength=n_classes) == 0)
        if len(empty):
            raise ValueError(f"class {empty[0]} of {n_classes} has no training row, and so no centroid")
        deviation = matrix.std(axis=0) if standardise else np.ones(matrix.shape[1])
        # A measurement that is always the same says nothing; any scale serves it.
        mean, scale = matrix.mean(axis=0), np.where(deviation > 0, deviation, 1.0)
        z = (matrix - mean) / scale
        centroids = np.stack([z[target == k].mean(axis=0) for k in range(n_classes)])
        variance = max(float(np.square(z - centroids[target]).mean()), SMALLEST_VARIANCE)
        return cls(mean, scale, centroids, variance)

    def predict_proba(self, matrix: FloatArray) -> FloatArray:
        """Probabilities (N, K) for measurements (N, D)."""
        z = (matrix - self.mean) / self.scale
        distances = np.square(z[:, None, :] - self.centroids).sum(axis=2)
        logits = -distances / (2 * self.variance)
        weights = np.exp(logits - logits.max(axis=1, keepdims=True))
        return weights / weights.sum(axis=1, keepdims=True)

    def state(self) -> ModelState:
        arrays = {"mean": self.mean, "scale": self.scale, "centroids": self.centroids}
        return ModelState({"variance": self.variance}, arrays)

    @classmethod
    def from_state(cls, state: ModelState) -> Self:
        return cls(**state.arrays, variance=state.config["variance"])


def check_shapes(matrix: FloatArray, target: IntArray) -> None:
    """Refuse measurements that are not (N, D) or classes that are not (N,)."""
    if matrix.ndim != 2 or target.shape != matrix.shape[:1]:
        raise ValueError(
            f"expected measurements (N, D) and classes (N,), found {matrix.shape} and {target.shape}"
        )
