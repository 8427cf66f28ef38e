"""The pool of variants: its gradient, its weights, its honest dev score."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pandas as pd
import pytest
from scipy.optimize import approx_fprime
from scipy.special import log_softmax, softmax

from etudes.pipelines.genre_classification.combination import (
    Combination,
    cross_fitted,
    fit_weights,
    log_probabilities,
    pool,
    train_combination,
)
from etudes.pipelines.genre_classification.parameters import CombinationParameters
from study_settings import run_parameters

K = 4
UNIFORM = np.full(K, 1 / K)


def draw(weights: list[float], rows: int, seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    """Members' log-probabilities (members, rows, K) and labels drawn from their pool with ``weights``."""
    generator = np.random.default_rng(seed)
    logs = log_softmax(1.5 * generator.normal(size=(len(weights), rows, K)), axis=2)
    probabilities = softmax(np.tensordot(weights, logs, axes=1), axis=1)
    labels = (probabilities.cumsum(1) < generator.random((rows, 1))).sum(1).clip(max=K - 1)
    return logs, labels


class Fixed:
    """A member that answers the given rows."""

    registered_name = "fixed"

    def __init__(self, probabilities: np.ndarray) -> None:
        self.probabilities = probabilities

    def predict_proba(self, frame: pd.DataFrame) -> np.ndarray:
        return self.probabilities


def pooled_of(members: dict[str, Fixed], labels: np.ndarray) -> tuple[Combination, dict[str, Any]]:
    """The node's pool of the members, on a dev of these labels."""
    parameters = CombinationParameters(members=[*members], prior_shift=0.0)
    dev, card = pd.DataFrame({"label": labels}), {"train_shares": UNIFORM.tolist()}
    return train_combination(dev, card, members, parameters, run_parameters())


def test_gradient_equals_finite_differences(monkeypatch: pytest.MonkeyPatch) -> None:
    logs, labels = draw([1.0, 0.5, 0.2], rows=60)
    seen: list[Callable[[np.ndarray], tuple[float, np.ndarray]]] = []

    def look(objective: Any, start: np.ndarray, **_: Any) -> Any:
        seen.append(objective)
        return type("Found", (), {"x": start})

    monkeypatch.setattr("scipy.optimize.minimize", look)
    fit_weights(logs, labels)
    for weights in np.random.default_rng(1).uniform(0, 2, size=(5, 3)):
        numeric = approx_fprime(weights, lambda w: seen[0](w)[0], 1e-6)
        np.testing.assert_allclose(seen[0](weights)[1], numeric, atol=1e-5)


def test_weights_recover_a_known_pool() -> None:
    logs, labels = draw([1.2, 0.6, 0.3], rows=8000)
    np.testing.assert_allclose(fit_weights(logs, labels), [1.2, 0.6, 0.3], atol=0.08)


def test_a_useless_member_gets_no_weight() -> None:
    logs, labels = draw([1.0, 0.0], rows=4000)
    weights = fit_weights(logs, labels)
    assert weights[1] < 0.05
    assert weights[0] == pytest.approx(1.0, abs=0.08)


def test_pool_of_one_member_with_weight_one_is_that_member() -> None:
    logs, _ = draw([1.0], rows=20)
    np.testing.assert_allclose(pool(logs, np.ones(1), UNIFORM, 0.0), np.exp(logs[0]))


def test_prior_shift_divides_by_the_prior() -> None:
    logs, _ = draw([1.0], rows=20)
    prior = np.array([0.7, 0.1, 0.1, 0.1])
    expected = np.exp(logs[0]) / prior**0.5
    np.testing.assert_allclose(pool(logs, np.ones(1), prior, 0.5), expected / expected.sum(1, keepdims=True))


def test_a_members_zero_is_no_veto() -> None:
    logs = log_probabilities(np.array([[[1.0, 0.0]], [[0.2, 0.8]]]))
    assert np.isfinite(logs).all()
    assert pool(logs, np.array([0.1, 2.0]), np.array([0.5, 0.5]), 0.0)[0, 1] > 0.5


def test_rows_are_predicted_with_weights_that_have_not_seen_them() -> None:
    logs, labels = draw([1.0, 0.5, 0.3], rows=40)
    known = cross_fitted(logs, labels, UNIFORM, 0.0, seed=0)
    for row in range(0, 40, 5):
        other = labels.copy()
        other[row] = (other[row] + 1) % K
        changed = cross_fitted(logs, other, UNIFORM, 0.0, seed=0)
        np.testing.assert_array_equal(changed[row], known[row])
        assert not np.allclose(changed, known)  # the rows of other folds do depend on it


@pytest.mark.parametrize("rows", [2, 3, 4])
def test_fewer_rows_than_folds_still_give_probabilities(rows: int) -> None:
    logs, labels = draw([1.0, 0.5], rows=rows)
    np.testing.assert_allclose(cross_fitted(logs, labels, UNIFORM, 0.0, seed=0).sum(1), 1)


def test_the_pool_is_no_worse_on_dev_than_each_member() -> None:
    logs, labels = draw([0.8, 0.6], rows=2000)
    members = {"tfidf": Fixed(np.exp(logs[0])), "spacy": Fixed(np.exp(logs[1]))}
    model, history = pooled_of(members, labels)
    rows = np.arange(len(labels))
    pooled = -np.log(model.predict_proba(pd.DataFrame())[rows, labels]).mean()
    assert pooled < min(-log[rows, labels].mean() for log in logs)
    assert history["dev"]["log_loss"] == pytest.approx(pooled, abs=0.01)


def test_members_without_weight_are_not_carried_along() -> None:
    logs, labels = draw([1.0, -0.5], rows=3000)
    members = {"bilstm": Fixed(np.exp(logs[1])), "tfidf": Fixed(np.exp(logs[0]))}
    model, _ = pooled_of(members, labels)
    assert list(model.members) == ["tfidf"]
    assert model.weights.shape == (1,)
