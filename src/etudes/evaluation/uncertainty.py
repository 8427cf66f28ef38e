"""What a classifier says of how sure it is: proper scores, the parts of its uncertainty, and what is gained by not answering.

Probabilities are (N, K), of several networks or passes (T, N, K); uncertainties are (N,), the larger the less sure. numpy alone.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from etudes.evaluation.bootstrap import quantile_interval, resample_weights
from etudes.evaluation.classification import SMALLEST_PROBABILITY

FloatArray = NDArray[np.float64]
IntArray = NDArray[np.int64]


def log_losses(labels: IntArray, probabilities: FloatArray) -> FloatArray:
    """-ln p(label) of each row (N,), in nats; probabilities below 1e-12 count as that.

    Raises:
        ValueError: labels that are not (N,), probabilities that are not (N, K).
    """
    return -np.log(np.clip(_of_labels(labels, probabilities), SMALLEST_PROBABILITY, 1.0))


def brier_scores(labels: IntArray, probabilities: FloatArray) -> FloatArray:
    """sum_k (p_k - [k = label])^2 of each row (N,), from 0 to 2 (Brier 1950, the form for any number of classes).

    Raises:
        ValueError: as `log_losses`.
    """
    return np.square(probabilities).sum(axis=1) - 2 * _of_labels(labels, probabilities) + 1


def entropy(probabilities: FloatArray) -> FloatArray:
    """-sum_k p_k ln p_k over the last axis, in nats: (..., K) -> (...)."""
    return -(probabilities * np.log(np.clip(probabilities, SMALLEST_PROBABILITY, 1.0))).sum(axis=-1)


def mutual_information(draws: FloatArray) -> FloatArray:
    """How far networks disagree: H(mean_t p_t) - mean_t H(p_t), in nats, (T, N, K) -> (N,), never below 0.

    The entropy of the mean is what is not known in all; the mean entropy is what stays unknown when the network is given, so the
    rest is about the network (Houlsby et al. 2011; Gal 2016, equation 3.11).

    Raises:
        ValueError: another number of axes.
    """
    if draws.ndim != 3:
        raise ValueError(f"draws must have the shape (T, N, K), found {draws.shape}")
    return np.maximum(0.0, entropy(draws.mean(axis=0)) - entropy(draws).mean(axis=0))


def accuracy_kept(right: NDArray[np.bool_], uncertainty: FloatArray, kept: Sequence[float]) -> FloatArray:
    """Accuracy of the surest rows, for each share that is kept: (len(kept),). Of equally sure rows any may be kept.

    Args:
        right: (N,) whether a row was answered rightly.
        uncertainty: (N,).
        kept: shares above 0, at most 1.

    Raises:
        ValueError: shapes that are not (N,) or differ, or another share.
    """
    if not all(0 < share <= 1 for share in kept):
        raise ValueError(f"kept must be shares above 0 and at most 1, found {list(kept)}")
    order, starts = _groups(right, uncertainty)
    n = len(order)
    rows = np.r_[0, starts[1:], n]
    hits = np.r_[0, np.add.reduceat(right[order].astype(np.float64), starts).cumsum()]
    asked = np.asarray(kept) * n
    return np.interp(asked, rows, hits) / asked


def risk_area(right: NDArray[np.bool_], uncertainty: FloatArray) -> float:
    """Area under the risk-coverage curve (Geifman and El-Yaniv 2017): the mean, over rows, of the error rate among all that are
    at least as sure. Small where there are few errors and they are the least sure; the error rate where all are equally sure.

    Raises:
        ValueError: shapes that are not (N,) or differ.
    """
    return float(_risk_areas(right, uncertainty, np.ones((1, len(right))))[0])


def risk_area_interval(
    right: NDArray[np.bool_], uncertainty: FloatArray, n_resamples: int, level: float = 0.95, seed: int = 0
) -> tuple[float, float]:
    """Percentile bootstrap interval of `risk_area` over rows."""
    chunks = [_risk_areas(right, uncertainty, w) for w in resample_weights(len(right), n_resamples, seed)]
    return quantile_interval(np.concatenate(chunks), level)


def _risk_areas(right: NDArray[np.bool_], uncertainty: FloatArray, weights: FloatArray) -> FloatArray:
    """(B,) areas under weights (B, N) of the rows."""
    order, starts = _groups(right, uncertainty)
    ordered = weights[:, order]
    rows = np.add.reduceat(ordered, starts, axis=1)
    errors = np.add.reduceat(ordered * ~right[order], starts, axis=1).cumsum(axis=1)
    covered = rows.cumsum(axis=1)
    # Rows that were not drawn have no error rate, and no weight either.
    risk = np.divide(errors, covered, out=np.zeros_like(errors), where=covered > 0)
    area: FloatArray = (rows * risk).sum(axis=1) / covered[:, -1]
    return area


def _groups(right: NDArray, uncertainty: FloatArray) -> tuple[NDArray[np.intp], NDArray[np.intp]]:
    """Rows in the order of rising uncertainty, and where each group of equal ones begins."""
    if right.ndim != 1 or right.shape != uncertainty.shape:
        raise ValueError(
            f"right and uncertainty must both have the shape (N,), found {right.shape} and {uncertainty.shape}"
        )
    order = np.argsort(uncertainty, kind="stable")
    ordered = uncertainty[order]
    return order, np.flatnonzero(np.r_[True, ordered[1:] != ordered[:-1]])


def _of_labels(labels: IntArray, probabilities: FloatArray) -> FloatArray:
    if labels.ndim != 1 or probabilities.ndim != 2 or len(labels) != len(probabilities):
        raise ValueError(
            f"labels must have the shape (N,), probabilities (N, K), found {labels.shape} and {probabilities.shape}"
        )
    return np.take_along_axis(probabilities, labels[:, None], axis=1)[:, 0]
