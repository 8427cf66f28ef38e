"""spaCy's text categoriser behind the study's interface."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pandas as pd
import pytest

from etudes.pipelines.genre_classification.spacy_textcat import SpacyClassifier
from study_settings import run_parameters

Films = Callable[..., pd.DataFrame]
Settings = Callable[..., Any]
Trained = tuple[SpacyClassifier, list[dict[str, float]]]
CARD = {"classes": ["crime", "sport", "food"]}


def train(films: pd.DataFrame, dev: pd.DataFrame, parameters: Any) -> Trained:
    """The classifier and its epochs."""
    model, history = SpacyClassifier.train(films, dev, CARD, parameters, run_parameters())
    return model, history["epochs"]


@pytest.fixture(scope="module", params=["bow", "ensemble"])
def trained(request: pytest.FixtureRequest, toy_films: Films, settings: Settings) -> Trained:
    parameters = settings(
        "spacy",
        architecture=request.param,
        length=4096,
        epochs=6,
        batch_size=8,
        learning_rate=0.02,
        patience=6,
    )
    return train(toy_films(90, seed=0), toy_films(30, seed=1), parameters)


def test_it_learns_a_toy_task(trained: Trained, toy_films: Films) -> None:
    test = toy_films(60, seed=2)
    assert (trained[0].predict_proba(test).argmax(1) == test["label"]).mean() >= 0.95
    assert trained[1][-1]["train_squared_error"] < 0.5 * trained[1][0]["train_squared_error"]


def test_the_best_epoch_is_kept(trained: Trained, toy_films: Films) -> None:
    model, history = trained
    dev = toy_films(30, seed=1)
    accuracy = (model.predict_proba(dev).argmax(1) == dev["label"]).mean()
    assert accuracy == pytest.approx(max(row["dev_accuracy"] for row in history))


def test_probabilities_sum_to_one(trained: Trained, toy_films: Films) -> None:
    probabilities = trained[0].predict_proba(toy_films(10, seed=3))
    assert probabilities.shape == (10, 3)
    assert (probabilities >= 0).all()
    np.testing.assert_allclose(probabilities.sum(1), 1, atol=1e-9)


def test_training_stops_when_patience_is_out(toy_films: Films, settings: Settings) -> None:
    parameters = settings("spacy", length=1024, epochs=60, patience=2, learning_rate=1e-9)
    _, history = train(toy_films(30, seed=0), toy_films(9, seed=1), parameters)
    best = int(np.argmax([row["dev_accuracy"] for row in history]))
    assert len(history) == best + 1 + 2 < 60
