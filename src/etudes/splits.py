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


def stratified_groups(labels: NDArray, groups: NDArray, fraction: float, seed: int) -> NDArray[np.bool_]:
    """Which rows are cut off (N,): of each class round(fraction * n) of its n groups, at most n - 1, each group whole.

    Args:
        labels: classes (N,).
        groups: (N,) equal for rows that are one, such as copies of a picture.
        fraction: share of each class's groups.
        seed: of the draw.
    """
    generator = np.random.default_rng(seed)
    chosen = np.zeros(len(labels), dtype=bool)
    for label in np.unique(labels):
        rows = np.flatnonzero(labels == label)
        _, first, group = np.unique(groups[rows], return_index=True, return_inverse=True)
        count = min(round(fraction * len(first)), len(first) - 1)
        # In the order of the rows: it does not depend on how the groups are named.
        picked = generator.permutation(np.argsort(first))[:count]
        chosen[rows[np.isin(group, picked)]] = True
    return chosen


def without_repeats(train: NDArray, test: NDArray) -> tuple[NDArray[np.bool_], dict[str, int]]:
    """Which training rows to keep (N,), and how many were dropped and why, as a split's card says it.

    A row that also stands in test is dropped, and of equal ones all but the first.

    Args:
        train: (N,) keys of the training rows, equal for equal ones.
        test: keys of the test rows.
    """
    in_test = np.isin(train, test)
    _, first = np.unique(train, return_index=True)
    repeated = ~in_test
    repeated[first] = False
    dropped = {
        "dropped_because_in_test": int(in_test.sum()),
        "dropped_because_repeated": int(repeated.sum()),
    }
    return ~in_test & ~repeated, dropped
