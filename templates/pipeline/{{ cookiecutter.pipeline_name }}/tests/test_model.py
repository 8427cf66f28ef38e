"""The methods against independent references, and the model that answers."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from etudes.models import load_model, save_model
from etudes.pipelines.{{ cookiecutter.pipeline_name }}.methods import (
    MostFrequent,
    NearestCentroid,
)
from etudes.pipelines.{{ cookiecutter.pipeline_name }}.model import TablePredictor
from etudes.serving.predictor import Predictor

CARD = {"variant": "nearest_centroid", "embedded_sample": True, "dev_score": 0.9}


def cloud(seed: int, rows: int = 200) -> tuple[np.ndarray, np.ndarray]:
    """Three overlapping classes of four measurements on unequal scales."""
    generator = np.random.default_rng(seed)
    target = generator.integers(0, 3, rows)
    return (generator.normal(size=(rows, 4)) + target[:, None]) * [1, 10, 0.1, 1000], target


@pytest.mark.parametrize("standardise", [True, False])
def test_nearest_centroid_answers_as_that_of_scikit_learn(standardise: bool) -> None:
    from sklearn import neighbors
    from sklearn.preprocessing import StandardScaler

    (matrix, target), (others, _) = cloud(0), cloud(1)
    ours = NearestCentroid.fit(matrix, target, 3, standardise).predict_proba(others).argmax(axis=1)
    if standardise:
        scaler = StandardScaler().fit(matrix)
        matrix, others = scaler.transform(matrix), scaler.transform(others)
    theirs = neighbors.NearestCentroid().fit(matrix, target).predict(others)
    np.testing.assert_array_equal(ours, theirs)


def test_probabilities_are_those_of_spherical_gaussians() -> None:
    from scipy.stats import multivariate_normal

    (matrix, target), (others, _) = cloud(0), cloud(1)
    model = NearestCentroid.fit(matrix, target, 3, standardise=True)
    z = (others - matrix.mean(axis=0)) / matrix.std(axis=0)
    logs = [multivariate_normal.logpdf(z, mean=centre, cov=model.variance) for centre in model.centroids]
    expected = np.exp(logs - np.logaddexp.reduce(logs, axis=0)).T
    np.testing.assert_allclose(model.predict_proba(others), expected, atol=1e-10)


def test_most_frequent_answers_the_shares() -> None:
    model = MostFrequent.fit(np.array([0, 0, 2, 0]), n_classes=3)
    assert model.predict_proba(np.zeros((2, 4))).tolist() == [[0.75, 0, 0.25]] * 2


def test_a_measurement_that_never_changes_changes_nothing() -> None:
    matrix, target = cloud(0)
    with_constant = np.column_stack([matrix, np.full(len(matrix), 7.0)])
    one, other = (NearestCentroid.fit(m, target, 3, True) for m in (matrix, with_constant))
    np.testing.assert_array_equal(
        one.predict_proba(matrix).argmax(axis=1), other.predict_proba(with_constant).argmax(axis=1)
    )


def test_shapes_that_do_not_fit_and_empty_classes_are_refused() -> None:
    matrix, target = cloud(0)
    with pytest.raises(ValueError, match=r"found \(200, 4\) and \(200, 1\)"):
        NearestCentroid.fit(matrix, target[:, None], 3, True)
    with pytest.raises(ValueError, match="class 3 of 4 has no training row"):
        NearestCentroid.fit(matrix, target, 4, True)


@pytest.fixture
def predictor() -> TablePredictor:
    matrix, target = cloud(0)
    model = NearestCentroid.fit(matrix, target, 3, True)
    return TablePredictor(model, list("abcd"), ["oak", "elm", "ash"], [0.0, 0.0, 0.0, 0.0], CARD)


def test_a_line_and_a_file_are_the_same_question(predictor: TablePredictor, tmp_path: Path) -> None:
    path = tmp_path / "rows.csv"
    path.write_text("d,c,b,a,label\n2000,0.2,20,2,?\n")
    one, other = (predictor.predict(predictor.parse(text)) for text in ("2, 20, 0.2, 2000", str(path)))
    pd.testing.assert_frame_equal(one, other)
    assert one["label"].tolist() == ["ash"] and 0.5 < one["probability"][0] < 1
    assert (
        predictor.describe(pd.DataFrame({"label": ["oak"], "probability": [0.25]}))
        == "oak (probability 25.0%)"
    )


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("1, 2", "found 2 numbers, expected 4: a, b, c, d"),
        ("1, 2, 3, far", "row 0: d is 'far', expected a finite number"),
        ("nowhere.csv", "no such file"),
    ],
)
def test_a_wrong_question_is_refused(predictor: TablePredictor, text: str, said: str) -> None:
    with pytest.raises(ValueError, match=said):
        predictor.predict(predictor.parse(text))


def test_wrong_columns_are_named(predictor: TablePredictor) -> None:
    with pytest.raises(ValueError, match=r"Columns missing: d; unknown: e\. Expected a, b, c, d"):
        predictor.predict(pd.DataFrame([[1, 2, 3, 4]], columns=list("abce")))


@pytest.mark.parametrize("name", ["most_frequent", "nearest_centroid"])
def test_a_saved_predictor_answers_the_same(name: str, tmp_path: Path) -> None:
    matrix, target = cloud(0)
    models: dict[str, Any] = {
        "most_frequent": MostFrequent.fit(target, 3),
        "nearest_centroid": NearestCentroid.fit(matrix, target, 3, True),
    }
    saved = TablePredictor(models[name], list("abcd"), ["oak", "elm", "ash"], [1.0, 2.0, 3.0, 4.0], CARD)
    save_model(saved, tmp_path / "model")
    loaded = load_model(tmp_path / "model")
    assert isinstance(loaded, Predictor) and loaded.card == CARD
    pd.testing.assert_frame_equal(loaded.predict(loaded.example()), saved.predict(saved.example()))
