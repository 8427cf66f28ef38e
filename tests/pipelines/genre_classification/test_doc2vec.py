"""Paragraph vectors: one document, one vector; and the network on top."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pandas as pd
import pytest

from etudes.pipelines.genre_classification.doc2vec import Doc2VecClassifier, ParagraphVectors
from study_settings import run_parameters

Films = Callable[..., pd.DataFrame]
Settings = Callable[..., Any]
DOCUMENTS = [
    ["murder", "alibi", "night"],
    ["goal", "league", "night"],
    ["oven", "pastry"],
    ["murder", "corpse"],
] * 5
ODD_DOCUMENTS = [["murder", "night"], [], ["never", "seen"], ["goal"]]


@pytest.fixture(scope="module")
def vectors(settings: Settings) -> ParagraphVectors:
    vectors = ParagraphVectors(6, settings("doc2vec", epochs=5, inference_epochs=5), seed=3)
    vectors.fit(DOCUMENTS, min_count=1)
    return vectors


@pytest.fixture(scope="module")
def trained(toy_films: Films, settings: Settings) -> Doc2VecClassifier:
    parameters = settings("doc2vec", min_count=1, fit={"epochs": 3})
    card = {"classes": ["crime", "sport", "food"]}
    return Doc2VecClassifier.train(
        toy_films(60, seed=0), toy_films(15, seed=1), card, parameters, run_parameters()
    )[0]


def test_the_same_document_always_gets_the_same_vector(vectors: ParagraphVectors) -> None:
    first = vectors.infer(ODD_DOCUMENTS)
    vectors.infer(DOCUMENTS)
    np.testing.assert_array_equal(vectors.infer(ODD_DOCUMENTS), first)
    np.testing.assert_array_equal(vectors.infer(ODD_DOCUMENTS[::-1]), first[::-1])
    assert first.dtype == np.float32 and first.shape == (4, 6)


def test_vectors_of_training_documents_are_inferred_as_those_of_new_ones(settings: Settings) -> None:
    vectors = ParagraphVectors(6, settings("doc2vec"), seed=3)
    np.testing.assert_array_equal(vectors.fit(DOCUMENTS, min_count=1), vectors.infer(DOCUMENTS))


def test_same_seed_same_vectors_and_another_seed_others(settings: Settings) -> None:
    first, again, other = (
        ParagraphVectors(6, settings("doc2vec"), seed=seed).fit(DOCUMENTS, min_count=1) for seed in (3, 3, 4)
    )
    np.testing.assert_array_equal(first, again)
    assert not np.allclose(first, other)


def test_inference_moves_a_vector_towards_documents_of_its_words(settings: Settings) -> None:
    parameters = settings("doc2vec", epochs=60, inference_epochs=60)
    words = [[f"{letter}{i}" for i in range(4)] for letter in "ab"]
    generator = np.random.default_rng(0)
    documents = [list(generator.choice(words[i % 2], size=12)) for i in range(60)]
    vectors = ParagraphVectors(4, parameters, seed=0).fit(documents, min_count=1)
    vectors /= np.linalg.norm(vectors, axis=1, keepdims=True)
    alike = vectors @ vectors.T
    same = np.equal.outer(np.arange(60) % 2, np.arange(60) % 2)
    assert alike[same].mean() > alike[~same].mean() + 0.5


def test_no_word_frequent_enough_is_refused(settings: Settings) -> None:
    with pytest.raises(ValueError, match=r"no word occurs 9 times; lower doc2vec\.min_count"):
        ParagraphVectors(6, settings("doc2vec"), seed=3).fit([["a", "b"]], min_count=9)


def test_stored_paragraph_vectors_infer_the_same(vectors: ParagraphVectors, settings: Settings) -> None:
    again = ParagraphVectors.from_state(vectors.state())
    np.testing.assert_array_equal(again.infer(ODD_DOCUMENTS), vectors.infer(ODD_DOCUMENTS))


def test_features_are_standardised_on_train(trained: Doc2VecClassifier, toy_films: Films) -> None:
    features = trained.features(toy_films(60, seed=0))
    assert features.shape == (60, trained.plots.size + trained.titles.size + 3)
    np.testing.assert_allclose(features.mean(0), 0, atol=1e-3)
    np.testing.assert_allclose(features.std(0), 1, atol=1e-3)


def test_an_unknown_year_is_told_apart_from_the_year_2000(
    trained: Doc2VecClassifier, toy_films: Films
) -> None:
    film = toy_films(2, seed=0).iloc[[1]]
    known = trained.features(film.assign(year=pd.array([2000], dtype="Int32")))
    unknown = trained.features(film.assign(year=pd.array([None], dtype="Int32")))
    assert np.flatnonzero((known != unknown)[0]).tolist() == [known.shape[1] - 2]
