"""The methods written out, against scikit-learn, closed forms and finite differences."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from sklearn.discriminant_analysis import LinearDiscriminantAnalysis
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import log_loss as their_log_loss

from etudes.pipelines.income_classification.features import Features
from etudes.pipelines.income_classification.generative import fit_gaussian, fit_naive_bayes
from etudes.pipelines.income_classification.linear import Linear, log_loss, sigmoid
from etudes.pipelines.income_classification.logistic import (
    Descent,
    fit_newton,
    gradient,
    hessian,
    objective,
    standard_errors,
)
from study_settings import run_parameters

Settings = Callable[..., Any]
Problem = tuple[np.ndarray, np.ndarray]


@pytest.fixture(scope="module")
def census(splits: Any, settings: Settings) -> Problem:
    """The standardised matrix of made people and their labels."""
    train = splits[0]
    features = Features.fit(train, settings("features"))
    return features.transform(train), train["label"].to_numpy()


def full_rank(rows: int = 400, columns: int = 6, seed: int = 0) -> Problem:
    generator = np.random.default_rng(seed)
    matrix = generator.normal(size=(rows, columns)) @ generator.normal(size=(columns, columns))
    labels = (matrix[:, 0] + generator.normal(size=rows) > 0.8).astype(np.int64)
    return matrix, labels


def test_gaussian_equals_scikit_learn_on_full_rank_columns() -> None:
    matrix, labels = full_rank()
    ours = fit_gaussian(matrix, labels, 0.0)
    theirs = LinearDiscriminantAnalysis(solver="lsqr").fit(matrix, labels)
    np.testing.assert_allclose(ours.weights, theirs.coef_[0], rtol=1e-8)
    np.testing.assert_allclose(sigmoid(ours.log_odds(matrix)), theirs.predict_proba(matrix)[:, 1], atol=1e-10)


def test_gaussian_is_bayes_rule_with_two_densities() -> None:
    """sigmoid(w . x + b) against pi_1 N(x; mu_1, S) / sum_k pi_k N(x; mu_k, S), densities by scipy."""
    from scipy.stats import multivariate_normal

    matrix, labels = full_rank(columns=3)
    means = [matrix[labels == k].mean(0) for k in (0, 1)]
    residual = matrix - np.stack(means)[labels]
    covariance = residual.T @ residual / len(matrix)
    joint = [(labels == k).mean() * multivariate_normal(means[k], covariance).pdf(matrix) for k in (0, 1)]
    ours = sigmoid(fit_gaussian(matrix, labels, 0.0).log_odds(matrix))
    np.testing.assert_allclose(ours, joint[1] / (joint[0] + joint[1]), atol=1e-10)


def test_gaussian_prior_is_worth_so_many_people() -> None:
    """The fit with a penalty equals scikit-learn's on rows to which people of mean 0 and covariance I were added."""
    generator = np.random.default_rng(1)
    labels = np.repeat([0, 1], [300, 100])
    matrix = generator.normal(size=(400, 3)) + 0.7 * labels[:, None]
    directions = np.sqrt(3) * np.concatenate([np.eye(3), -np.eye(3)])  # six people: mean 0, covariance I
    added = np.tile(directions, (4, 1))  # three sixes for class 0 and one for class 1, as their shares are
    augmented = np.concatenate([matrix, added]), np.concatenate([labels, np.repeat([0, 1], [18, 6])])
    ours = fit_gaussian(matrix, labels, penalty=24.0)
    theirs = LinearDiscriminantAnalysis(solver="lsqr").fit(*augmented)
    np.testing.assert_allclose(ours.weights, theirs.coef_[0], rtol=1e-8)
    assert ours.bias == pytest.approx(theirs.intercept_[0])


@pytest.mark.parametrize("spoil", ["constant", "copy", "sum"])
def test_singular_covariance_is_named_and_a_prior_mends_it(spoil: str) -> None:
    matrix, labels = full_rank(columns=3)
    extra = {"constant": np.ones(400), "copy": matrix[:, 0], "sum": matrix.sum(1)}[spoil]
    singular = np.column_stack([matrix, extra])
    with pytest.raises(
        ValueError, match=r"4 columns has rank 3 with penalty = 0.*Expected a penalty above 0"
    ):
        fit_gaussian(singular, labels, 0.0)
    assert np.isfinite(fit_gaussian(singular, labels, 1.0).weights).all()


