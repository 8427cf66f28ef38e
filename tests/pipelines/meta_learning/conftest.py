"""Settings and small data for the tests of this study; a new parameter needs no change here, its value comes from conf."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from etudes.examples import Examples
from etudes.forms.raw import RawFolder
from etudes.pipelines.meta_learning.characters import read_characters
from etudes.pipelines.meta_learning.nodes import split
from etudes.pipelines.meta_learning.parameters import Parameters
from etudes.samples.strokes import raw_file
from etudes.training.parameters import RunParameters
from study_settings import run_parameters, settings_of

Settings = Callable[..., Any]


@pytest.fixture(scope="session")
def settings() -> Settings:
    """``settings("maml", sinusoids={"steps": 2})``: a group of the study's `test` parameters, changed."""
    return settings_of("meta_learning", Parameters)


@pytest.fixture(scope="session")
def run_settings() -> Callable[..., RunParameters]:
    """``run_settings(seed=1)``: the shared parameters, on the CPU, changed."""
    return run_parameters


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
    return split(drawings, settings("split"), settings("sinusoids"), settings("characters"), run_parameters())
