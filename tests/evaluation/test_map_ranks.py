"""Ranks and correlations of maps against scipy, and what lies in their highest pixels."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.stats import spearmanr

from etudes.evaluation import map_ranks


def test_ranks_and_correlations_are_those_of_scipy() -> None:
    generator = np.random.default_rng(0)
    first = generator.integers(0, 5, (3, 6, 7)).astype(float)
    second = first + generator.normal(size=(3, 6, 7))
    found = map_ranks.rank_correlations(map_ranks.ranked(first), map_ranks.ranked(second))
    wanted = [spearmanr(a.ravel(), b.ravel())[0] for a, b in zip(first, second, strict=True)]
    assert np.allclose(found, wanted, atol=1e-5)
    nothing = np.zeros((1, 6, 7))
    assert map_ranks.rank_correlations(map_ranks.ranked(nothing), map_ranks.ranked(first[:1])) == [0.0]
    assert map_ranks.ranked(np.arange(6.0).reshape(1, 2, 3)).max() == 1


def test_pointing_counts_the_highest_pixels_in_the_quarter() -> None:
    heat, mask = np.zeros((4, 4)), np.zeros((4, 4), dtype=bool)
    mask[:2, :2] = True
    heat[0, 0] = heat[0, 1] = heat[3, 3] = heat[3, 2] = 1
    assert map_ranks.in_highest(heat, mask, np.random.default_rng(0)) == 0.5
    shares = [map_ranks.in_highest(np.zeros((4, 4)), mask, np.random.default_rng(s)) for s in range(200)]
    assert np.mean(shares) == pytest.approx(0.25, abs=0.03), "equal pixels are drawn by chance"
