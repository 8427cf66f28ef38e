"""k-means against scikit-learn's, and what labels add against its definition."""

from __future__ import annotations

from functools import cache

import numpy as np
import pytest

from etudes.benches.few_labels import UNKNOWN
from etudes.pipelines.cluster_then_label.clustering import (
    Clustering,
    FloatArray,
    IntArray,
    clamp,
    class_means,
    descend,
    guide,
    spread_out,
    squared_distances,
)

TABLES = ("iris", "wine", "digits")


@cache
def table(name: str) -> tuple[FloatArray, IntArray]:
    """Standardised rows and classes of a table of scikit-learn, every fifth of the digits."""
    from sklearn import datasets

    z, labels = getattr(datasets, f"load_{name}")(return_X_y=True)
    z, labels = (z[::5], labels[::5]) if name == "digits" else (z, labels)
    return (z - z.mean(axis=0)) / np.where(z.std(axis=0) > 0, z.std(axis=0), 1), labels


def few(labels: IntArray, count: int, seed: int = 0) -> IntArray:
    """Some labels, of all others nothing."""
    kept = np.random.default_rng(seed).permutation(len(labels))[:count]
    return np.where(np.isin(np.arange(len(labels)), kept), labels, UNKNOWN)


def parts_of(z: FloatArray, labels: IntArray, found: Clustering) -> tuple[float, float]:
    """Unexplained variance and Gini impurity of a clustering, cluster by cluster, as their definitions say."""
    inside, impurity, known = 0.0, 0.0, labels != UNKNOWN
    for j, centre in enumerate(found.centres):
        own = found.members == j
        inside += sum(float(((row - centre) ** 2).sum()) for row in z[own])
        classes = labels[own & known]
        if len(classes):
            gini = 1 - sum(float((classes == c).mean()) ** 2 for c in np.unique(classes))
            impurity += len(classes) / known.sum() * gini
    return inside / float(((z - z.mean(axis=0)) ** 2).sum()), impurity


@pytest.mark.parametrize("name", TABLES)
def test_without_labels_it_is_the_k_means_of_scikit_learn(name: str) -> None:
    from sklearn.cluster import KMeans

    z, _ = table(name)
    starts = spread_out(z, 6, 4, np.random.default_rng(0))
    ours = descend(z, starts, 300)
    theirs = [
        KMeans(6, init=start, n_init=1, max_iter=300, tol=0, algorithm="lloyd").fit(z) for start in starts
    ]
    best = min(theirs, key=lambda fitted: fitted.inertia_)
    np.testing.assert_allclose(ours.centres, best.cluster_centers_, atol=1e-9)
    np.testing.assert_array_equal(ours.members, best.labels_)
    assert ours.objective[-1] == pytest.approx(best.inertia_ / ((z - z.mean(axis=0)) ** 2).sum(), rel=1e-9)


@pytest.mark.parametrize("name", TABLES)
@pytest.mark.parametrize("k", [3, 12])
def test_alpha_zero_is_k_means_to_the_last_bit(name: str, k: int) -> None:
    z, truth = table(name)
    labels = few(truth, 40)
    for seed in range(3):
        starts = spread_out(z, k, 5, np.random.default_rng(seed))
        plain = descend(z, starts, 100)
        guided = descend(z, starts, 100, *guide(z, labels, 10, alpha=0.0))
        assert np.array_equal(guided.centres, plain.centres) and np.array_equal(guided.members, plain.members)
        assert guided.objective == plain.objective


@pytest.mark.parametrize("name", TABLES)
@pytest.mark.parametrize("alpha", [0.01, 0.3, 3.0])
@pytest.mark.parametrize("k", [3, 12])
def test_the_objective_is_its_definition_and_never_rises(name: str, alpha: float, k: int) -> None:
    z, truth = table(name)
    labels = few(truth, 60)
    found = descend(z, spread_out(z, k, 5, np.random.default_rng(1)), 100, *guide(z, labels, 10, alpha))
    variance, impurity = parts_of(z, labels, found)
    assert found.objective[-1] == pytest.approx(variance + alpha * impurity, abs=1e-9)
    assert found.impurity[-1] == pytest.approx(alpha * impurity, abs=1e-12)
    assert (np.diff(found.objective) <= 1e-12).all() and len(found.objective) > 2


def test_a_guided_row_is_where_it_costs_least() -> None:
    z, truth = table("iris")
    labels, alpha = few(truth, 30), 0.3
    found = descend(z, spread_out(z, 5, 3, np.random.default_rng(2)), 100, *guide(z, labels, 3, alpha))
    known = np.flatnonzero(labels != UNKNOWN)
    variance = ((z - z.mean(axis=0)) ** 2).sum() / len(z)
    for row in range(len(z)):
        costs = ((z[row] - found.centres) ** 2).sum(axis=1)
        if row in known:
            for j in range(5):
                inside = labels[known][found.members[known] == j]
                if not len(inside):
                    inside = labels[known][[((z[known] - found.centres[j]) ** 2).sum(axis=1).argmin()]]
                shares = np.bincount(inside, minlength=3) / len(inside)
                costs[j] += (
                    alpha * variance * len(z) / len(known) * ((np.eye(3)[labels[row]] - shares) ** 2).sum()
                )
        assert costs[found.members[row]] <= costs.min() + 1e-9


