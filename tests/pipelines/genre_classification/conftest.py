"""Settings and films for the tests of this study; a new parameter needs no change here, its value comes from conf."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pandas as pd
import pytest

from etudes.pipelines.genre_classification.linear import TfidfClassifier, train_tfidf
from etudes.pipelines.genre_classification.parameters import Parameters
from study_settings import settings_of
from toy_films import toy_films

Settings = Callable[..., Any]
Films = Callable[..., pd.DataFrame]


@pytest.fixture(scope="session")
def settings() -> Settings:
    """``settings("bilstm", hidden=4, fit={"epochs": 2})``: a group of the study's `test` parameters, changed."""
    return settings_of("genre_classification", Parameters)


@pytest.fixture(scope="session", name="toy_films")
def _toy_films() -> Films:
    """``toy_films(60, seed=0, classes=3)``: labelled films of which each plot has words of its class alone."""
    return toy_films


@pytest.fixture(scope="session")
def fit_tfidf(settings: Settings) -> Callable[..., TfidfClassifier]:
    """``fit_tfidf(train, dev, balance=0.5)``: the linear classifier of three classes."""

    def build(train: pd.DataFrame, dev: pd.DataFrame, classes: int = 3, **changes: Any) -> TfidfClassifier:
        card = {"classes": ["crime", "sport", "food"][:classes]}
        return train_tfidf(train, dev, card, settings("tfidf", **changes))[0]

    return build
