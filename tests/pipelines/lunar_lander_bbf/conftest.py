"""Settings and trainings for the tests of this study; values come from conf, so a new parameter needs no change here."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from etudes.forms.raw import RawFile
from etudes.pipelines.lunar_lander_bbf.parameters import Parameters
from etudes.rl.environments import EnvironmentSpec
from etudes.samples.environments import raw_file
from etudes.training.parameters import RunParameters
from study_settings import run_parameters, settings_of

Settings = Callable[..., Any]


@pytest.fixture(scope="session")
def settings() -> Settings:
    """``settings("training", steps=500)``: a group of the study's `test` parameters, changed."""
    return settings_of("lunar_lander_bbf", Parameters)


@pytest.fixture(scope="session")
def run_settings() -> Callable[..., RunParameters]:
    """``run_settings(seed=1)``: the shared parameters, on the CPU, changed."""
    return run_parameters


def raw(spec: EnvironmentSpec) -> RawFile:
    """An environment as the raw input of the study."""
    return raw_file("environment", embedded_sample=True, **spec.as_dict())
