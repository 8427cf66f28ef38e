"""Cutting data into parts: seeded, stratified, nothing on both sides."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray


def stratified(labels: NDArray, fraction: float, seed: int) -> NDArray[np.bool_]:
    """Which rows are cut off (N,): of each class round(fraction * n), at least one and at most n - 1.

    Args:
        labels: classes (N,).
        fraction: share of each class.
        seed: of the draw; equal labels and seed give equal parts.
    """
    generator = np.random.default_rng(seed)
    chosen = np.zeros(len(labels), dtype=bool)
    for label in np.unique(labels):
        rows = np.flatnonzero(labels == label)
        count = min(max(1, round(fraction * len(rows))), len(rows) - 1)
        chosen[generator.permutation(rows)[:count]] = True
    return chosen


def spread(strata: NDArray[np.int64], generator: np.random.Generator) -> NDArray[np.intp]:
    """A random order of N positions in which every stretch holds the strata (N,) about in their shares."""
    place = np.empty(len(strata))
    for stratum in np.unique(strata):
        members = generator.permutation(np.flatnonzero(strata == stratum))
        place[members] = (np.arange(len(members)) + generator.random()) / len(members)
    return np.argsort(place, kind="stable")
