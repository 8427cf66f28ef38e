"""Percentile bootstrap over examples, all metrics that are made of sums from the same resamples.

A resample is a row of whole weights (how often each example was drawn), so B resamples of a sum are one
matrix product (Efron and Tibshirani: An Introduction to the Bootstrap, 1993, chapter 13).
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
from numpy.typing import ArrayLike

from etudes.evaluation.calibration import FloatArray, calibration_error
from etudes.evaluation.classification import (
    BLOCK_ELEMENTS,
    SUMS,
    Examples,
    classification_metrics,
    weighted_metrics,
)


def bootstrap_intervals(
    labels: ArrayLike,
    probabilities: ArrayLike,
    n_resamples: int = 1000,
    level: float = 0.95,
    seed: int = 0,
    *,
    bins: int = 15,
) -> dict[str, tuple[float, float]]:
    """Interval of every metric of `classification_metrics`: percentile bootstrap, of ``ece`` that of `calibration_error`.

    The intervals speak of the choice of test examples alone, not of the choice of training seed
    (`seeds_and_rows_interval` holds both). A resample's calibration error holds the noise twice, so that its quantiles
    would leave out the estimate and the truth. ``macro_f1`` averages over the classes of the labels; a resample that
    lacks a rare one averages over the others.

    Args:
        labels: (N,) integers in 0..K-1.
        probabilities: (N, K) rows that sum to one.
        n_resamples: number of resamples of N examples with replacement.
        level: coverage aimed at, between 0 and 1.
        seed: of the resamples; same seed and N, same resamples.
        bins: confidence bins of ``ece``.

    Returns:
        (low, high) by metric name, the (1 - level) / 2 and (1 + level) / 2 quantiles over resamples.

    Raises:
        ValueError: as `classification_metrics`; ``n_resamples`` below 1; ``level`` not within (0, 1).
    """
    examples = Examples.check(labels, probabilities, bins=bins)
    check_level(level)
    chunks = [
        weighted_metrics(examples, weights) for weights in resample_weights(len(examples), n_resamples, seed)
    ]
    found = {name: quantile_interval(np.concatenate([c[name] for c in chunks]), level) for name in SUMS}
    return {**found, "ece": calibration_error(examples.gaps, examples.bin, level)[1:]}


def with_intervals(
    variant: str,
    labels: ArrayLike,
    probabilities: ArrayLike,
    *,
    n_resamples: int = 1000,
    level: float = 0.95,
    seed: int = 0,
    bins: int = 15,
) -> dict[str, float]:
    """Metrics of a variant and their intervals under flat keys, ready to log.

    Args:
        variant: name put before every key.
        labels, probabilities, n_resamples, level, seed, bins: as in `bootstrap_intervals`.

    Returns:
        For each metric ``variant.metric``, ``variant.metric.low`` and ``variant.metric.high``.

    Raises:
        ValueError: as `bootstrap_intervals`, or ``variant`` is empty.
    """
    if not variant:
        raise ValueError("variant must be a name, found an empty text")
    point = classification_metrics(labels, probabilities, bins=bins)
    intervals = bootstrap_intervals(labels, probabilities, n_resamples, level, seed, bins=bins)
    flat: dict[str, float] = {}
    for name, value in point.items():
        flat[f"{variant}.{name}"] = value
        flat[f"{variant}.{name}.low"], flat[f"{variant}.{name}.high"] = intervals[name]
    return flat


def resample_weights(n_examples: int, n_resamples: int, seed: int) -> Iterator[FloatArray]:
    """Chunks (b, N) of multinomial weights, ``n_resamples`` rows in all, each row with sum N.

    Row r counts the r-th draw ``generator.integers(0, N, size=N)`` of ``default_rng(seed)``, whatever the
    chunks. Counting drawn indices is the multinomial itself and many times faster than
    ``Generator.multinomial``, which makes one binomial draw per example.
    """
    if n_resamples < 1:
        raise ValueError(f"n_resamples must be at least 1, found {n_resamples}")
    generator = np.random.default_rng(seed)
    step = max(1, BLOCK_ELEMENTS // n_examples)
    for start in range(0, n_resamples, step):
        rows = min(step, n_resamples - start)
        drawn = generator.integers(0, n_examples, size=(rows, n_examples))
        drawn += np.arange(rows)[:, None] * n_examples
        counts = np.bincount(drawn.ravel(), minlength=rows * n_examples)
        yield counts.reshape(rows, n_examples).astype(np.float64)


def quantile_interval(values: FloatArray, level: float) -> tuple[float, float]:
    """The central ``level`` of ``values`` (B,): (low, high)."""
    low, high = np.quantile(values, [(1 - level) / 2, (1 + level) / 2])
    return float(low), float(high)


def check_level(level: float) -> None:
    """Refuse, with a ValueError, a coverage outside (0, 1)."""
    if not 0.0 < level < 1.0:
        raise ValueError(f"level must lie strictly between 0 and 1, found {level}")
