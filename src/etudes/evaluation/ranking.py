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
    first: ArrayLike, second: ArrayLike, positive: ArrayLike, level: float = 0.95
) -> tuple[float, float, float]:
    """Area under the ROC curve of one score less that of another on the same examples, with a normal interval.

    An area is the mean over positives of the share of negatives that lie below, and the mean over negatives of the share of
    positives that lie above; the variances of both kinds of shares, or of their differences, over their numbers add up
    (DeLong, DeLong and Clarke-Pearson: Biometrics 44, 1988).

    Args:
        first, second: (N,) finite scores.
        positive: (N,) bool or 0/1.
        level: coverage aimed at.

    Returns:
        The difference, low and high.

    Raises:
        ValueError: as `roc_auc`; ``level`` not within (0, 1).
    """
    above, below = (a - b for a, b in zip(_shares(first, positive), _shares(second, positive), strict=True))
    return _normal_interval(above, below, level)


def auc_interval(scores: ArrayLike, positive: ArrayLike, level: float = 0.95) -> tuple[float, float, float]:
    """`roc_auc` with the interval of `auc_difference`, cut at 0 and 1: much cheaper than resamples where N is large."""
    value, low, high = _normal_interval(*_shares(scores, positive), level)
    return value, max(0.0, low), min(1.0, high)


def _shares(scores: ArrayLike, positive: ArrayLike) -> tuple[FloatArray, FloatArray]:
    """For each positive the share of negatives below it, for each negative that of positives above, ties counting a half."""
    values, truth, _ = _checked(scores, positive, None)

    def below(own: NDArray, others: NDArray) -> FloatArray:
        ordered = np.sort(others)
        less, at_most = np.searchsorted(ordered, own, "left"), np.searchsorted(ordered, own, "right")
        return (less + at_most) / (2 * len(others))

    return below(values[truth], values[~truth]), 1 - below(values[~truth], values[truth])


def _normal_interval(above: FloatArray, below: FloatArray, level: float) -> tuple[float, float, float]:
    from scipy.special import ndtri

    check_level(level)
    variance = sum(share.var(ddof=1) / len(share) if len(share) > 1 else 0.0 for share in (above, below))
    value, reach = float(above.mean()), float(ndtri((1 + level) / 2) * np.sqrt(variance))
    return value, value - reach, value + reach


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
