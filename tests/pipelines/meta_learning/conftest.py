"""Settings and small data for the tests of this study; a new parameter needs no change here, its value comes from conf."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import cache
from pathlib import Path
from typing import Any

import pytest

from etudes.config import EtudesConfigLoader
from etudes.datasets import RawFolder
from etudes.examples import Examples
from etudes.pipelines.meta_learning.characters import read_characters
from etudes.pipelines.meta_learning.nodes import split
from etudes.pipelines.meta_learning.parameters import Parameters
from etudes.samples.strokes import raw_file
from etudes.training.parameters import RunParameters

CONF = Path(__file__).parents[3] / "conf"

Settings = Callable[..., Any]


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
    """``settings("maml", sinusoids={"steps": 2})``: a group of the study's `test` parameters, changed."""

    def build(group: str, **changes: Any) -> Any:
        study = _configured()["meta_learning"]
        return getattr(Parameters.model_validate(_merged(study, {group: changes})), group)

    return build


@pytest.fixture(scope="session")
def run_settings() -> Callable[..., RunParameters]:
    """``run_settings(seed=1)``: the shared parameters, on the CPU, changed."""

    def build(**changes: Any) -> RunParameters:
        return RunParameters.model_validate({**_configured()["run"], "device": "cpu", **changes})

    return build


@pytest.fixture(scope="session")
def folder() -> RawFolder:
    """Three alphabets of five characters with eight drawings each."""
    return raw_file("characters", alphabets=3, characters=5, drawers=8, size=28, seed=7)


@pytest.fixture(scope="session")
def drawings(folder: RawFolder) -> Examples:
    return read_characters(folder, 28)[0]


@pytest.fixture(scope="session")
def parts(drawings: Examples, settings: Settings) -> tuple[Examples, Examples, Examples, dict[str, Any]]:
    """Train, dev, test and the card of the split."""
    return split(drawings, settings("split"), settings("sinusoids"), settings("characters"))
