"""Disagreement and divergence against their definitions, pair by pair."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.special import rel_entr, softmax

from etudes.evaluation.diversity import disagreement, divergence

DRAWS = softmax(np.random.default_rng(0).normal(size=(4, 50, 3)), axis=2)


def test_pairs_are_counted_one_by_one() -> None:
    for row in range(len(DRAWS[0])):
        pairs = [(a, b) for a in range(4) for b in range(4) if a != b]
        apart = [DRAWS[a, row].argmax() != DRAWS[b, row].argmax() for a, b in pairs]
        assert disagreement(DRAWS)[row] == pytest.approx(np.mean(apart))
        kl = [rel_entr(DRAWS[a, row], DRAWS[b, row]).sum() for a, b in pairs]
        assert divergence(DRAWS)[row] == pytest.approx(np.mean(kl))


def test_members_that_are_one_do_not_differ() -> None:
    same = np.repeat(DRAWS[:1], 3, axis=0)
    assert not disagreement(same).any() and np.abs(divergence(same)).max() < 1e-12


def test_certain_members_diverge_finitely() -> None:
    sure = np.array([[[1.0, 0.0]], [[0.0, 1.0]]])
    assert disagreement(sure) == [1.0] and divergence(sure)[0] == pytest.approx(-np.log(1e-12))


@pytest.mark.parametrize("draws", [DRAWS[0], DRAWS[:1]])
def test_one_member_alone_is_refused(draws: np.ndarray) -> None:
    for measure in (disagreement, divergence):
        with pytest.raises(ValueError, match=r"\(M, N, K\) with two members or more"):
            measure(draws)
