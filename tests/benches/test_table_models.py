"""Cheap rules against those of scikit-learn, and the scale in front of them."""

from __future__ import annotations

import numpy as np
import pytest
from sklearn import datasets
from sklearn.linear_model import LogisticRegression
from sklearn.neighbors import KNeighborsClassifier
from sklearn.preprocessing import StandardScaler

from etudes.benches.table_models import Neighbours, Softmax, Standardised


def wine(classes: int = 3) -> tuple[np.ndarray, np.ndarray]:
    matrix, labels = datasets.load_wine(return_X_y=True)
    kept = labels < classes
    return StandardScaler().fit_transform(matrix[kept]), labels[kept]


@pytest.mark.parametrize("k", [1, 4])
def test_neighbours_are_those_of_scikit_learn(k: int) -> None:
    z, labels = wine()
    ours = Neighbours(z[::3], labels[::3], k, 3).predict_proba(z)
    counts = k * KNeighborsClassifier(k).fit(z[::3], labels[::3]).predict_proba(z)
    np.testing.assert_allclose(ours, (counts + 1) / (k + 3), atol=1e-12)


def test_fewer_rows_than_neighbours_are_all_asked() -> None:
    found = Neighbours(np.array([[0.0], [1.0], [2.0]]), np.array([0, 0, 1]), 9, 2).predict_proba(
        np.array([[5.0]])
    )
    np.testing.assert_allclose(found, [[3 / 5, 2 / 5]])


@pytest.mark.parametrize("classes", [2, 3])
def test_softmax_answers_as_scikit_learn(classes: int) -> None:
    z, labels = wine(classes)
    ours = Softmax.fit(z[::3], labels[::3], penalty=0.5).predict_proba(z)
    theirs = LogisticRegression(C=2.0, max_iter=1000).fit(z[::3], labels[::3]).predict_proba(z)
    np.testing.assert_allclose(ours, theirs, atol=1e-9)


def test_a_scale_is_of_each_measurement_or_of_all() -> None:
    matrix = np.random.default_rng(0).normal(size=(50, 3)) * [1, 10, 0] + 5
    each, one = Standardised.of(matrix), Standardised.of(matrix, one_unit=True)
    np.testing.assert_allclose(each.z(matrix)[:, :2].std(axis=0), 1)
    np.testing.assert_allclose(each.z(matrix)[:, 2], 0, atol=1e-12)
    z = one.z(matrix)
    assert np.square(z).mean() == pytest.approx(1)
    assert z[:, 1].std() / z[:, 0].std() == pytest.approx(matrix[:, 1].std() / matrix[:, 0].std())
