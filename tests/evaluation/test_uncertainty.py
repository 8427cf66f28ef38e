"""How sure a classifier is: against definitions, brute force and other libraries."""

from __future__ import annotations

import numpy as np
import pytest

from etudes.evaluation import classification_metrics
from etudes.evaluation.uncertainty import (
    accuracy_kept,
    brier_scores,
    entropy,
    log_losses,
    mutual_information,
    risk_area,
    risk_area_interval,
)

GENERATOR = np.random.default_rng(0)
DRAWS = GENERATOR.dirichlet(np.ones(4), (7, 50))
LABELS = GENERATOR.integers(4, size=50)
MEAN = DRAWS.mean(axis=0)


def test_scores_of_rows_are_those_of_the_definitions() -> None:
    from sklearn.metrics import log_loss

    assert log_losses(LABELS, MEAN).mean() == pytest.approx(log_loss(LABELS, MEAN, labels=range(4)))
    assert log_losses(LABELS, MEAN).mean() == pytest.approx(classification_metrics(LABELS, MEAN)["log_loss"])
    by_hand = np.square(MEAN - np.eye(4)[LABELS]).sum(axis=1)
    np.testing.assert_allclose(brier_scores(LABELS, MEAN), by_hand, atol=1e-12)


def test_mutual_information_is_the_mean_divergence_from_the_mean() -> None:
    from scipy.stats import entropy as of_scipy

    np.testing.assert_allclose(entropy(MEAN), of_scipy(MEAN, axis=1), atol=1e-12)
    divergence = np.mean([of_scipy(draw, MEAN, axis=1) for draw in DRAWS], axis=0)
    np.testing.assert_allclose(mutual_information(DRAWS), divergence, atol=1e-12)
    assert (mutual_information(np.stack([MEAN, MEAN])) == 0).all()


def test_what_is_kept_is_the_surest() -> None:
    right, unsure = GENERATOR.random(50) < 0.7, GENERATOR.random(50)
    order = np.argsort(unsure)
    risks = [1 - right[order[: n + 1]].mean() for n in range(50)]
    assert risk_area(right, unsure) == pytest.approx(np.mean(risks))
    kept = accuracy_kept(right, unsure, [0.1, 0.5, 1.0])
    np.testing.assert_allclose(kept, [right[order[:n]].mean() for n in (5, 25, 50)])
    low, high = risk_area_interval(right, unsure, 300)
    assert low < risk_area(right, unsure) < high


def test_resamples_of_the_area_are_the_area_of_resamples() -> None:
    right, unsure = GENERATOR.random(30) < 0.5, GENERATOR.integers(6, size=30) / 6
    rows = np.random.default_rng(5).integers(0, 30, size=30)
    ends = risk_area_interval(right, unsure, 1, seed=5)
    assert ends == pytest.approx((risk_area(right[rows], unsure[rows]),) * 2)


def test_of_equally_sure_rows_any_may_be_kept() -> None:
    right, same = np.arange(10) < 6, np.zeros(10)
    assert risk_area(right, same) == pytest.approx(0.4)
    np.testing.assert_allclose(accuracy_kept(right, same, [0.25, 1.0]), 0.6)


def test_other_shapes_are_refused() -> None:
    for score in (log_losses, brier_scores):
        with pytest.raises(ValueError, match=r"labels must have the shape \(N,\)"):
            score(LABELS[:, None], MEAN)
    with pytest.raises(ValueError, match=r"draws must have the shape"):
        mutual_information(MEAN)
    with pytest.raises(ValueError, match="must both have the shape"):
        risk_area(np.ones(3, dtype=bool), np.zeros((3, 1)))
    with pytest.raises(ValueError, match="shares above 0"):
        accuracy_kept(np.ones(3, dtype=bool), np.zeros(3), [0.0])
