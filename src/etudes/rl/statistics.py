"""Scores of several runs and how sure they are: what a handful of seeds can say.

Interquartile mean, performance profile and probability of improvement as in Agarwal et al., *Deep Reinforcement Learning at
the Edge of the Statistical Precipice* (arXiv 2108.13264), with test episodes, the same for all runs, in the place of their tasks.
A run is one training from one seed; episodes of one run are not independent of each other, so whole runs are resampled.
"""

from __future__ import annotations

import math
from collections.abc import Callable

import numpy as np
from numpy.typing import ArrayLike, NDArray

from etudes.evaluation.bootstrap import check_level, quantile_interval

Floats = NDArray[np.float64]
# Scores (..., runs, tasks) to one number for each leading index (...).
Statistic = Callable[[Floats], Floats]


def interquartile_mean(scores: ArrayLike) -> Floats:
    """Mean of the middle half of all scores: (..., runs, tasks) -> (...).

    A quarter of them, rounded down, is cut off at either end, as ``scipy.stats.trim_mean(x, 0.25)`` does: less moved by
    a single run than the mean, and less blind to the others than the median.
    """
    array = np.asarray(scores, np.float64)
    pooled = np.sort(array.reshape(*array.shape[:-2], -1), axis=-1)
    cut = pooled.shape[-1] // 4
    return pooled[..., cut : pooled.shape[-1] - cut].mean(-1)


def mean_score(scores: ArrayLike) -> Floats:
    """Mean of all scores: (..., runs, tasks) -> (...)."""
    return np.asarray(scores, np.float64).mean((-2, -1))


def episodes_interval(
    returns: ArrayLike,
    statistic: Statistic,
    resamples: int,
    *,
    minus: ArrayLike | None = None,
    level: float = 0.95,
    seed: int = 0,
) -> tuple[float, float]:
    """Bootstrap interval of a statistic that holds both sources of error, or of the difference of two.

    A resample draws runs, and it draws episodes, which all runs share; a single run, a player that learns nothing, has the
    error of its episodes alone. Percentiles over few runs are too narrow: they are taken further out, as the expanded
    percentile interval has it (Hesterberg, The American Statistician 69, 2015), at ``Φ(-√(n / (n - 1)) t_(n-1))``.

    Args:
        returns: (runs, episodes).
        statistic: `interquartile_mean`, `mean_score` or another.
        resamples: number of resamples.
        minus: (other runs, episodes), what is subtracted: other runs on the same episodes.
        level: coverage aimed at.
        seed: of the resamples.

    Raises:
        ValueError: fewer than two episodes, other episodes, scores that are not finite, or a level outside (0, 1).
    """
    from scipy.special import ndtr, stdtrit  # without the slow import of scipy.stats

    check_level(level)
    tables = [np.atleast_2d(np.asarray(part, np.float64)) for part in (returns, minus) if part is not None]
    count = tables[0].shape[1]
    if count < 2 or any(table.shape[1] != count or not np.isfinite(table).all() for table in tables):
        raise ValueError(
            f"returns {' and '.join(str(table.shape) for table in tables)}: expected finite numbers, (runs, episodes), of the "
            "same episodes, two or more"
        )
    generator = np.random.default_rng(seed)
    episodes = generator.integers(0, count, (resamples, 1, count))
    drawn = []
    for table in tables:
        runs = generator.integers(0, len(table), (resamples, len(table), 1))
        if statistic is mean_score:  # the same numbers in a tenth of the time: the mean over runs comes first
            counts = np.stack([(runs[..., 0] == run).sum(1) for run in range(len(table))], axis=1)
            means = counts @ table / len(table)
            drawn.append(np.take_along_axis(means, episodes[:, 0], 1).mean(1))
        else:
            drawn.append(statistic(table[runs, episodes]))
    n = min((len(table) for table in tables if len(table) > 1), default=count)
    tail = ndtr(-math.sqrt(n / (n - 1)) * stdtrit(n - 1, (1 + level) / 2))
    return quantile_interval(drawn[0] - drawn[1] if len(drawn) > 1 else drawn[0], 1 - 2 * tail)