def test_labels_move_the_centres() -> None:
    """Four heaps at the corners of a rectangle: k-means cuts its long side, the labels of two in three rows ask for the other."""
    generator = np.random.default_rng(0)
    corners = np.array([[-3.0, -1], [-3, 1], [3, -1], [3, 1]])
    truth = np.tile([0, 1, 0, 1], 50)
    z = corners[np.tile(np.arange(4), 50)] + generator.normal(scale=0.3, size=(200, 2))
    labels, starts = few(truth, 120), spread_out(z, 2, 5, generator)
    plain, guided = descend(z, starts, 100), descend(z, starts, 100, *guide(z, labels, 2, 5.0))
    across, guided_across = (abs(found.centres[0] - found.centres[1])[1] for found in (plain, guided))
    assert across < 0.1 and guided_across > 1
    known = labels != UNKNOWN
    assert max((guided.members == truth)[known].mean(), (guided.members != truth)[known].mean()) == 1.0
    for j in (0, 1):
        np.testing.assert_allclose(guided.centres[j], z[guided.members == j].mean(axis=0), atol=1e-12)


def test_more_alpha_leaves_less_impurity() -> None:
    z, truth = table("wine")
    labels, starts = few(truth, 60), spread_out(*table("wine")[:1], 3, 5, np.random.default_rng(0))
    left = [
        parts_of(z, labels, descend(z, starts, 100, *guide(z, labels, 3, alpha)))[1]
        for alpha in (0.0, 0.1, 10.0)
    ]
    assert left[0] > left[1] >= left[2] and left[2] == 0


def test_an_empty_cluster_takes_a_row_and_no_centre_is_lost() -> None:
    z, truth = table("iris")
    starts = np.full((2, 4, 4), 50.0)  # three of four are empty at once, in both starts
    for pull in ((), guide(z, few(truth, 9), 3, 1.0)):
        found = descend(z, starts, 100, *pull)
        assert np.isfinite(found.centres).all() and len(np.unique(found.members)) == 4
        assert (np.diff(found.objective) <= 1e-12).all()


def test_a_rising_objective_is_no_answer() -> None:
    z, _ = table("iris")
    shares = iter(np.arange(100.0))
    with pytest.raises(ArithmeticError, match="the objective rose by"):
        descend(
            z,
            spread_out(z, 3, 2, np.random.default_rng(0)),
            100,
            np.array([0]),
            lambda of, c: (0.0, next(shares)),
        )


def test_constrained_k_means_is_that_of_a_plain_loop() -> None:
    z, truth = table("iris")
    labels = few(truth, 20)
    centres = class_means(z, labels, 3)
    found = descend(z, centres[None], 100, *clamp(labels, 3))
    for _ in range(100):
        members = np.array(
            [
                labels[i] if labels[i] != UNKNOWN else ((z[i] - centres) ** 2).sum(axis=1).argmin()
                for i in range(150)
            ]
        )
        centres = np.stack([z[members == c].mean(axis=0) for c in range(3)])
    np.testing.assert_array_equal(found.members, members)
    np.testing.assert_allclose(found.centres, centres, atol=1e-12)
    plain = descend(z, class_means(z, labels, 3)[None], 100)
    assert not np.array_equal(plain.members, members), "the constraint binds nobody: the test shows nothing"


def test_seeds_are_means_and_a_class_without_a_label_is_refused() -> None:
    z, labels = np.array([[0.0], [2.0], [5.0], [9.0]]), np.array([0, 0, 1, UNKNOWN])
    np.testing.assert_array_equal(class_means(z, labels, 2), [[1.0], [5.0]])
    with pytest.raises(ValueError, match="no labelled row is of class 2; expected one of each of 3"):
        class_means(z, labels, 3)


def test_starts_are_rows_drawn_by_their_squared_distance() -> None:
    z = np.array([[0.0], [1.0], [3.0]])
    pairs = spread_out(z, 2, 30000, np.random.default_rng(0))[:, :, 0]
    for first, others in (
        (0.0, {1.0: 1 / 10, 3.0: 9 / 10}),
        (1.0, {0.0: 1 / 5, 3.0: 4 / 5}),
        (3.0, {0.0: 9 / 13, 1.0: 4 / 13}),
    ):
        second = pairs[pairs[:, 0] == first, 1]
        assert len(second) == pytest.approx(10000, abs=350)
        for value, share in others.items():
            assert (second == value).mean() == pytest.approx(share, abs=0.015)
    assert np.isfinite(spread_out(np.zeros((3, 2)), 3, 2, np.random.default_rng(0))).all()


def test_distances_are_those_of_scipy() -> None:
    from scipy.spatial.distance import cdist

    generator = np.random.default_rng(0)
    z, centres = generator.normal(size=(20, 3)), generator.normal(size=(2, 4, 3))
    expected = [cdist(z, of_start, "sqeuclidean") for of_start in centres]
    np.testing.assert_allclose(squared_distances(z, centres), expected, atol=1e-12)
