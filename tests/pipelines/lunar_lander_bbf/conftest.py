"""Settings and trainings for the tests of this study; values come from conf, so a new parameter needs no change here."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import cache
from pathlib import Path
from typing import Any

import pytest

from etudes.config import EtudesConfigLoader
from etudes.datasets import RawFile
from etudes.pipelines.lunar_lander_bbf.parameters import Parameters
from etudes.rl.environments import EnvironmentSpec
from etudes.samples.environments import raw_file
from etudes.training.parameters import RunParameters

CONF = Path(__file__).parents[3] / "conf"
Settings = Callable[..., Any]


@cache
def _configured() -> dict[str, Any]:
    loader = EtudesConfigLoader(
        str(CONF), env="test", base_env="base", default_run_env="local", merge_strategy={"parameters": "soft"}
    )
    return loader["parameters"]


@pytest.fixture(scope="session")
def settings() -> Settings:
    """``settings("training", steps=500)``: a group of the study's `test` parameters, changed."""

    def build(group: str, **changes: Any) -> Any:
        values: Mapping[str, Any] = _configured()["lunar_lander_bbf"]
        return getattr(Parameters.model_validate({**values, group: {**values[group], **changes}}), group)

    return build


@pytest.fixture(scope="session")
def run_settings() -> Callable[..., RunParameters]:
    """``run_settings(seed=1)``: the shared parameters, on the CPU, changed."""

    def build(**changes: Any) -> RunParameters:
        return RunParameters.model_validate({**_configured()["run"], "device": "cpu", **changes})

    return build


def raw(spec: EnvironmentSpec) -> RawFile:
    """An environment as the raw input of the study."""
    return raw_file("environment", embedded_sample=True, **spec.as_dict())
