"""What stands beside guided k-means against scikit-learn's, and how settings are chosen."""

from __future__ import annotations

import numpy as np
import pytest

from etudes.evaluation import classification_metrics
from etudes.pipelines.cluster_then_label import methods
from etudes.pipelines.cluster_then_label.clustering import UNKNOWN, Clustering
from etudes.pipelines.cluster_then_label.parameters import MethodsParameters

from .test_clustering import few, table

PARAMETERS = MethodsParameters.model_validate(
    {
        "folds": 3,
        "starts": 2,
        "sweeps": 50,
        "kmeans": {"per_class": [1, 3]},
        "guided": {"per_class": [1, 3], "alphas": [0.1, 1.0]},
        "neighbours": [1, 5],
        "penalties": [1.0, 0.1],
        "widths": [0.2, 0.5],
        "retain": 0.1,
    }
)


def test_labels_spread_as_those_of_scikit_learn() -> None:
    from sklearn.semi_supervised import LabelSpreading

    z, truth = table("wine")
    labels, width, retain = few(truth[::2], 20), 0.3, 0.2
    (ours,) = methods.label_spreading(z[::2], [labels], 3, 0, width=width, retain=retain)
    g = 1 / (2 * width**2 * z.shape[1])
    theirs = LabelSpreading(kernel="rbf", gamma=g, alpha=1 - retain, max_iter=5000, tol=1e-12).fit(
        z[::2], labels
    )
    np.testing.assert_allclose(ours.shares, theirs.label_distributions_, atol=1e-8)
    np.testing.assert_allclose(ours.predict_proba(z[1::2]), theirs.predict_proba(z[1::2]), atol=1e-8)


def test_a_row_far_from_all_has_an_answer() -> None:
    z, truth = table("wine")
    (rule,) = methods.label_spreading(z, [few(truth, 20)], 3, 0, width=0.01, retain=0.1)
    found = rule.predict_proba(np.full((1, 13), 1e4))
    assert found.sum() == pytest.approx(1)


@pytest.mark.parametrize("k", [1, 4])
def test_neighbours_are_those_of_scikit_learn(k: int) -> None:
    from sklearn.neighbors import KNeighborsClassifier

    z, truth = table("wine")
    labels = few(truth, 40)
    (ours,) = methods.nearest_neighbours(z, [labels], 3, 0, k=k)
    known = labels != UNKNOWN
    counts = k * KNeighborsClassifier(k).fit(z[known], labels[known]).predict_proba(z)
    np.testing.assert_allclose(ours.predict_proba(z), (counts + 1) / (k + 3), atol=1e-12)


@pytest.mark.parametrize("classes", [2, 3])
def test_logistic_answers_are_those_of_the_labelled_rows_alone(classes: int) -> None:
    from sklearn.linear_model import LogisticRegression

    z, truth = table("wine")
    z, truth = z[truth < classes], truth[truth < classes]
    labels = few(truth, 40)
    (ours,) = methods.logistic(z, [labels], classes, 0, penalty=0.5)
    known = labels != UNKNOWN
    theirs = LogisticRegression(C=2.0, max_iter=1000).fit(z[known], labels[known])
    np.testing.assert_allclose(ours.predict_proba(z), theirs.predict_proba(z), atol=1e-9)


def test_a_vote_by_hand() -> None:
    z = np.array([[0.0], [0.2], [0.4], [5.0], [5.2], [9.0]])
    labels = np.array([0, 0, 1, UNKNOWN, UNKNOWN, 2])
    found = Clustering(np.array([[0.2], [5.1], [9.0]]), np.array([0, 0, 0, 1, 1, 2]), [], [])
    rule = methods.vote(found, z, labels, 3)
    p = np.array([2, 1, 1]) / 4  # the shares of the labelled rows count as one row more
    # The second cluster has no labelled row; the nearest to its centre, 9.0, is of the third class.
    expected = (np.array([[2, 1, 0], [0, 0, 1], [0, 0, 1]]) + p) / [[4], [2], [2]]
    np.testing.assert_allclose(rule.shares, expected)
    np.testing.assert_array_equal(rule.predict_proba(np.array([[1.0], [6.0]])).argmax(axis=1), [0, 2])


@pytest.mark.parametrize("name", methods.FITS)
def test_several_labelings_at_once_are_each_alone(name: str) -> None:
    z, truth = table("iris")
    labelings = [few(truth, 30, seed) for seed in (0, 1)]
    setting = methods.settings_of(name, PARAMETERS)[-1]
    together = methods.FITS[name](z, labelings, 3, 5, **setting)
    for labels, rule in zip(labelings, together, strict=True):
        (alone,) = methods.FITS[name](z, [labels], 3, 5, **setting)
        np.testing.assert_allclose(rule.predict_proba(z), alone.predict_proba(z), atol=1e-10)


@pytest.mark.parametrize("name", ["guided", "nearest_neighbours", "label_spreading"])
def test_the_setting_is_the_best_on_labels_that_were_hidden(name: str) -> None:
    z, truth = table("iris")
    labels, seed = few(truth, 30), 4
    chosen = methods.choose(name, z, labels, 3, PARAMETERS, seed)
    known = np.flatnonzero(labels != UNKNOWN)
    fold = methods.folds_of(labels[known], PARAMETERS.folds, seed)
    best, scored = None, []
    for setting in methods.settings_of(name, PARAMETERS):
        held_out = np.empty((len(known), 3))
        for f in range(3):
            seen = labels.copy()
            seen[known[fold == f]] = UNKNOWN
            (rule,) = methods.FITS[name](z, [seen], 3, seed, **setting)
            held_out[fold == f] = rule.predict_proba(z[known[fold == f]])
        found = classification_metrics(labels[known], held_out)
        scored.append((found["accuracy"], -found["log_loss"]))
        best = (setting, held_out) if scored[-1] == max(scored) else best
    assert best is not None and chosen.setting == best[0] and len(set(scored)) > 1
    np.testing.assert_allclose(chosen.held_out, best[1], atol=1e-10)


def test_held_out_scores_do_not_know_the_label() -> None:
    z, _ = table("iris")
    noise = np.random.default_rng(0).integers(0, 3, 150)
    chosen = methods.choose("nearest_neighbours", z, few(noise, 90), 3, PARAMETERS, 0)
    labels = few(noise, 90)
    assert (chosen.held_out.argmax(axis=1) == labels[labels != UNKNOWN]).mean() < 0.5


def test_one_label_of_a_class_takes_the_first_setting() -> None:
    z, truth = table("iris")
    labels = np.full(150, UNKNOWN)
    labels[[0, 1, 60, 61, 120]] = truth[[0, 1, 60, 61, 120]]
    chosen = methods.choose("guided", z, labels, 3, PARAMETERS, 0)
    assert chosen.held_out is None and chosen.setting == methods.settings_of("guided", PARAMETERS)[0]


def test_every_class_is_in_every_fold() -> None:
    labels = np.array([0] * 7 + [1] * 3 + [2] * 4)
    fold = methods.folds_of(labels, 5, seed=1)
    assert {(f, c) for f, c in zip(fold.tolist(), labels.tolist(), strict=True)} == {
        (f, c) for f in range(3) for c in range(3)
    }
