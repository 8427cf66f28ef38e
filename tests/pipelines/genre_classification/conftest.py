"""Settings and films for the tests of this study; a new parameter needs no change here, its value comes from conf."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pandas as pd
import pytest

from etudes.pipelines.genre_classification.linear import TfidfClassifier, train_tfidf
from etudes.pipelines.genre_classification.parameters import Parameters
from study_settings import settings_of

WORDS = (
    ("murder", "inspector", "alibi", "suspect", "corpse"),
    ("goal", "referee", "stadium", "striker", "league"),
    ("recipe", "oven", "kitchen", "pastry", "chef"),
)
FILLERS = ("the", "of", "a", "night", "city", "old", "friend", "returns", "story", "winter")

Settings = Callable[..., Any]
Films = Callable[..., pd.DataFrame]


@pytest.fixture(scope="session")
def settings() -> Settings:
    """``settings("bilstm", hidden=4, fit={"epochs": 2})``: a group of the study's `test` parameters, changed."""
    return settings_of("genre_classification", Parameters)


@pytest.fixture(scope="session")
def toy_films() -> Films:
    """``toy_films(60, seed=0, classes=3)``: labelled films of which each plot has words of its class alone."""

    def build(rows: int, seed: int, classes: int = 3) -> pd.DataFrame:
        generator = np.random.default_rng(seed)
        labels = np.arange(rows) % classes
        plots = []
        for label in labels:
            telling = generator.choice(WORDS[label], size=3)
            words = [*telling, *generator.choice(FILLERS, size=generator.integers(2, 9))]
            plots.append(" ".join(generator.permutation(words)) + ".")
        return pd.DataFrame(
            {
                "id": np.arange(1, rows + 1),
                "title": [f"Night {row}" for row in range(rows)],
                "year": pd.array(
                    [None if row % 5 == 0 else 1950 + row % 70 for row in range(rows)], dtype="Int32"
                ),
                "series": labels % 2 == 1,
                "genre": [("crime", "sport", "food")[label] for label in labels],
                "plot": plots,
                "label": labels.astype(np.int64),
            }
        )

    return build


@pytest.fixture(scope="session")
def fit_tfidf(settings: Settings) -> Callable[..., TfidfClassifier]:
    """``fit_tfidf(train, dev, balance=0.5)``: the linear classifier of three classes."""

    def build(train: pd.DataFrame, dev: pd.DataFrame, classes: int = 3, **changes: Any) -> TfidfClassifier:
        card = {"classes": ["crime", "sport", "food"][:classes]}
        return train_tfidf(train, dev, card, settings("tfidf", **changes))[0]

    return build
