"""Scores of several variants on the same examples: means, differences, and intervals that hold what the examples share."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from etudes.evaluation.bootstrap import resample_weights


def mean_intervals(
    columns: pd.DataFrame,
    resamples: int,
    level: float = 0.95,
    seed: int = 0,
    groups: NDArray | None = None,
) -> pd.DataFrame:
    """Mean of each column and its percentile bootstrap interval over rows: ``value``, ``low``, ``high``, a row a column.

    The same resamples serve all columns, so that differences of columns are paired.

    Args:
        columns: a row for each example.
        resamples: of the rows, with replacement.
        level: coverage aimed at.
        seed: of the resamples.
        groups: (N,) equal for rows that are alike and are drawn together; a resample's mean is that of all its rows.

    Raises:
        ValueError: groups of another shape, or a single one, which says nothing of others.
    """
    values: NDArray[np.float64] = columns.to_numpy(dtype=np.float64)
    sums: NDArray = values
    counts: NDArray = np.ones(len(values))
    if groups is not None:
        if np.shape(groups) != (len(columns),):
            raise ValueError(f"groups must be ({len(columns)},), one for each row, found {np.shape(groups)}")
        _, group, counts = np.unique(groups, return_inverse=True, return_counts=True)
        if len(counts) < 2:
            raise ValueError("all rows are of one group; expected two or more")
        sums = np.stack([np.bincount(group, weights=column) for column in values.T], axis=1)
    drawn = resample_weights(len(counts), resamples, seed)
    means = np.concatenate([weights @ sums / (weights @ counts)[:, None] for weights in drawn])
    low, high = np.quantile(means, [(1 - level) / 2, (1 + level) / 2], axis=0)
    return pd.DataFrame({"value": values.mean(0), "low": low, "high": high}, index=columns.columns)


def flat_means(
    columns: pd.DataFrame, resamples: int, level: float = 0.95, groups: NDArray | None = None
) -> dict[str, float]:
    """`mean_intervals` as flat metrics: ``<column>``, ``<column>.low`` and ``<column>.high``."""
    ends = mean_intervals(columns, resamples, level, groups=groups)
    named = {"": "value", ".low": "low", ".high": "high"}
    return {f"{key}{end}": float(row[name]) for key, row in ends.iterrows() for end, name in named.items()}


def saved_table(
    losses: pd.DataFrame, pairs: Sequence[tuple[str, str]], resamples: int, groups: NDArray | None = None
) -> pd.DataFrame:
    """How much less the mean loss of one variant is than that of another on the same rows: positive where it is better.

    Args:
        losses: a row for each example, a column for each variant.
        pairs: variants and what they stand ``against``; those that are not there are left out.
        resamples, groups: as for `mean_intervals`.

    Returns:
        ``variant``, ``against``, ``saved``, ``saved.low``, ``saved.high``.
    """
    names = ["variant", "against", "saved", "saved.low", "saved.high"]
    kept = [pair for pair in pairs if {*pair} <= {*losses.columns}]
    if not kept:
        return pd.DataFrame(columns=names)
    less = pd.DataFrame({place: losses[b] - losses[a] for place, (a, b) in enumerate(kept)})
    ends = mean_intervals(less, resamples, groups=groups).to_numpy()
    return pd.DataFrame([[*pair, *row] for pair, row in zip(kept, ends, strict=True)], columns=names)


def means_table(
    scores: Mapping[Any, pd.DataFrame], names: Sequence[str], resamples: int, level: float = 0.95
) -> pd.DataFrame:
    """`mean_intervals` of many tables: a row for each table and column, with columns for the parts of its key.

    Args:
        scores: by key, a tuple, a table with a row for each example.
        names: of the key's parts, and of what the tables' columns say.
        resamples, level: as for `mean_intervals`.
    """
    if not scores:
        return pd.DataFrame(columns=[*names, "value", "low", "high"])
    means = {key: mean_intervals(frame, resamples, level) for key, frame in scores.items()}
    return pd.concat(means, names=list(names)).reset_index()
