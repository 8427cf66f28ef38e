"""Ranking metrics against scikit-learn, and what they refuse."""

from __future__ import annotations

import numpy as np
import pytest
from sklearn.metrics import average_precision_score, roc_auc_score

from etudes.evaluation import average_precision, ranking_intervals, roc_auc
from etudes.evaluation.ranking import (
    ap_of_counts,
    auc_difference,
    auc_interval,
    auc_of_counts,
    threshold_counts,
)


def made(seed: int, n: int = 300, ties: bool = False) -> tuple[np.ndarray, np.ndarray]:
    generator = np.random.default_rng(seed)
    positive = generator.random(n) < 0.2
    scores = generator.normal(size=n) + 0.8 * positive
    return (np.round(scores, 1) if ties else scores), positive


@pytest.mark.parametrize("ties", [False, True])
def test_both_equal_scikit_learn_with_and_without_weights(ties: bool) -> None:
    scores, positive = made(0, ties=ties)
    weights = np.random.default_rng(1).integers(0, 4, len(scores)).astype(float)
    for given in (None, weights):
        assert roc_auc(scores, positive, given) == pytest.approx(
            roc_auc_score(positive, scores, sample_weight=given), abs=1e-12
        )
        assert average_precision(scores, positive, given) == pytest.approx(
            average_precision_score(positive, scores, sample_weight=given), abs=1e-12
        )


def test_constant_scores_rank_by_chance() -> None:
    positive = np.array([1, 0, 0, 0])
    assert roc_auc(np.ones(4), positive) == 0.5
    assert average_precision(np.ones(4), positive) == 0.25


def test_counts_of_parts_add_up_to_the_whole() -> None:
    scores, positive = made(2, ties=True)
    levels = np.unique(scores)
    parts = []
    for rows in (slice(0, 100), slice(100, 300)):
        index = np.searchsorted(levels, scores[rows])
        parts.append(
            [np.bincount(index[truth], minlength=len(levels)) for truth in (positive[rows], ~positive[rows])]
        )
    total = [(a + b).astype(float) for a, b in zip(*parts, strict=True)]
    assert np.array_equal(total, threshold_counts(scores, positive))
    assert auc_of_counts(*total) == pytest.approx(roc_auc(scores, positive))
    assert ap_of_counts(*total) == pytest.approx(average_precision(scores, positive))


def test_intervals_cover_the_truth_about_as_often_as_they_say() -> None:
    truth = 0.7142  # P(N(0.8, 1) > N(0, 1)) = Phi(0.8 / sqrt 2)
    covered = []
    for seed in range(120):
        scores, positive = made(seed, 200)
        low, high = ranking_intervals(scores, positive, 200, seed=seed)["roc_auc"]
        covered.append(low <= truth <= high)
    assert 0.87 <= np.mean(covered) <= 1.0


def test_intervals_hold_the_estimate_and_repeat_with_the_seed() -> None:
    scores, positive = made(4, ties=True)
    first, again = (ranking_intervals(scores, positive, 300, seed=5) for _ in range(2))
    assert first == again
    assert first["roc_auc"][0] < roc_auc(scores, positive) < first["roc_auc"][1]
    assert first["average_precision"][0] < average_precision(scores, positive) < first["average_precision"][1]


@pytest.mark.parametrize("ties", [False, True])
def test_normal_intervals_of_areas_are_those_of_the_bootstrap(ties: bool) -> None:
    scores, positive = made(6, 400, ties)
    other = np.random.default_rng(7).normal(size=400) + 0.3 * positive
    value, low, high = auc_interval(scores, positive)
    assert value == pytest.approx(roc_auc(scores, positive))
    assert (low, high) == pytest.approx(ranking_intervals(scores, positive, 2000)["roc_auc"], abs=0.015)
    difference, low, high = auc_difference(scores, other, positive)
    assert difference == pytest.approx(roc_auc(scores, positive) - roc_auc(other, positive))
    generator, resampled = np.random.default_rng(8), []
    for _ in range(500):
        rows = np.concatenate([generator.choice(np.flatnonzero(p), p.sum()) for p in (positive, ~positive)])
        resampled.append(roc_auc(scores[rows], positive[rows]) - roc_auc(other[rows], positive[rows]))
    assert (low, high) == pytest.approx(np.quantile(resampled, [0.025, 0.975]), abs=0.02)
    assert auc_difference(scores, scores, positive) == (0, 0, 0)


@pytest.mark.parametrize(
    ("scores", "positive", "message"),
    [
        (np.zeros(3), np.zeros((3, 1)), r"one shape \(N,\)"),
        (np.zeros((3, 1)), np.zeros(3), r"one shape \(N,\)"),
        (np.array([0.0, np.nan]), np.array([0, 1]), "1 scores are not finite"),
        (np.zeros(3), np.ones(3), "0 negative"),
        (np.zeros(3), np.zeros(3), "0 positive"),
        (np.zeros(3), np.array([0, 1, 2]), "only 0 and 1"),
    ],
)
def test_what_cannot_be_ranked_is_refused(scores: np.ndarray, positive: np.ndarray, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        roc_auc(scores, positive)
    with pytest.raises(ValueError, match=message):
        ranking_intervals(scores, positive)