def probability_of_improvement(
    ours: ArrayLike, others: ArrayLike, resamples: int, *, level: float = 0.95, seed: int = 0
) -> dict[str, float]:
    """How likely a run of ours beats one of the others: ``P(X > Y)``, ties counting half, mean over tasks.

    The Mann-Whitney U statistic over the number of pairs (arXiv 2108.13264, appendix A.3).

    Args:
        ours, others: (runs, tasks) or (runs,); the runs may differ in number, the tasks may not.
        resamples, level, seed: as in `episodes_interval`; both sides are resampled.

    Returns:
        ``probability``, and ``low`` and ``high`` where either side has at least two runs.

    Raises:
        ValueError: other tasks, no runs, or scores that are not finite.
    """
    check_level(level)
    a, b = _as_table(ours), _as_table(others)
    if a.shape[1] != b.shape[1]:
        raise ValueError(f"{a.shape[1]} and {b.shape[1]} tasks; expected the same ones")
    result = {"probability": float(_superiority(a[None], b[None])[0])}
    if max(len(a), len(b)) > 1:
        generator = np.random.default_rng(seed)
        drawn = _superiority(_resample(a, resamples, generator), _resample(b, resamples, generator))
        result["low"], result["high"] = quantile_interval(drawn, level)
    return result


def performance_profile(
    returns: ArrayLike, thresholds: ArrayLike, resamples: int, *, level: float = 0.95, seed: int = 0
) -> dict[str, Floats]:
    """Share of a run's episodes above each threshold, mean over runs, with a pointwise band over runs.

    Args:
        returns: (runs, episodes).
        thresholds: (T,).
        resamples, level, seed: as in `episodes_interval`.

    Returns:
        ``share``, ``low`` and ``high`` (T,); without a band (all three alike) for a single run.
    """
    check_level(level)
    array, levels = _as_table(returns), np.asarray(thresholds, np.float64)
    shares = (array[:, :, None] > levels).mean(1)
    low = high = shares.mean(0)
    if len(array) > 1:
        low, high = mean_band(shares, resamples, level=level, seed=seed)
    return {"share": shares.mean(0), "low": low, "high": high}


def mean_band(
    curves: ArrayLike, resamples: int, *, level: float = 0.95, seed: int = 0, statistic: str = "mean"
) -> tuple[Floats, Floats]:
    """Pointwise bootstrap band over runs of curves (runs, T): (low (T,), high (T,)); whole runs are drawn.

    ``statistic`` is ``mean`` or ``iqm`` of the drawn runs at each point.
    """
    array = _as_table(curves)
    chosen = np.random.default_rng(seed).integers(0, len(array), (resamples, len(array)))
    drawn = array[chosen]  # (resamples, runs, T)
    values = drawn.mean(1) if statistic == "mean" else interquartile_mean(drawn.swapaxes(1, 2)[..., None])
    low, high = np.quantile(values, [(1 - level) / 2, (1 + level) / 2], axis=0)
    return low, high


def _superiority(a: Floats, b: Floats) -> Floats:
    """(R, n, tasks) and (R, m, tasks) -> (R,)."""
    difference = a[:, :, None, :] - b[:, None, :, :]
    return (0.5 * (np.sign(difference) + 1)).mean((1, 2, 3))


def _resample(scores: Floats, resamples: int, generator: np.random.Generator) -> Floats:
    runs, tasks = scores.shape
    chosen = generator.integers(0, runs, (resamples, runs, tasks))
    return scores[chosen, np.arange(tasks)]


def _as_table(scores: ArrayLike) -> Floats:
    array = np.asarray(scores, np.float64)
    if array.ndim == 1:
        array = array[:, None]
    if array.ndim != 2 or array.size == 0:
        raise ValueError(f"scores have the shape {array.shape}, expected (runs,) or (runs, tasks)")
    if not np.isfinite(array).all():
        raise ValueError("scores must be finite numbers")
    return array
