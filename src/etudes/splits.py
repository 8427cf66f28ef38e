"""Cutting data into parts: seeded, stratified, nothing on both sides."""

from __future__ import annotations

from collections.abc import Hashable, Iterable, Sequence

import numpy as np
import pandas as pd
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


def hold_out(
    rows: pd.DataFrame, columns: Sequence[str], share: float, generator: np.random.Generator, least: int = 1
) -> tuple[list[list[int]], list[list[int]]]:
    """The groups (different values of whole numbers in ``columns``) that are held out, and those that are seen.

    Args:
        rows: a table.
        columns: what makes a group.
        share: of the groups to hold out, ``least`` of them or more.
        generator: of the draw.

    Raises:
        ValueError: no group would be left.
    """
    found = rows[[*columns]].drop_duplicates().sort_values([*columns]).to_numpy()
    count = max(least, round(share * len(found)))
    if len(found) <= count:
        raise ValueError(
            f"{len(found)} are different, of which {count} would be held out; expected some for training"
        )
    order = generator.permutation(len(found))
    return sorted(found[order[:count]].tolist()), sorted(found[order[count:]].tolist())


def among(rows: pd.DataFrame, columns: Sequence[str], groups: Sequence[Sequence[int]]) -> NDArray[np.bool_]:
    """Which rows (N,) belong to one of the ``groups`` of `hold_out`."""
    return pd.MultiIndex.from_frame(rows[[*columns]]).isin([tuple(group) for group in groups])


def halved(
    rows: pd.DataFrame, columns: Sequence[str], most: int, generator: np.random.Generator
) -> NDArray[np.object_]:
    """``dev``, ``test`` or ``left out`` for each row; rows of a group (`hold_out`) stay together.

    Beyond ``most`` rows of each the rest is left out.

    Raises:
        ValueError: there is one group alone.
    """
    number = rows.groupby([*columns], sort=True).ngroup().to_numpy()
    count = int(number.max()) + 1
    if count < 2:
        raise ValueError(
            "those held out are all alike; expected two groups at least, one for dev and one for test"
        )
    part = np.where(generator.permutation(count)[number] / count < 0.5, "dev", "test").astype(object)
    for half in ("dev", "test"):
        part[generator.permutation(np.flatnonzero(part == half))[most:]] = "left out"
    return part


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


def dealt(groups: NDArray, folds: int, seed: int) -> NDArray[np.int64]:
    """The fold (N,) of each row: folds of about one size, each group whole; large groups come first, each into the smallest fold.

    Args:
        groups: (N,) equal for rows that are one, such as near-duplicates.
        folds: how many.
        seed: of the order of groups of one size.

    Raises:
        ValueError: fewer groups than folds.
    """
    _, group, sizes = np.unique(groups, return_inverse=True, return_counts=True)
    if len(sizes) < folds:
        raise ValueError(
            f"{len(sizes)} groups cannot be dealt into {folds} folds; expected one for each or more"
        )
    order = np.random.default_rng(seed).permutation(len(sizes))
    fold, load = np.empty(len(sizes), dtype=np.int64), np.zeros(folds)
    for k in order[np.argsort(-sizes[order], kind="stable")]:
        fold[k] = load.argmin()
        load[fold[k]] += sizes[k]
    return fold[group]


def without_repeats(
    train: Iterable[Hashable], test: Iterable[Hashable]
) -> tuple[NDArray[np.bool_], dict[str, int]]:
    """Which training rows to keep (N,), and how many were dropped and why, as a split's card says it.

    A row that also stands in test is dropped, and of equal ones all but the first.

    Args:
        train: (N,) keys of the training rows, equal for equal ones.
        test: keys of the test rows.
    """
    keys, seen = list(train), set(test)
    # Not pandas' isin, which strips the zeros that bytes end in.
    in_test = np.array([key in seen for key in keys], dtype=bool)
    repeated = pd.Series(keys, dtype=object).duplicated().to_numpy() & ~in_test
    dropped = {
        "dropped_because_in_test": int(in_test.sum()),
        "dropped_because_repeated": int(repeated.sum()),
    }
    return ~in_test & ~repeated, dropped


def spread(
    strata: NDArray[np.int64], generator: np.random.Generator, first: float | None = None
) -> NDArray[np.intp]:
    """A random order of N positions in which every stretch holds the strata (N,) about in their shares.

    ``first`` is where in its own stride each stratum begins, from 0 to 1; drawn if it is None.
    """
    place = np.empty(len(strata))
    for stratum in np.unique(strata):
        members = generator.permutation(np.flatnonzero(strata == stratum))
        start = generator.random() if first is None else first
        place[members] = (np.arange(len(members)) + start) / len(members)
    return np.argsort(place, kind="stable")


def spread_evenly(total: int, count: int) -> NDArray[np.int64]:
    """At most ``count`` different positions of ``total``, even apart, the first and the last among them."""
    return np.unique(np.linspace(0, total - 1, min(count, total)).round().astype(np.int64))
