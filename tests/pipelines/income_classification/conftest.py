"""Settings and people for the tests of this study; a new parameter needs no change here, its value comes from conf."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pandas as pd
import pytest

from etudes.pipelines.income_classification import people
from etudes.pipelines.income_classification.parameters import Parameters
from etudes.samples.census import raw_file
from study_settings import settings_of

Settings = Callable[..., Any]
Splits = tuple[pd.DataFrame, pd.DataFrame, pd.DataFrame, dict[str, Any]]


@pytest.fixture(scope="session")
def settings() -> Settings:
    """``settings("logistic", epochs=2)``: a group of the study's `test` parameters, changed."""
    return settings_of("income_classification", Parameters)


@pytest.fixture(scope="session")
def splits(settings: Settings) -> Splits:
    """Train, dev and test of 2,000 + 500 made people, and the card; tests only read them."""
    raw = [raw_file(part, n_train=2000, n_test=500, seed=3) for part in ("train", "test")]
    train, test, _ = people.ingest(*raw)
    return people.split(train, test, settings("split"))


@pytest.fixture(scope="session")
def adult() -> Path:
    """The folder of UCI's files, where there is one."""
    folder = Path(os.environ.get("ETUDES_RAW", ""), "uci_adult")
    if not os.environ.get("ETUDES_RAW") or not folder.is_dir():
        pytest.skip("needs the public data: set ETUDES_RAW to a folder that holds uci_adult")
    return folder