def one_hot(levels: np.ndarray, sizes: list[int]) -> tuple[np.ndarray, list[slice]]:
    """Columns of all levels but the first (N, sum of sizes - 1 each), behind one column of numbers."""
    parts, blocks, start = [np.zeros((len(levels), 1))], [], 1
    for column, size in enumerate(sizes):
        parts.append((levels[:, [column]] == np.arange(1, size)).astype(float))
        blocks.append(slice(start, start + size - 1))
        start += size - 1
    return np.concatenate(parts, axis=1), blocks


@pytest.mark.parametrize("penalty", [0.0, 5.0])
def test_naive_bayes_equals_counting(penalty: float) -> None:
    generator = np.random.default_rng(0)
    sizes = [2, 4, 3]
    labels = (generator.random(500) < 0.3).astype(np.int64)
    levels = np.column_stack([generator.integers(0, size, 500) for size in sizes])
    levels[:, 1] = np.where(labels == 1, np.minimum(levels[:, 1] + 1, 3), levels[:, 1])
    levels[levels[:, 1] == 0, 1] = np.where(labels[levels[:, 1] == 0] == 1, 1, 0)
    matrix, blocks = one_hot(levels, sizes)
    ours = fit_naive_bayes(matrix, labels, penalty, blocks, 1)
    log_odds = np.full(500, np.log(labels.mean() / (1 - labels.mean())))
    for column, size in enumerate(sizes):
        ratios = []
        for level in range(size):
            shares = []
            for k in (0, 1):
                n_k = (labels == k).sum()
                prior = max(penalty, 1e-6) * n_k / 500
                count = ((levels[:, column] == level) & (labels == k)).sum()
                shares.append((count + prior / size) / (n_k + prior))
            ratios.append(np.log(shares[1] / shares[0]))
        log_odds += np.array(ratios)[levels[:, column]]
    np.testing.assert_allclose(ours.log_odds(matrix), log_odds, atol=1e-9)


def test_blocks_may_not_overlap_the_numbers() -> None:
    with pytest.raises(ValueError, match="overlaps the 2 numbers"):
        fit_naive_bayes(np.zeros((4, 3)), np.array([0, 1, 0, 1]), 1.0, [slice(1, 3)], 2)


def test_gradient_and_hessian_equal_finite_differences() -> None:
    matrix, labels = full_rank(rows=50, columns=4)
    generator = np.random.default_rng(0)
    point = generator.normal(size=5)
    at = Linear(point[:-1], point[-1])
    slope = gradient(at, matrix, labels, 3.0, len(labels))
    curvature = hessian(at, matrix, 3.0)
    for i, step in enumerate(1e-5 * np.eye(5)):
        ends = [Linear((point + s * step)[:-1], (point + s * step)[-1]) for s in (1, -1)]
        values = [objective(end, matrix, labels, 3.0) for end in ends]
        assert (values[0] - values[1]) / 2e-5 == pytest.approx(slope[i], abs=1e-8)
        slopes = [gradient(end, matrix, labels, 3.0, len(labels)) for end in ends]
        np.testing.assert_allclose((slopes[0] - slopes[1]) / 2e-5, curvature[i], atol=1e-7)


def test_batches_share_the_penalty_of_the_whole() -> None:
    matrix, labels = full_rank(rows=100)
    at = Linear(np.arange(6) / 10.0, 0.3)
    whole = gradient(at, matrix, labels, 2.0, 100)
    parts = [gradient(at, matrix[rows], labels[rows], 2.0, 100) for rows in np.split(np.arange(100), 4)]
    np.testing.assert_allclose(np.mean(parts, axis=0), whole)


@pytest.mark.parametrize("penalty", [1.0, 30.0])
def test_newton_equals_scikit_learn(census: Problem, penalty: float) -> None:
    matrix, labels = census
    theirs = LogisticRegression(C=1 / penalty, tol=1e-10, max_iter=10_000).fit(matrix, labels)
    ours = fit_newton(matrix, labels, penalty)
    np.testing.assert_allclose(ours.weights, theirs.coef_[0], atol=1e-4)
    assert objective(ours, matrix, labels, penalty) <= objective(
        Linear(theirs.coef_[0], theirs.intercept_[0]), matrix, labels, penalty
    ) * (1 + 1e-12)


