"""Settings and small data for the tests of this study; a new parameter needs no change here, its value comes from conf."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
import torch

from etudes.benches.characters import ingest
from etudes.examples import Examples
from etudes.forms.raw import RawFolder
from etudes.pipelines.meta_learning.characters import split
from etudes.pipelines.meta_learning.families import CPU, CharacterFamily, SinusoidFamily
from etudes.pipelines.meta_learning.learning import learn
from etudes.pipelines.meta_learning.parameters import Parameters
from etudes.samples.strokes import raw_file
from study_settings import run_parameters, settings_of

Settings = Callable[..., Any]


@pytest.fixture(scope="session")
def settings() -> Settings:
    """``settings("maml", sinusoids={"steps": 2})``: a group of the study's `test` parameters, changed."""
    return settings_of("meta_learning", Parameters)


@pytest.fixture(scope="session")
def folder() -> RawFolder:
    """Three alphabets of eight characters with eight drawings each."""
    return raw_file("characters", alphabets=3, characters=8, drawers=8, size=28, seed=7)


@pytest.fixture(scope="session")
def drawings(folder: RawFolder, settings: Settings) -> Examples:
    return ingest(folder, settings("characters"))[0]


@pytest.fixture(scope="session")
def parts(drawings: Examples, settings: Settings) -> tuple[Examples, Examples, Examples, dict[str, Any]]:
    """Train, dev, test and the card of the split."""
    return split(drawings, settings("split"), settings("sinusoids"), settings("characters"), run_parameters())


@pytest.fixture(scope="session")
def trained(parts: Any, settings: Settings) -> Callable[..., Any]:
    """``trained("anil", rule="maml", adapts="output.")``: starts and history; ``characters`` replaces that group."""

    def train(name: str, characters: Any = None, **how: Any) -> Any:
        once = {} if name == "random" else {"steps": 1}
        part = settings(name, sinusoids=once, characters=once)
        groups = settings("sinusoids"), characters or settings("characters"), part
        return learn(*parts[:2], *groups, run_parameters(), **how)

    return train


@pytest.fixture(scope="session")
def random_starts(trained: Any) -> Any:
    return trained("random")


@pytest.fixture
def sinusoids(settings: Settings) -> SinusoidFamily:
    torch.manual_seed(0)
    return SinusoidFamily(settings("sinusoids", hidden=[40, 40], dev_tasks=100), CPU)


@pytest.fixture
def characters(settings: Settings, parts: Any) -> CharacterFamily:
    torch.manual_seed(0)
    return CharacterFamily(settings("characters"), parts[0], parts[1], CPU)
