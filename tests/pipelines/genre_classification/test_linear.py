"""TF-IDF with a linear classifier against scikit-learn called by hand; weights, temperature, shares."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pandas as pd
import pytest
from scipy.sparse import hstack
from sklearn.feature_extraction.text import TfidfVectorizer
from sklearn.linear_model import RidgeClassifier

from etudes.pipelines.genre_classification.linear import TfidfClassifier, compare_weights, form_words
from etudes.training.classification import class_weights

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
        *films,
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
    ours = fit_tfidf(train, dev, penalty=2.0, balance=0.7)
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
    model = fit_tfidf(toy_films(60, seed=0, classes=2), toy_films(20, seed=2, classes=2), classes=2)
    test = toy_films(40, seed=1, classes=2)
    assert (model.predict_proba(test).argmax(1) == test["label"]).mean() == 1.0


def test_strongest_terms_are_words_of_the_class(
    films: tuple[pd.DataFrame, pd.DataFrame], fit_tfidf: FitTfidf
) -> None:
    model = fit_tfidf(*films)
    terms = model.strongest_terms(0, 3)
    assert {term for term, _ in terms} <= {"murder", "inspector", "alibi", "suspect", "corpse"}
    assert [weight for _, weight in terms] == sorted((weight for _, weight in terms), reverse=True)


def test_class_weights_are_compared_with_none_on_the_same_rows(
    films: tuple[pd.DataFrame, pd.DataFrame], fit_tfidf: FitTfidf, settings: Callable[..., Any]
) -> None:
    train, test = films
    test = test.assign(label=test["label"].where(test.index > 3, 0))  # some that nobody gets right
    card, evaluation = {"classes": ["crime", "sport", "food"]}, settings("evaluation")
    own = fit_tfidf(train, test, balance=0.25)
    table = compare_weights(train, test, card, {"tfidf": own}, evaluation).set_index("strength")
    assert list(table.index) == [0.0, 0.25, 1.0]
    assert table.loc[0.0].filter(like="difference").eq(0).all()
    for strength in table.index:
        found = fit_tfidf(train, test, balance=strength).predict_proba(test)
        accuracy = (found.argmax(1) == test["label"]).mean()
        row = table.loc[strength]
        assert row["accuracy"] == pytest.approx(accuracy)
        assert row["accuracy_difference"] == pytest.approx(accuracy - table.loc[0.0, "accuracy"])
        assert row["macro_f1.low"] <= row["macro_f1"] <= row["macro_f1.high"]
    without = compare_weights(train, test, card, {"majority": None}, evaluation)
    assert without.empty and list(without) == ["strength", *table], "as its columns, so that a page can tell"
