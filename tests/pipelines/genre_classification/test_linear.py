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
from sklearn.svm import LinearSVC

from etudes.pipelines.genre_classification.films import film_texts
from etudes.pipelines.genre_classification.linear import (
    Majority,
    TfidfClassifier,
    class_weights,
    fit_temperature,
)

Films = Callable[..., pd.DataFrame]
Settings = Callable[..., Any]


@pytest.fixture(scope="module")
def films(toy_films: Films) -> tuple[pd.DataFrame, pd.DataFrame]:
    train, dev = toy_films(90, seed=0), toy_films(30, seed=1)
    return train[(train["label"] != 2) | (train["id"] < 31)].reset_index(drop=True), dev  # classes of unequal size


@pytest.mark.parametrize(("balance", "char_weight"), [(0.0, 1.0), (0.7, 0.5)])
def test_scores_equal_scikit_learn_by_hand(
    films: tuple[pd.DataFrame, pd.DataFrame], settings: Settings, balance: float, char_weight: float
) -> None:
    train, dev = films
    parameters = settings(
        "tfidf",
        word_ngrams=2,
        char_ngrams=[2, 4],
        min_documents=2,
        regularisation=0.3,
        balance=balance,
        char_weight=char_weight,
    )
    words = TfidfVectorizer(ngram_range=(1, 2), sublinear_tf=True, min_df=2, strip_accents="unicode")
    chars = TfidfVectorizer(
        analyzer="char_wb", ngram_range=(2, 4), sublinear_tf=True, min_df=2, strip_accents="unicode"
    )
    texts = film_texts(train)
    matrix = hstack([words.fit_transform(texts), char_weight * chars.fit_transform(texts)]).tocsr()
    counts = train["label"].value_counts()
    weight = {k: float(n) ** -balance for k, n in counts.items()}
    mean = sum(weight[k] * n for k, n in counts.items()) / len(train)
    svm = LinearSVC(
        C=0.3, class_weight={k: w / mean for k, w in weight.items()}, random_state=0, max_iter=5000, tol=1e-8
    )
    svm.fit(matrix, train["label"])
    texts = film_texts(dev)
    expected = svm.decision_function(hstack([words.transform(texts), char_weight * chars.transform(texts)]))

    ours = TfidfClassifier.fit(train, 3, parameters, seed=0)
    np.testing.assert_array_equal(ours.scores(dev).argmax(1), expected.argmax(1))
    # Ours stops at LinearSVC's default tolerance, 1e-4 of the optimum; the reference goes on.
    np.testing.assert_allclose(ours.scores(dev), expected, atol=2e-3)
    svm.set_params(tol=1e-4).fit(matrix.astype(np.float32), train["label"])
    expected = svm.decision_function(hstack([words.transform(texts), char_weight * chars.transform(texts)]))
    np.testing.assert_allclose(ours.scores(dev), expected, atol=1e-5)


def test_two_classes_are_told_apart(toy_films: Films, settings: Settings) -> None:
    model = TfidfClassifier.fit(toy_films(60, seed=0, classes=2), 2, settings("tfidf"), seed=0)
    test = toy_films(40, seed=1, classes=2)
    assert (model.predict_proba(test).argmax(1) == test["label"]).mean() == 1.0


def test_a_class_without_rows_is_never_the_answer(toy_films: Films, settings: Settings) -> None:
    train = toy_films(60, seed=0)
    train["label"] = train["label"].map({0: 0, 1: 2, 2: 3})
    model = TfidfClassifier.fit(train, 4, settings("tfidf"), seed=0)
    probabilities = model.predict_proba(train)
    assert probabilities.shape == (60, 4)
    assert (probabilities.argmax(1) == train["label"]).all()


def test_calibration_lowers_the_loss_and_keeps_the_answers(
    films: tuple[pd.DataFrame, pd.DataFrame], settings: Settings
) -> None:
    train, dev = films
    model = TfidfClassifier.fit(train, 3, settings("tfidf"), seed=0)
    before = model.predict_proba(dev)
    model.calibrate(dev)
    after = model.predict_proba(dev)
    rows, labels = np.arange(len(dev)), dev["label"].to_numpy()
    assert np.log(after[rows, labels]).mean() > np.log(before[rows, labels]).mean()
    np.testing.assert_array_equal(after.argmax(1), before.argmax(1))


def test_strongest_terms_are_words_of_the_class(films: tuple[pd.DataFrame, pd.DataFrame], settings: Settings) -> None:
    model = TfidfClassifier.fit(films[0], 3, settings("tfidf"), seed=0)
    terms = model.strongest_terms(0, 3)
    assert {term for term, _ in terms} <= {"murder", "inspector", "alibi", "suspect", "corpse"}
    assert [weight for _, weight in terms] == sorted((weight for _, weight in terms), reverse=True)


def test_names_are_those_of_the_columns(films: tuple[pd.DataFrame, pd.DataFrame], settings: Settings) -> None:
    model = TfidfClassifier.fit(films[0], 3, settings("tfidf"), seed=0)
    names = model.features.names()
    assert len(names) == model.weights.shape[1]
    row = model.features.transform(["murder"]).toarray()[0]
    assert {names[i] for i in np.flatnonzero(row)} >= {"murder", "|mur|", "|der|"}
    assert all(name.strip("| ") in "murder" for name in (names[i] for i in np.flatnonzero(row)))


def test_tfidf_is_the_same_after_saving(
    films: tuple[pd.DataFrame, pd.DataFrame], settings: Settings, reloaded: Callable[[Any], Any]
) -> None:
    train, dev = films
    model = TfidfClassifier.fit(train, 3, settings("tfidf"), seed=0)
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
    labels = np.array([generator.choice(4, p=np.exp(row) / np.exp(row).sum()) for row in log_softmax(scores, axis=1)])
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
