"""How far the members of an ensemble differ: members that are one add nothing. Probabilities are (M, N, K); numpy alone."""

from __future__ import annotations

from itertools import combinations, permutations

import numpy as np
from numpy.typing import NDArray

from etudes.evaluation.classification import SMALLEST_PROBABILITY

FloatArray = NDArray[np.float64]


def disagreement(draws: FloatArray) -> FloatArray:
    """The share of pairs of members whose most probable classes differ, of each row: (M, N, K) -> (N,).

    Raises:
        ValueError: other axes, or fewer than two members.
    """
    answers = _checked(draws).argmax(axis=2)
    return np.mean([answers[a] != answers[b] for a, b in combinations(range(len(draws)), 2)], axis=0)


def divergence(draws: FloatArray) -> FloatArray:
    """The mean of KL(p_a || p_b), in nats, over ordered pairs of different members, of each row: (M, N, K) -> (N,).

    Raises:
        ValueError: as `disagreement`.
    """
    draws = _checked(draws)
    logs = np.log(np.clip(draws, SMALLEST_PROBABILITY, 1.0))
    pairs = permutations(range(len(draws)), 2)
    return np.mean([(draws[a] * (logs[a] - logs[b])).sum(axis=1) for a, b in pairs], axis=0)


def _checked(draws: FloatArray) -> FloatArray:
    if draws.ndim != 3 or len(draws) < 2:
        raise ValueError(f"draws must have the shape (M, N, K) with two members or more, found {draws.shape}")
    return draws
