"""Scores and measures of sequences, by hand."""

from __future__ import annotations

import numpy as np
import pytest

from etudes.benches.sequences import distinct, mean_with_interval, next_token_scores, repetition


def test_scores_of_the_next_token_by_hand_and_mismatched_shapes_refused() -> None:
    law = np.array([[[0.5, 0.3, 0.2], [0.1, 0.2, 0.7]]])
    right, surprise = next_token_scores(np.log(law), np.array([[0, 1]]))
    assert right.tolist() == [[True, False]]
    np.testing.assert_allclose(surprise, -np.log([[0.5, 0.2]]))
    targets = np.zeros((2, 5), dtype=np.int64)
    for wrong in (targets[..., None], targets[:, :4], targets[0], targets.T):
        with pytest.raises(ValueError, match="expected \\(N, T, V\\)"):
            next_token_scores(np.zeros((2, 5, 7)), wrong)


def test_interval_holds_the_mean_and_shrinks() -> None:
    values = np.random.default_rng(0).random(400)
    found = mean_with_interval("x.accuracy", values, 500)
    assert found["x.accuracy.low"] < found["x.accuracy"] < found["x.accuracy.high"]
    assert found["x.accuracy"] == pytest.approx(values.mean())
    width = found["x.accuracy.high"] - found["x.accuracy.low"]
    assert width == pytest.approx(2 * 1.96 * values.std() / 20, rel=0.15)


def test_distinct_and_repetition_by_hand() -> None:
    tokens = np.array([[0, 1, 0, 1, 0, 1], [0, 1, 2, 3, 4, 4]])
    assert distinct(tokens, 1) == pytest.approx((2 / 6 + 5 / 6) / 2)
    assert distinct(tokens, 2) == pytest.approx((2 / 5 + 5 / 5) / 2)
    assert repetition(tokens) == 0.5
    assert repetition(np.array([[5, 4, 1, 2, 3, 1, 2, 3, 1, 2, 3], [1, 2, 3, 1, 2, 3, 1, 2, 3, 1, 0]])) == 0.5
    with pytest.raises(ValueError, match="T >= 3"):
        distinct(tokens[:, :2], 3)
