"""Scores that rank: area under the ROC curve and average precision, with intervals.

Both are functions of how many positives and negatives lie at each threshold (`auc_of_counts`, `ap_of_counts`), so the
bootstrap, which only reweights the examples, runs the code of the point estimates. So does a bootstrap over images
whose pixels are the examples: add up the counts of the images drawn.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike, NDArray

from etudes.evaluation.bootstrap import check_level, quantile_interval

FloatArray = NDArray[np.float64]
BLOCK_ELEMENTS = 2**22  # float64 elements of one temporary matrix: 32 MiB


def roc_auc(scores: ArrayLike, positive: ArrayLike, weights: ArrayLike | None = None) -> float:
    """Probability that a positive example scores higher than a negative one, ties counting one half.

    The Mann-Whitney form (Hanley and McNeil, 1982), exact with ties.

    Args:
        scores: (N,) finite; the larger the more positive.
        positive: (N,) bool or 0/1.
        weights: (N,) non-negative weights of the examples; all one if not given.

    Raises:
        ValueError: other shapes, scores that are not finite, or one of the two classes missing.
    """
    return float(auc_of_counts(*threshold_counts(scores, positive, weights)))


def average_precision(scores: ArrayLike, positive: ArrayLike, weights: ArrayLike | None = None) -> float:
    """Area under the precision-recall curve as a sum of steps, sum_k (R_k - R_{k-1}) P_k over falling thresholds.

    Arguments and errors as `roc_auc`.
    """
    return float(ap_of_counts(*threshold_counts(scores, positive, weights)))


def ranking_intervals(
    scores: ArrayLike, positive: ArrayLike, n_resamples: int = 1000, level: float = 0.95, seed: int = 0
) -> dict[str, tuple[float, float]]:
    """Percentile bootstrap intervals of ``roc_auc`` and ``average_precision`` over examples.

    Drawn within each class, so that both are in every resample: the intervals are given the numbers of positives and
    negatives.

    Raises:
        ValueError: as `roc_auc`; ``n_resamples`` below 1; ``level`` not within (0, 1).
    """
    check_level(level)
    if n_resamples < 1:
        raise ValueError(f"n_resamples must be at least 1, found {n_resamples}")
    values, truth, _ = _checked(scores, positive, None)
    order = np.argsort(values, kind="stable")
    starts = _group_starts(values[order])
    positives, negatives = np.flatnonzero(truth[order]), np.flatnonzero(~truth[order])
    generator = np.random.default_rng(seed)
    aucs, aps = [], []
    step = max(1, BLOCK_ELEMENTS // len(values))
    for start in range(0, n_resamples, step):
        rows = min(step, n_resamples - start)
        counts = []
        for members in (positives, negatives):
            weights = np.zeros((rows, len(values)))
            weights[:, members] = _drawn(generator, rows, len(members))
            counts.append(np.add.reduceat(weights, starts, axis=1))
        aucs.append(auc_of_counts(*counts))
        aps.append(ap_of_counts(*counts))
    return {
        "roc_auc": quantile_interval(np.concatenate(aucs), level),
        "average_precision": quantile_interval(np.concatenate(aps), level),
    }


def auc_difference(
    scores: ArrayLike,
    others: ArrayLike,
    positive: ArrayLike,
    n_resamples: int = 1000,
    level: float = 0.95,
    seed: int = 0,
) -> tuple[float, float, float]:
    """Area under the ROC curve of ``scores`` less that of ``others``, and its percentile bootstrap interval: value, low, high.

    Both are measured on the same resamples, drawn within each class, so what makes an example hard for both cancels.

    Args:
        scores, others: (N,) of the same examples.
        positive: (N,) bool or 0/1.
        n_resamples, level, seed: as in `ranking_intervals`.

    Raises:
        ValueError: as `ranking_intervals`, or the two differ in shape.
    """
    check_level(level)
    if np.shape(scores) != np.shape(others):
        raise ValueError(
            f"scores and others must have one shape, found {np.shape(scores)} and {np.shape(others)}"
        )
    if n_resamples < 1:
        raise ValueError(f"n_resamples must be at least 1, found {n_resamples}")
    first, truth, _ = _checked(scores, positive, None)
    second = _checked(others, positive, None)[0]
    generator = np.random.default_rng(seed)
    found = []
    step = max(1, BLOCK_ELEMENTS // len(first))
    for start in range(0, n_resamples, step):
        rows = min(step, n_resamples - start)
        weights = np.zeros((rows, len(first)))
        for members in (np.flatnonzero(truth), np.flatnonzero(~truth)):
            weights[:, members] = _drawn(generator, rows, len(members))
        found.append(_weighted_auc(first, truth, weights) - _weighted_auc(second, truth, weights))
    value = roc_auc(first, truth) - roc_auc(second, truth)
    return value, *quantile_interval(np.concatenate(found), level)


def _weighted_auc(values: NDArray, truth: NDArray[np.bool_], weights: FloatArray) -> FloatArray:
    """The area (B,) with each of B rows of weights (B, N)."""
    order = np.argsort(values, kind="stable")
    starts, ordered = _group_starts(values[order]), weights[:, order]
    counts = (np.add.reduceat(ordered * own, starts, axis=1) for own in (truth[order], ~truth[order]))
    return auc_of_counts(*counts)


def threshold_counts(
    scores: ArrayLike, positive: ArrayLike, weights: ArrayLike | None = None
) -> tuple[FloatArray, FloatArray]:
    """Weight of positives (T,) and of negatives (T,) at each of the T different scores, in rising order.

    Raises:
        ValueError: as `roc_auc`.
    """
    values, truth, given = _checked(scores, positive, weights)
    order = np.argsort(values, kind="stable")
    starts = _group_starts(values[order])
    truth, given = truth[order], given[order]
    return np.add.reduceat(given * truth, starts), np.add.reduceat(given * ~truth, starts)


def auc_of_counts(positive: FloatArray, negative: FloatArray) -> FloatArray:
    """Area under the ROC curve from the counts (..., T) at rising thresholds."""
    below = np.cumsum(negative, axis=-1) - 0.5 * negative
    return (positive * below).sum(-1) / (positive.sum(-1) * negative.sum(-1))


def ap_of_counts(positive: FloatArray, negative: FloatArray) -> FloatArray:
    """Average precision from the counts (..., T) at rising thresholds."""
    falling = np.cumsum(positive[..., ::-1], axis=-1)
    answered = falling + np.cumsum(negative[..., ::-1], axis=-1)
    # A threshold that nothing has reached yet has no precision, and no positives to count either.
    precision = np.divide(falling, answered, out=np.zeros_like(falling), where=answered > 0)
    return (positive[..., ::-1] * precision).sum(-1) / positive.sum(-1)


def _drawn(generator: np.random.Generator, rows: int, count: int) -> FloatArray:
    """How often each of ``count`` members is drawn in ``count`` draws: (rows, count)."""
    drawn = generator.integers(0, count, size=(rows, count)) + np.arange(rows)[:, None] * count
    return np.bincount(drawn.ravel(), minlength=rows * count).reshape(rows, count).astype(np.float64)


def _group_starts(ordered: NDArray) -> NDArray[np.intp]:
    """Where each group of equal values begins in an ordered array (N,)."""
    return np.flatnonzero(np.r_[True, ordered[1:] != ordered[:-1]])


def _checked(
    scores: ArrayLike, positive: ArrayLike, weights: ArrayLike | None
) -> tuple[NDArray, NDArray[np.bool_], FloatArray]:
    values, truth = np.asarray(scores), np.asarray(positive)
    given = np.ones(values.shape) if weights is None else np.asarray(weights, dtype=np.float64)
    if values.ndim != 1 or truth.shape != values.shape or given.shape != values.shape:
        raise ValueError(
            f"scores, positive and weights must have one shape (N,), found {values.shape}, {truth.shape} and "
            f"{given.shape}"
        )
    if not np.isfinite(values).all():
        raise ValueError(
            f"{np.count_nonzero(~np.isfinite(values))} scores are not finite; expected numbers only"
        )
    if not np.isin(truth, (0, 1)).all():
        raise ValueError("positive must hold only 0 and 1, or booleans")
    truth = truth.astype(bool)
    if (given < 0).any() or not given[truth].sum() > 0 or not given[~truth].sum() > 0:
        raise ValueError(
            f"found {int(truth.sum())} positive and {int((~truth).sum())} negative examples with their weights; "
            "expected some of both, and no negative weight"
        )
    return values, truth, given
