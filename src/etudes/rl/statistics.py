"""Scores of several runs and how sure they are: what a handful of seeds can say.

Interquartile mean, stratified bootstrap, performance profile and probability of improvement as in Agarwal et al., *Deep
Reinforcement Learning at the Edge of the Statistical Precipice* (arXiv 2108.13264). A run is one training from one seed;
episodes of one run are not independent of each other, so runs are what is resampled.
"""

from __future__ import annotations

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


def stratified_interval(
    scores: ArrayLike, statistic: Statistic, resamples: int, *, level: float = 0.95, seed: int = 0
) -> tuple[float, float]:
    """Percentile bootstrap interval of a statistic; runs are drawn anew for each task (the strata).

    Args:
        scores: (runs, tasks), or (runs,) for one task; at least two runs.
        statistic: `interquartile_mean`, `mean_score` or another.
        resamples: number of resamples.
        level: coverage aimed at.
        seed: of the resamples.

    Raises:
        ValueError: fewer than two runs (one run says nothing of its spread), scores that are not finite, or a level
            outside (0, 1).
    """
    check_level(level)
    array = _as_table(scores)
    if len(array) < 2:
        raise ValueError(f"an interval over runs needs at least two of them, found {len(array)}")
    return quantile_interval(statistic(_resample(array, resamples, np.random.default_rng(seed))), level)


def probability_of_improvement(
    ours: ArrayLike, others: ArrayLike, resamples: int, *, level: float = 0.95, seed: int = 0
) -> dict[str, float]:
    """How likely a run of ours beats one of the others: ``P(X > Y)``, ties counting half, mean over tasks.

    The Mann-Whitney U statistic over the number of pairs (arXiv 2108.13264, appendix A.3).

    Args:
        ours, others: (runs, tasks) or (runs,); the runs may differ in number, the tasks may not.
        resamples, level, seed: as in `stratified_interval`; both sides are resampled.

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
        resamples, level, seed: as in `stratified_interval`.

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
