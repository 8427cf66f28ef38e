"""k-means, and k-means that labels pull at. numpy alone.

All starts descend at once. Letters of shapes: S starts, N rows, D measurements, k clusters, L labelled rows, C classes.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from etudes.benches.few_labels import UNKNOWN

FloatArray = NDArray[np.float64]
IntArray = NDArray[np.int64]
TOLERANCE = 1e-9  # by which rounding may raise an objective, which is of the order of one

# From who is in which cluster (S, k, L), and the centres (S, k, D): what each cluster costs each labelled row (S, L, k)
# beside its squared distance, and the share of the objective (S,) that is the labels'.
Pull = Callable[[FloatArray, FloatArray], tuple[Any, Any]]


@dataclass(frozen=True)
class Clustering:
    """The best of all starts.

    Args:
        centres: (k, D).
        members: (N,) the cluster of each row.
        objective: one entry a sweep, never rising.
        impurity: the labels' share of each entry.
    """

    centres: FloatArray
    members: IntArray
    objective: list[float]
    impurity: list[float]


def variance_of(z: FloatArray) -> float:
    """Mean squared distance of the rows (N, D) from their mean: what one cluster for all leaves unexplained."""
    return max(float(np.square(z - z.mean(axis=0)).sum(axis=1).mean()), 1e-12)


def squared_distances(z: FloatArray, centres: FloatArray) -> FloatArray:
    """|z - c|^2 of rows (N, D) and centres (S, k, D): (S, N, k)."""
    crossed = np.matmul(z, centres.transpose(0, 2, 1))
    squares = np.square(z).sum(axis=1)[:, None] - 2 * crossed + np.square(centres).sum(axis=2)[:, None, :]
    return np.maximum(squares, 0.0)


def spread_out(z: FloatArray, k: int, starts: int, generator: np.random.Generator) -> FloatArray:
    """Centres (S, k, D) to start from: rows drawn with a probability that grows with the squared distance from those drawn.

    Arthur and Vassilvitskii: k-means++, 2007. Where all rows have been drawn, any will do.
    """
    chosen = generator.integers(0, len(z), size=(starts, 1))
    nearest = squared_distances(z, z[chosen])[:, :, 0]
    while chosen.shape[1] < k:
        total = np.cumsum(np.where(nearest.sum(axis=1, keepdims=True) > 0, nearest, 1.0), axis=1)
        drawn = (total < total[:, -1:] * generator.random((starts, 1))).sum(axis=1)[:, None]
        chosen = np.concatenate([chosen, drawn], axis=1)
        nearest = np.minimum(nearest, squared_distances(z, z[drawn])[:, :, 0])
    return z[chosen]


def descend(
    z: FloatArray, centres: FloatArray, sweeps: int, known: IntArray | None = None, pull: Pull | None = None
) -> Clustering:
    """Lloyd's descent: each row to the cluster that costs it least, each centre to the mean of its rows, until none moves.

    Without a pull it is k-means (Lloyd 1982): J = sum_i |z_i - c_i|^2 / (N v), v of `variance_of`, the share of the variance
    that the clusters leave unexplained. Each of both steps minimises J over what it moves, so that J never rises.

    A cluster that nobody is in takes the row that costs most as its centre; this leaves J as it is.

    Args:
        z: rows (N, D).
        centres: (S, k, D) to start from.
        sweeps: most of them.
        known: (L,) which rows are labelled, for the pull.
        pull: what labels add; see `Pull`.

    Raises:
        ArithmeticError: J rose by more than rounding.
    """
    starts, k = centres.shape[:2]
    squares, unit = np.square(z).sum(), len(z) * variance_of(z)
    centres, members = centres.copy(), np.full((starts, len(z)), -1)
    objective, impurity = np.zeros(starts), np.zeros(starts)
    path: list[tuple[FloatArray, FloatArray]] = []
    extra = pull(np.zeros((starts, k, len(known))), centres)[0] if pull and known is not None else 0.0
    moving = np.arange(starts)  # starts in which a row changed its cluster
    for _ in range(sweeps):
        costs = squared_distances(z, centres[moving])
        if pull:
            costs[:, known] += extra
        nearest = costs.argmin(axis=2)
        changed = (nearest != members[moving]).any(axis=1)
        if not changed.any():
            break
        moving, costs = moving[changed], costs[changed]
        members[moving] = nearest[changed]
        of = (members[moving][:, None, :] == np.arange(k)[:, None]).astype(np.float64)
        counts = of.sum(axis=2)
        means = np.matmul(of, z) / np.maximum(counts, 1)[:, :, None]
        inside = (counts * np.square(means).sum(axis=2)).sum(axis=1)  # an empty cluster adds nothing
        for start in np.flatnonzero((counts == 0).any(axis=1)):
            empty = np.flatnonzero(counts[start] == 0)
            means[start, empty] = z[np.argsort(-costs[start].min(axis=1), kind="stable")[: len(empty)]]
        centres[moving] = means
        extra, impurity[moving] = pull(of[:, :, known], means) if pull else (0.0, 0.0)
        objective[moving] = (squares - inside) / unit + impurity[moving]
        path.append((objective.copy(), impurity.copy()))
    whole, labelled = (np.stack(part) for part in zip(*path, strict=True))
    if (rise := np.diff(whole, axis=0).max(initial=0.0)) > TOLERANCE:
        raise ArithmeticError(f"the objective rose by {rise:.3g}; expected that no sweep raises it")
    best = int(whole[-1].argmin())
    return Clustering(centres[best], members[best], whole[:, best].tolist(), labelled[:, best].tolist())


def guide(z: FloatArray, labels: IntArray, classes: int, alpha: float) -> tuple[IntArray, Pull]:
    """The pull of class impurity: J = sum_i |z_i - c_i|^2 / (N v) + alpha * sum_j (L_j / L) G_j.

    G_j = 1 - sum_c q_jc^2 is the Gini impurity of the L_j labelled rows in cluster j, q_jc their share of class c. It is also
    their variance as indicator vectors e_y about their mean q_j,

        sum_j L_j G_j = sum_i |e_y(i) - q_j(i)|^2,

    so that labels are further coordinates that only some rows have, and Lloyd's two steps hold for them as they are: a labelled
    row pays alpha N v / L * |e_y - q_j|^2 beside its squared distance, and q_j is the mean. Labels move the centres, since a
    centre is the mean of the rows that the guided step gave it. For alpha = 0 this is k-means.

    A cluster without labelled rows may have any q_j; it gets the class of the labelled row that is nearest to its centre. So has
    every cluster at the start, where this decides which cut is found.

    Args:
        z: rows (N, D).
        labels: (N,) classes in 0..C-1, or `UNKNOWN`.
        classes: C.
        alpha: weight of impurity against unexplained variance, both fractions.

    Returns:
        The labelled rows (L,), and the pull.
    """
    known = np.flatnonzero(labels != UNKNOWN)
    truth = np.eye(classes)[labels[known]]
    weight = alpha * variance_of(z) * len(z) / len(known)

    def pull(of: FloatArray, centres: FloatArray) -> tuple[Any, Any]:
        counts, shares = class_shares(of, truth, z[known], centres)
        purity = np.square(shares).sum(axis=2)  # (S, k)
        mismatch = 1 - 2 * np.matmul(truth, shares.transpose(0, 2, 1)) + purity[:, None, :]
        return weight * mismatch, alpha * (counts * (1 - purity)).sum(axis=1) / len(known)

    return known, pull


def clamp(labels: IntArray, classes: int) -> tuple[IntArray, Pull]:
    """The pull of constrained k-means: cluster c costs a row of another class infinitely much (Basu et al. 2002)."""
    known = np.flatnonzero(labels != UNKNOWN)
    barred = np.where(np.eye(classes, dtype=bool)[labels[known]], 0.0, np.inf)
    return known, lambda of, centres: (barred, 0.0)


def class_shares(
    of: FloatArray, truth: FloatArray, rows: FloatArray, centres: FloatArray
) -> tuple[FloatArray, FloatArray]:
    """Labelled rows in each cluster (S, k), and their shares of the classes (S, k, C).

    Args:
        of: (S, k, L) who is in which cluster.
        truth: (L, C) indicators of the classes.
        rows: (L, D) the labelled rows.
        centres: (S, k, D).
    """
    counts, sums = of.sum(axis=2), np.matmul(of, truth)
    nearest = squared_distances(rows, centres).argmin(axis=1)  # (S, k)
    found = sums / np.maximum(counts, 1)[:, :, None]
    return counts, np.where(counts[:, :, None] > 0, found, truth[nearest])


def class_means(z: FloatArray, labels: IntArray, classes: int) -> FloatArray:
    """Means of the labelled rows of each class (C, D), the seeds of seeded k-means (Basu, Banerjee and Mooney 2002).

    Raises:
        ValueError: a class that no labelled row is of.
    """
    counts = np.bincount(labels[labels != UNKNOWN], minlength=classes)
    if not counts.all():
        raise ValueError(
            f"no labelled row is of class {int(counts.argmin())}; expected one of each of {classes} classes"
        )
    return np.stack([z[labels == c].mean(axis=0) for c in range(classes)])
