"""The form that naive Bayes, the Gaussian model and logistic regression share: log-odds that are linear in the columns."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from etudes.models import register_model
from etudes.stored import Stored

FloatArray = NDArray[np.float64]
IntArray = NDArray[np.int64]
Set = tuple[FloatArray, IntArray]  # a matrix (N, P) and labels (N,)


@register_model("income_classification.log_odds")
@dataclass(frozen=True)
class Linear(Stored):
    """The log-odds w . x + b of y = 1; ``weights`` (P,), ``bias`` a number, both in nats."""

    weights: FloatArray
    bias: float

    def log_odds(self, matrix: FloatArray) -> FloatArray:
        """(N,) of rows (N, P)."""
        return np.asarray(matrix @ self.weights + self.bias, dtype=np.float64)

    def standardised(self, mean: FloatArray, scale: FloatArray) -> Linear:
        """The same function of z = (x - mean) / scale."""
        return Linear(self.weights * scale, float(self.bias + self.weights @ mean))


def sigmoid(log_odds: FloatArray) -> FloatArray:
    """1 / (1 + exp(-f)) without overflow, elementwise."""
    small = np.exp(-np.abs(log_odds))
    return np.where(log_odds >= 0, 1.0, small) / (1.0 + small)


def log_loss(log_odds: FloatArray, labels: IntArray) -> float:
    """Mean of -log p(y_i | x_i) in nats, log(1 + exp(-s f)) without overflow.

    Args:
        log_odds: (N,).
        labels: (N,) 0 or 1.

    Raises:
        ValueError: shapes that are not (N,) or differ: (N,) against (N, 1) would broadcast to (N, N).
    """
    check_shapes(log_odds, labels)
    return float(np.logaddexp(0.0, (1 - 2 * labels) * log_odds).mean())


def check_shapes(log_odds: FloatArray, labels: IntArray) -> None:
    """Refuse, with a ValueError, anything but two arrays (N,)."""
    if np.ndim(log_odds) != 1 or np.shape(log_odds) != np.shape(labels):
        raise ValueError(
            f"log_odds and labels must both have the shape (N,), found {np.shape(log_odds)} and {np.shape(labels)}"
        )
