"""What the checks look at: a study's graph and steps, its configuration, and one run of it that all tests share."""

from __future__ import annotations

import importlib
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any
from unittest import mock

import pytest
from kedro.io import DataCatalog
from kedro.pipeline import Node, Pipeline
from pydantic import BaseModel

from etudes.assembly import Step, assemble
from etudes.config import EtudesConfigLoader
from etudes.settings import CONFIG_LOADER_ARGS
from etudes.study import STAGES, Study, load_study, parameters_model, study_names

ROOT = Path(__file__).parents[2]
ENVIRONMENTS = ("base", "full", "test")
STUDIES = study_names()
# Studies whose nodes are not yet assembled from steps: only the older part of the contract holds them.
NOT_MOVED: tuple[str, ...] = ()
MOVED = [
    pytest.param(name, marks=pytest.mark.skip("not yet assembled from steps") if name in NOT_MOVED else ())
    for name in STUDIES
]


@dataclass(frozen=True)
class Subject:
    """A study as it is declared."""

    study: Study
    graph: Pipeline
    steps: tuple[Step, ...]
    parameters: type[BaseModel]

    @property
    def name(self) -> str:
        return self.study.name

    def nodes(self, *stages: str) -> list[Node]:
        """The nodes of these stages, in an order in which they can run."""
        return [node for node in self.graph.nodes if stage_of(node) in stages]

    def short(self, dataset: str) -> str:
        return dataset.removeprefix(f"{self.name}.")

    @property
    def raw(self) -> list[str]:
        """Names of the raw inputs: what is read and given by no node."""
        return sorted(name for name in self.graph.inputs() if not name.startswith("params:"))


@cache
def subject_of(name: str) -> Subject:
    """The study ``name``; its steps are those that its ``create_pipeline`` assembles."""
    package = importlib.import_module(f"etudes.pipelines.{name}")
    module = importlib.import_module(f"etudes.pipelines.{name}.pipeline")
    seen: list[Step] = []

    def note(name: str, parameters: type[BaseModel], steps: list[Step]) -> Pipeline:
        seen.extend(steps)
        return assemble(name, parameters, steps)

    with mock.patch.object(module, "assemble", note, create=name in NOT_MOVED):
        graph = package.create_pipeline()
    return Subject(load_study(name), graph, tuple(seen), parameters_model(name))


def stage_of(node: Node) -> str:
    stages = [tag for tag in node.tags if tag in STAGES]
    assert len(stages) == 1, f"{node.name} has the stage tags {stages}, expected exactly one"
    return stages[0]


# Configuration is read once for all studies: what one test costs does not grow with their number.
@cache
def parameters_of(environment: str) -> dict[str, Any]:
    return EtudesConfigLoader(str(ROOT / "conf"), env=environment, **CONFIG_LOADER_ARGS)["parameters"]


@cache
def catalog_of(environment: str) -> DataCatalog:
    loader = EtudesConfigLoader(str(ROOT / "conf"), env=environment, **CONFIG_LOADER_ARGS)
    return DataCatalog.from_config(loader["catalog"])
