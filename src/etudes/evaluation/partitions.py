"""How alike are two partitions of the same rows? Whatever their parts are called, and however many there are."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike, NDArray

Counts = NDArray[np.float64]


def adjusted_rand_index(first: ArrayLike, second: ArrayLike) -> float:
    """The adjusted Rand index (Hubert and Arabie: Journal of Classification 2, 1985).

    (P - E) / ((A + B) / 2 - E), where A and B count the pairs of rows that each partition puts together, P those that both put
    together, and E = A B / (N (N - 1) / 2) is what P would be by chance. 1 for equal partitions, 0 in expectation by chance.

    Args:
        first, second: (N,) the part of each row.

    Raises:
        ValueError: shapes that are not (N,) or differ, or no rows.
    """
    table = _contingency(first, second)
    together, of_first, of_second = (_pairs(part) for part in (table, table.sum(axis=1), table.sum(axis=0)))
    expected = of_first * of_second / max(_pairs(table.sum(keepdims=True)), 1.0)
    most = (of_first + of_second) / 2
    return 1.0 if most == expected else (together - expected) / (most - expected)


def normalised_mutual_information(first: ArrayLike, second: ArrayLike) -> float:
    """2 I(A; B) / (H(A) + H(B)): 1 for equal partitions, 0 for independent ones; 1 where both have one part alone.

    Not adjusted for chance: it grows with the number of parts.

    Args:
        first, second: (N,) the part of each row.

    Raises:
        ValueError: shapes that are not (N,) or differ, or no rows.
    """
    joint = _contingency(first, second)
    joint /= joint.sum()
    apart = _entropy(joint.sum(axis=1)) + _entropy(joint.sum(axis=0))
    return max(0.0, 2 * (apart - _entropy(joint)) / apart) if apart > 0 else 1.0


def _contingency(first: ArrayLike, second: ArrayLike) -> Counts:
    """Rows by their part in both partitions."""
    parts = [np.asarray(first), np.asarray(second)]
    if parts[0].ndim != 1 or parts[0].shape != parts[1].shape or not parts[0].size:
        raise ValueError(
            f"partitions must both have the shape (N,), N >= 1, found {parts[0].shape} and {parts[1].shape}"
        )
    (names, a), (others, b) = (np.unique(part, return_inverse=True) for part in parts)
    counts = np.bincount(a * len(others) + b, minlength=len(names) * len(others))
    return counts.reshape(len(names), len(others)).astype(np.float64)


def _pairs(counts: Counts) -> float:
    return float((counts * (counts - 1)).sum() / 2)


def _entropy(shares: Counts) -> float:
    held = shares[shares > 0]
    return float(-(held * np.log(held)).sum())
