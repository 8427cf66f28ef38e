"""Settings and people for the tests of this study; a new parameter needs no change here, its value comes from conf."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping
from functools import cache
from pathlib import Path
from typing import Any

import pandas as pd
import pytest

from etudes.config import EtudesConfigLoader
from etudes.models import load_model, save_model
from etudes.pipelines.income_classification import nodes
from etudes.pipelines.income_classification.parameters import Parameters
from etudes.samples.census import raw_file
from etudes.training.parameters import RunParameters

CONF = Path(__file__).parents[3] / "conf"
Settings = Callable[..., Any]
Splits = tuple[pd.DataFrame, pd.DataFrame, pd.DataFrame, dict[str, Any]]


@cache
def _configured() -> dict[str, Any]:
    loader = EtudesConfigLoader(
        str(CONF), env="test", base_env="base", default_run_env="local", merge_strategy={"parameters": "soft"}
    )
    return loader["parameters"]


def _merged(values: Mapping[str, Any], changes: Mapping[str, Any]) -> dict[str, Any]:
    merged = dict(values)
    for name, change in changes.items():
        old = merged.get(name)
        merged[name] = (
            _merged(old, change) if isinstance(old, Mapping) and isinstance(change, Mapping) else change
        )
    return merged


@pytest.fixture(scope="session")
def settings() -> Settings:
    """``settings("logistic", epochs=2)``: a group of the study's `test` parameters, changed."""

    def build(group: str, **changes: Any) -> Any:
        study = _configured()["income_classification"]
        return getattr(Parameters.model_validate(_merged(study, {group: changes})), group)

    return build


@pytest.fixture(scope="session")
def run_settings() -> Callable[..., RunParameters]:
    """``run_settings(seed=1)``: the shared parameters, on the CPU, changed."""

    def build(**changes: Any) -> RunParameters:
        return RunParameters.model_validate({**_configured()["run"], "device": "cpu", **changes})

    return build


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
