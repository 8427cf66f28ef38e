"""Paragraph vectors: one document, one vector; and the network on top."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import torch

from etudes.models import save_model
from etudes.pipelines.genre_classification.doc2vec import (
    Doc2VecClassifier,
    ParagraphVectors,
    VectorProblem,
    build_network,
)

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
def trained(toy_films: Films, settings: Settings, run_settings: Settings) -> Doc2VecClassifier:
    parameters = settings("doc2vec", min_count=1, fit={"epochs": 3})
    model, _ = Doc2VecClassifier.fit(
        toy_films(60, seed=0), toy_films(15, seed=1), 3, parameters, run_settings()
    )
    return model


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
    again = ParagraphVectors.from_state(vectors.state(), vectors.parameters)
    np.testing.assert_array_equal(again.infer(ODD_DOCUMENTS), vectors.infer(ODD_DOCUMENTS))


def test_probabilities_are_the_same_after_saving(
    trained: Doc2VecClassifier, toy_films: Films, reloaded: Callable[[Any], Any]
) -> None:
    films = toy_films(20, seed=2)
    probabilities = trained.predict_proba(films)
    np.testing.assert_array_equal(reloaded(trained).predict_proba(films), probabilities)
    np.testing.assert_allclose(probabilities.sum(1), 1, atol=1e-9)


@pytest.mark.slow
def test_probabilities_are_the_same_in_another_process(
    trained: Doc2VecClassifier, toy_films: Films, tmp_path: Path
) -> None:
    films = toy_films(10, seed=2).assign(title="")
    save_model(trained, tmp_path / "model")
    films.to_parquet(tmp_path / "films.parquet")
    code = (
        "import json, pandas as pd; from pathlib import Path; from etudes.models import load_model\n"
        "model = load_model(Path('model'))\n"
        "print(json.dumps(model.predict_proba(pd.read_parquet('films.parquet')).tolist()))"
    )
    done = subprocess.run(
        [sys.executable, "-c", code],
        cwd=tmp_path,
        env={**os.environ, "PYTHONHASHSEED": "12345", "HF_HUB_OFFLINE": "1"},
        capture_output=True,
        text=True,
        check=True,
    )
    there = np.array(json.loads(done.stdout.splitlines()[-1]))
    np.testing.assert_allclose(there, trained.predict_proba(films), atol=1e-9)


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


def test_shapes_of_a_vector_problem() -> None:
    generator = np.random.default_rng(0)
    problem = VectorProblem(
        build_network(4, 3, 5, 0.0),
        generator.normal(size=(10, 4)).astype(np.float32),
        np.arange(10) % 3,
        generator.normal(size=(6, 4)).astype(np.float32),
        np.arange(6) % 3,
        batch_size=4,
    )
    batches = problem.batches(np.random.default_rng(0))
    assert sorted(np.concatenate(batches).tolist()) == list(range(10))
    batch = problem.collate(batches[0], torch.device("cpu"))
    np.testing.assert_array_equal(batch[0], problem.train[batches[0]])
    np.testing.assert_array_equal(batch[1], problem.train_labels[batches[0]])
    losses, weights = problem.loss(problem.model, batch)
    assert losses.shape == weights.shape == (4,)
    assert 0 <= problem.evaluate(problem.model, torch.device("cpu"))["accuracy"] <= 1


def test_a_vector_problem_with_other_numbers_of_labels_is_refused() -> None:
    vectors, labels = np.zeros((4, 2), dtype=np.float32), np.zeros(4, dtype=np.int64)
    for train_labels, dev_labels in ((labels[:3], labels), (labels, np.zeros(5, dtype=np.int64))):
        with pytest.raises(ValueError, match="labels; expected one label each"):
            VectorProblem(
                build_network(2, 2, 2, 0.0), vectors, train_labels, vectors, dev_labels, batch_size=2
            )
