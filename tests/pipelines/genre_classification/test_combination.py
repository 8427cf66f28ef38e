"""The pool of variants: its gradient, its weights, its honest dev score."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pandas as pd
import pytest
from scipy.optimize import approx_fprime
from scipy.special import log_softmax, softmax

from etudes.pipelines.genre_classification import combination
from etudes.pipelines.genre_classification.combination import (
    Combination,
    cross_fitted,
    fit_weights,
    log_probabilities,
    pool,
)
from etudes.pipelines.genre_classification.linear import Majority

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


def test_gradient_equals_finite_differences(monkeypatch: pytest.MonkeyPatch) -> None:
    logs, labels = draw([1.0, 0.5, 0.2], rows=60)
    seen: list[Callable[[np.ndarray], tuple[float, np.ndarray]]] = []

    def look(objective: Any, start: np.ndarray, **_: Any) -> Any:
        seen.append(objective)
        return type("Found", (), {"x": start})

    monkeypatch.setattr(combination, "minimize", look)
    fit_weights(logs, labels)
    for weights in np.random.default_rng(1).uniform(0, 2, size=(5, 3)):
        numeric = approx_fprime(weights, lambda w: seen[0](w)[0], 1e-6)
        np.testing.assert_allclose(seen[0](weights)[1], numeric, atol=1e-5)


def test_the_loss_is_the_mean_log_loss_of_the_pool(monkeypatch: pytest.MonkeyPatch) -> None:
    logs, labels = draw([1.0, 0.5], rows=60)
    losses: list[float] = []

    def look(objective: Any, start: np.ndarray, **_: Any) -> Any:
        losses.append(objective(start)[0])
        return type("Found", (), {"x": start})

    monkeypatch.setattr(combination, "minimize", look)
    start = fit_weights(logs, labels)
    expected = -np.log(pool(logs, start, UNIFORM, 0.0)[np.arange(60), labels]).mean()
    assert losses == [pytest.approx(expected)]


def test_weights_recover_a_known_pool() -> None:
    logs, labels = draw([1.2, 0.6, 0.3], rows=8000)
    np.testing.assert_allclose(fit_weights(logs, labels), [1.2, 0.6, 0.3], atol=0.08)


def test_a_useless_member_gets_no_weight() -> None:
    logs, labels = draw([1.0, 0.0], rows=4000)
    weights = fit_weights(logs, labels)
    assert weights[1] < 0.05
    assert weights[0] == pytest.approx(1.0, abs=0.08)


def test_weights_are_never_negative() -> None:
    logs, labels = draw([1.0, -0.5], rows=2000)  # the second member is best believed to lie
    assert fit_weights(logs, labels).min() >= 0


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


def test_a_cross_fitted_row_is_the_pool_of_the_weights_of_the_other_folds() -> None:
    logs, labels = draw([1.0, 0.5], rows=30)
    fold = np.random.default_rng(7).permutation(30) % 5
    rest = fold != fold[4]
    expected = pool(logs[:, [4]], fit_weights(logs[:, rest], labels[rest]), UNIFORM, 0.2)[0]
    np.testing.assert_allclose(cross_fitted(logs, labels, UNIFORM, 0.2, seed=7)[4], expected)


@pytest.mark.parametrize("rows", [2, 3, 4])
def test_fewer_rows_than_folds_still_give_probabilities(rows: int) -> None:
    logs, labels = draw([1.0, 0.5], rows=rows)
    np.testing.assert_allclose(cross_fitted(logs, labels, UNIFORM, 0.0, seed=0).sum(1), 1)


def test_the_pool_is_no_worse_on_dev_than_each_member() -> None:
    logs, labels = draw([0.8, 0.6], rows=2000)
    members = {"tfidf": Fixed(np.exp(logs[0])), "spacy": Fixed(np.exp(logs[1]))}
    model, metrics = Combination.fit(members, pd.DataFrame({"label": labels}), UNIFORM, 0.0, seed=0)
    rows = np.arange(len(labels))
    pooled = -np.log(model.predict_proba(pd.DataFrame())[rows, labels]).mean()
    assert pooled < min(-log[rows, labels].mean() for log in logs)
    assert metrics["log_loss"] == pytest.approx(pooled, abs=0.01)


def test_members_without_weight_are_not_carried_along() -> None:
    logs, labels = draw([1.0, -0.5], rows=3000)
    members = {"bilstm": Fixed(np.exp(logs[1])), "tfidf": Fixed(np.exp(logs[0]))}
    model, _ = Combination.fit(members, pd.DataFrame({"label": labels}), UNIFORM, 0.0, seed=0)
    assert list(model.members) == ["tfidf"]
    assert model.weights.shape == (1,)


def test_members_that_are_all_useless_still_make_a_pool() -> None:
    logs, labels = draw([1.0], rows=500)
    members = {"bilstm": Fixed(softmax(-3 * logs[0], axis=1))}
    model, _ = Combination.fit(members, pd.DataFrame({"label": labels}), UNIFORM, 0.0, seed=0)
    np.testing.assert_allclose(model.predict_proba(pd.DataFrame()), 1 / K, atol=0.01)


def test_no_members_are_refused() -> None:
    with pytest.raises(ValueError, match="none of its members was trained; add some to `variants`"):
        Combination.fit({}, pd.DataFrame({"label": [0]}), UNIFORM, 0.0, seed=0)


def test_the_pool_is_the_same_after_saving_with_its_members(
    toy_films: Callable[..., pd.DataFrame], fit_tfidf: Callable[..., Any], reloaded: Callable[[Any], Any]
) -> None:
    train, dev = toy_films(60, seed=0), toy_films(30, seed=1)
    tfidf = fit_tfidf(train, 3)
    tfidf.calibrate(dev)
    members = {"majority": Majority.fit(train["label"].to_numpy(), 3), "tfidf": tfidf}
    model = Combination(members, np.array([0.3, 0.9]), np.array([0.5, 0.3, 0.2]), 0.4)
    again = reloaded(model)
    assert list(again.members) == ["majority", "tfidf"]
    np.testing.assert_array_equal(again.predict_proba(dev), model.predict_proba(dev))
