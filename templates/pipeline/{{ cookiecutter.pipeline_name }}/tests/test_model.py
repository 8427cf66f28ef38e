"""The method against scikit-learn's and against the Gaussians that it is Bayes' rule of."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from etudes.pipelines.{{ cookiecutter.pipeline_name }}.model import NearestCentroid


def cloud(seed: int, rows: int = 200) -> tuple[np.ndarray, np.ndarray]:
    """Three overlapping classes of four measurements on unequal scales."""
    generator = np.random.default_rng(seed)
    labels = generator.integers(0, 3, rows)
    return (generator.normal(size=(rows, 4)) + labels[:, None]) * [1, 10, 0.1, 1000], labels


@pytest.mark.parametrize("standardise", [True, False])
def test_the_nearest_centroid_is_that_of_scikit_learn(standardise: bool) -> None:
    from sklearn import neighbors

    (matrix, labels), (others, _) = cloud(0), cloud(1)
    ours = NearestCentroid.fit(matrix, labels, 3, standardise).predict_proba(pd.DataFrame(others)).argmax(1)
    scale = matrix.std(axis=0) if standardise else 1.0
    theirs = neighbors.NearestCentroid().fit(matrix / scale, labels).predict(others / scale)
    np.testing.assert_array_equal(ours, theirs)


def test_probabilities_are_those_of_spherical_gaussians() -> None:
    from scipy.stats import multivariate_normal

    (matrix, labels), (others, _) = cloud(0), cloud(1)
    model = NearestCentroid.fit(matrix, labels, 3, standardise=True)
    z = (others - matrix.mean(axis=0)) / matrix.std(axis=0)
    logs = [multivariate_normal.logpdf(z, mean=centre, cov=model.variance) for centre in model.centroids]
    expected = np.exp(logs - np.logaddexp.reduce(logs, axis=0)).T
    np.testing.assert_allclose(model.predict_proba(pd.DataFrame(others)), expected, atol=1e-10)