@pytest.mark.parametrize("penalty", [3.0, 30.0])
def test_gradient_descent_equals_scikit_learn(census: Problem, settings: Settings, penalty: float) -> None:
    """The tolerances that the README states."""
    matrix, labels = census
    parameters = settings("logistic", epochs=300, batch_size=64, learning_rate=0.05)
    descent = Descent(census, census, penalty, 1.0, parameters, run_parameters())
    ours = descent.run()
    theirs = LogisticRegression(C=1 / penalty, tol=1e-8, max_iter=10_000).fit(matrix, labels)
    least = objective(Linear(theirs.coef_[0], theirs.intercept_[0]), matrix, labels, penalty)
    assert descent.epochs[-1]["train_loss"] == pytest.approx(least, rel=1e-6)
    np.testing.assert_allclose(ours.weights, theirs.coef_[0], atol=1e-2)
    np.testing.assert_allclose(sigmoid(ours.log_odds(matrix)), theirs.predict_proba(matrix)[:, 1], atol=5e-3)


def test_newton_ends_where_data_are_separable() -> None:
    matrix = np.linspace(-1, 1, 20)[:, None]
    labels = (matrix[:, 0] > 0).astype(np.int64)
    model = fit_newton(matrix, labels, 1e-3)
    assert max(np.abs(gradient(model, matrix, labels, 1e-3, 20))) < 1e-9


def test_another_seed_ends_at_the_same_minimum(census: Problem, settings: Settings) -> None:
    parameters = settings("logistic", epochs=300, batch_size=64, learning_rate=0.05)
    one, other = (
        Descent(census, census, 10.0, 1.0, parameters, run_parameters(seed=seed)).run() for seed in (0, 1)
    )
    assert not np.array_equal(one.weights, other.weights)
    np.testing.assert_allclose(one.weights, other.weights, atol=1e-2)


def test_a_step_that_is_too_long_is_named(census: Problem, settings: Settings) -> None:
    parameters = settings("logistic", epochs=3, learning_rate=1e200)
    with np.errstate(all="ignore"), pytest.raises(ValueError, match=r"lower logistic\.learning_rate"):
        Descent(census, census, 1.0, 1.0, parameters, run_parameters()).run()


def test_standard_errors_equal_the_spread_over_fresh_data() -> None:
    """The weights of 400 data sets of one process vary as the Hessian of one of them says."""
    generator = np.random.default_rng(0)
    truth = Linear(np.array([1.0, -0.5]), -1.0)
    found, said = [], []
    for _ in range(400):
        matrix = generator.normal(size=(300, 2))
        labels = (generator.random(300) < sigmoid(truth.log_odds(matrix))).astype(np.int64)
        model = fit_newton(matrix, labels, 1e-6)
        found.append(model.weights)
        said.append(standard_errors(model, matrix, 1e-6))
    np.testing.assert_allclose(np.std(found, axis=0), np.mean(said, axis=0), rtol=0.1)


@pytest.mark.parametrize("shapes", [((4,), (4, 1)), ((4, 1), (4,)), ((4, 1), (4, 1)), ((4,), (5,)), ((), ())])
def test_losses_refuse_shapes_that_would_broadcast(shapes: tuple[tuple[int, ...], tuple[int, ...]]) -> None:
    odds, labels = np.zeros(shapes[0]), np.zeros(shapes[1], dtype=np.int64)
    with pytest.raises(ValueError, match=r"must both have the shape \(N,\), found"):
        log_loss(odds, labels)


def test_losses_equal_scikit_learn() -> None:
    generator = np.random.default_rng(0)
    odds, labels = generator.normal(size=200) * 3, generator.integers(0, 2, 200)
    p = sigmoid(odds)
    assert log_loss(odds, labels) == pytest.approx(their_log_loss(labels, p))


def test_standardising_a_linear_form_does_not_change_it() -> None:
    matrix, _ = full_rank()
    mean, scale = matrix.mean(0), matrix.std(0)
    model = Linear(np.arange(6.0), -2.0)
    again = model.standardised(mean, scale)
    np.testing.assert_allclose(again.log_odds((matrix - mean) / scale), model.log_odds(matrix))
