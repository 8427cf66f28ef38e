"""TF-IDF with a linear classifier against scikit-learn called by hand; weights, temperature, shares."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pandas as pd
import pytest
from scipy.sparse import hstack
from scipy.special import log_softmax
from sklearn.feature_extraction.text import TfidfVectorizer
from sklearn.linear_model import RidgeClassifier

from etudes.pipelines.genre_classification.linear import (
    Majority,
    TfidfClassifier,
    class_weights,
    fit_temperature,
    form_words,
)

Films = Callable[..., pd.DataFrame]
FitTfidf = Callable[..., TfidfClassifier]


@pytest.fixture(scope="module")
def films(toy_films: Films) -> tuple[pd.DataFrame, pd.DataFrame]:
    train, dev = toy_films(90, seed=0), toy_films(30, seed=1)
    unequal = train[(train["label"] != 2) | (train["id"] < 31)]
    return unequal.reset_index(drop=True), dev


@pytest.mark.parametrize(("balance", "form_weight"), [(0.0, 1.0), (0.7, 0.3)])
def test_scores_equal_scikit_learn_by_hand(
    films: tuple[pd.DataFrame, pd.DataFrame], fit_tfidf: FitTfidf, balance: float, form_weight: float
) -> None:
    train, dev = films
    shared: dict[str, Any] = {
        "sublinear_tf": True,
        "min_df": 2,
        "strip_accents": "unicode",
        "dtype": np.float32,
    }
    words = TfidfVectorizer(ngram_range=(1, 2), stop_words="english", **shared)
    chars = TfidfVectorizer(analyzer="char_wb", ngram_range=(2, 4), **shared)
    form = TfidfVectorizer(analyzer=str.split, use_idf=False, dtype=np.float32)

    def features(frame: pd.DataFrame, how: str) -> Any:
        texts = (frame["title"] + " " + frame["plot"]).tolist()
        blocks = [getattr(words, how)(texts), getattr(chars, how)(texts)]
        return hstack(
            [*blocks, np.float32(form_weight) * getattr(form, how)(form_words(frame))], format="csr"
        )

    counts = train["label"].value_counts()
    weight = {k: float(n) ** -balance for k, n in counts.items()}
    mean = sum(weight[k] * n for k, n in counts.items()) / len(train)
    ridge = RidgeClassifier(alpha=2.0, class_weight={k: w / mean for k, w in weight.items()})
    ridge.fit(features(train, "fit_transform"), train["label"])
    ours = fit_tfidf(
        train,
        3,
        word_ngrams=2,
        char_ngrams=[2, 4],
        min_documents=2,
        form_weight=form_weight,
        penalty=2.0,
        balance=balance,
    )
    np.testing.assert_allclose(
        ours.scores(dev), ridge.decision_function(features(dev, "transform")), atol=1e-5
    )


def test_scores_equal_weighted_ridge_regression_in_closed_form(
    films: tuple[pd.DataFrame, pd.DataFrame], fit_tfidf: FitTfidf
) -> None:
    train, dev = films
    ours = fit_tfidf(train, 3, penalty=2.0, balance=0.7)
    x, labels = ours.features.transform(train).toarray().astype(float), train["label"].to_numpy()
    weights = class_weights(labels, 3, 0.7)[labels]
    targets = np.where(labels[:, None] == np.arange(3), 1.0, -1.0)
    x_mean, target_mean = (np.average(a, axis=0, weights=weights) for a in (x, targets))
    centred, residual = x - x_mean, targets - target_mean
    kernel = centred @ centred.T  # w = X' (X X' + penalty W^-1)^-1 y, for there are more terms than films
    dual = np.linalg.solve(kernel + 2.0 * np.diag(1 / weights), residual)
    expected = (ours.features.transform(dev).toarray() - x_mean) @ centred.T @ dual + target_mean
    np.testing.assert_allclose(ours.scores(dev), expected, atol=2e-3)  # scikit-learn iterates to 1e-4


def test_form_and_decade_as_words() -> None:
    frame = pd.DataFrame({"year": pd.array([1987, None], dtype="Int32"), "series": [True, False]})
    assert form_words(frame) == ["series 1980s series_1980s", "film undated film_undated"]


def test_two_classes_are_told_apart(toy_films: Films, fit_tfidf: FitTfidf) -> None:
    model = fit_tfidf(toy_films(60, seed=0, classes=2), 2)
    test = toy_films(40, seed=1, classes=2)
    assert (model.predict_proba(test).argmax(1) == test["label"]).mean() == 1.0


def test_calibration_lowers_the_loss_and_keeps_the_answers(
    films: tuple[pd.DataFrame, pd.DataFrame], fit_tfidf: FitTfidf
) -> None:
    train, dev = films
    model = fit_tfidf(train, 3)
    before = model.predict_proba(dev)
    model.calibrate(dev)
    after = model.predict_proba(dev)
    rows, labels = np.arange(len(dev)), dev["label"].to_numpy()
    assert np.log(after[rows, labels]).mean() > np.log(before[rows, labels]).mean()
    np.testing.assert_array_equal(after.argmax(1), before.argmax(1))


def test_strongest_terms_are_words_of_the_class(
    films: tuple[pd.DataFrame, pd.DataFrame], fit_tfidf: FitTfidf
) -> None:
    model = fit_tfidf(films[0], 3)
    terms = model.strongest_terms(0, 3)
    assert {term for term, _ in terms} <= {"murder", "inspector", "alibi", "suspect", "corpse"}
    assert [weight for _, weight in terms] == sorted((weight for _, weight in terms), reverse=True)


def test_tfidf_is_the_same_after_saving(
    films: tuple[pd.DataFrame, pd.DataFrame], fit_tfidf: FitTfidf, reloaded: Callable[[Any], Any]
) -> None:
    train, dev = films
    model = fit_tfidf(train, 3)
    model.calibrate(dev)
    again = reloaded(model)
    np.testing.assert_array_equal(again.predict_proba(dev), model.predict_proba(dev))
    assert again.strongest_terms(1, 5) == model.strongest_terms(1, 5)


@pytest.mark.parametrize(
    ("labels", "balance", "expected"),
    [
        ([0, 0, 0, 0, 1], 0.0, [1, 1]),
        ([0, 0, 0, 0, 1], 1.0, [0.625, 2.5]),
        ([0, 0, 0, 0, 1], 0.5, [5 / 6, 5 / 3]),
        ([0, 0, 2], 1.0, [0.75, 0, 1.5]),
        ([0, 0, 2], 0.0, [1, 0, 1]),
    ],
)
def test_class_weights_by_hand(labels: list[int], balance: float, expected: list[float]) -> None:
    weights = class_weights(np.array(labels), len(expected), balance)
    np.testing.assert_allclose(weights, expected)


@pytest.mark.parametrize("balance", [0.0, 0.3, 0.7, 1.0])
def test_class_weights_have_mean_one_over_examples(balance: float) -> None:
    labels = np.random.default_rng(0).choice(5, p=[0.6, 0.2, 0.1, 0.07, 0.03], size=500)
    assert class_weights(labels, 6, balance)[labels].mean() == pytest.approx(1.0)


@pytest.mark.parametrize("scale", [0.05, 1.0, 20.0])
def test_temperature_equals_a_grid_search(scale: float) -> None:
    generator = np.random.default_rng(1)
    scores = generator.normal(size=(400, 4))
    labels = np.array(
        [generator.choice(4, p=np.exp(row) / np.exp(row).sum()) for row in log_softmax(scores, axis=1)]
    )
    grid = np.exp(np.linspace(-5, 5, 2001))
    losses = [-log_softmax(scale * scores / t, axis=1)[np.arange(400), labels].mean() for t in grid]
    found = fit_temperature(scale * scores, labels)
    assert found == pytest.approx(grid[int(np.argmin(losses))], rel=0.01)
    assert found == pytest.approx(scale, rel=0.2)


def test_majority_answers_the_shares_of_train(toy_films: Films, reloaded: Callable[[Any], Any]) -> None:
    model = Majority.fit(np.array([2, 0, 2, 2]), 4)
    probabilities = model.predict_proba(toy_films(5, seed=0))
    np.testing.assert_allclose(probabilities, [[0.25, 0, 0.75, 0]] * 5)
    np.testing.assert_array_equal(reloaded(model).predict_proba(toy_films(5, seed=0)), probabilities)
