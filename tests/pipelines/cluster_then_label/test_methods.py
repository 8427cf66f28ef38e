"""What stands beside guided k-means: label spreading against scikit-learn's, the vote by hand."""

from __future__ import annotations

import numpy as np
import pytest

from etudes.benches.few_labels import UNKNOWN
from etudes.pipelines.cluster_then_label import methods
from etudes.pipelines.cluster_then_label.clustering import Clustering
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
