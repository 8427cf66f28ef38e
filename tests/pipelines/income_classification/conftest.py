"""Settings and people for the tests of this study; a new parameter needs no change here, its value comes from conf."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pandas as pd
import pytest

from etudes.models import load_model, save_model
from etudes.pipelines.income_classification import nodes
from etudes.pipelines.income_classification.parameters import Parameters
from etudes.samples.census import raw_file
from etudes.training.parameters import RunParameters
from study_settings import run_parameters, settings_of

Settings = Callable[..., Any]
Splits = tuple[pd.DataFrame, pd.DataFrame, pd.DataFrame, dict[str, Any]]


@pytest.fixture(scope="session")
def settings() -> Settings:
    """``settings("logistic", epochs=2)``: a group of the study's `test` parameters, changed."""
    return settings_of("income_classification", Parameters)


@pytest.fixture(scope="session")
def run_settings() -> Callable[..., RunParameters]:
    """``run_settings(seed=1)``: the shared parameters, on the CPU, changed."""
    return run_parameters


@pytest.fixture(scope="session")
def splits(settings: Settings) -> Splits:
    """Train, dev and test of 2,000 + 500 made people, and the card; tests only read them."""
    raw = [raw_file(part, n_train=2000, n_test=500, seed=3) for part in ("train", "test")]
    train, test, _ = nodes.ingest(*raw)
    return nodes.split(train, test, settings("split"))


@pytest.fixture
def reloaded(tmp_path: Path) -> Callable[[Any], Any]:
    """``reloaded(model)``: the model written to a folder and read again."""

    def save_and_load(model: Any) -> Any:
        save_model(model, tmp_path / "model")
        return load_model(tmp_path / "model")

    return save_and_load


@pytest.fixture(scope="session")
def adult() -> Path:
    """The folder of UCI's files, where there is one."""
    folder = Path(os.environ.get("ETUDES_RAW", ""), "uci_adult")
    if not os.environ.get("ETUDES_RAW") or not folder.is_dir():
        pytest.skip("needs the public data: set ETUDES_RAW to a folder that holds uci_adult")
    return folder
