"""One run of each study in ``test``, made once for all tests that read it, also of both workers of a test session."""

from __future__ import annotations

import inspect
import json
import logging
import os
import sys
import time
import traceback
from collections.abc import Collection, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any
from unittest import mock

from filelock import FileLock
from kedro.io import DataCatalog
from kedro.pipeline import Node
from subjects import Subject, subject_of

from etudes.config import EtudesConfigLoader
from etudes.settings import CONFIG_LOADER_ARGS
from etudes.training.checkpoint import Checkpoint
from etudes.training.parameters import RunParameters
from projects import make_project, quiet_environment
from study_settings import merged

NOTES = "notes.json"
FAILURE = "failure.txt"


@dataclass(frozen=True)
class Run:
    """A finished run: its outputs, and what was noted while it was made.

    ``notes`` has ``answers``, what the predictor said to its own example before it was saved; and ``checkpoints``, by
    training node a list of those that it opened: ``place`` (below the node's folder), ``key``, ``loop`` (the class that
    trains) and how often it ``saved``.
    """

    subject: Subject
    project: Path

    @cached_property
    def notes(self) -> dict[str, Any]:
        return json.loads((self.project / NOTES).read_text())

    @cached_property
    def loader(self) -> EtudesConfigLoader:
        return EtudesConfigLoader(str(self.project / "conf"), env="test", **CONFIG_LOADER_ARGS)

    @cached_property
    def catalog(self) -> DataCatalog:
        return DataCatalog.from_config(self.loader["catalog"])

    def load(self, short: str) -> Any:
        """An output by its short name."""
        return self.catalog.load(f"{self.subject.name}.{short}")

    def path(self, short: str) -> Path:
        return Path(self.catalog.get(f"{self.subject.name}.{short}")._filepath)

    def parameters(self, changes: Mapping[str, Any] | None = None) -> dict[str, Any]:
        """The inputs ``params:...`` of this study's nodes, with changes to the study's groups or to ``run``."""
        changes, values, name = changes or {}, self.loader["parameters"], self.subject.name
        root = self.subject.parameters.model_validate(merged(values[name], changes.get(name, {})))
        run = RunParameters.model_validate(merged(values["run"], changes.get("run", {})))
        groups = {f"params:{name}.{group}": getattr(root, group) for group in type(root).model_fields}
        return {**groups, "params:run": run}

    def inputs(
        self, node: Node, changes: Mapping[str, Any] | None = None, but: Collection[str] = ()
    ) -> dict[str, Any]:
        """What a node reads, as it was stored; without the datasets ``but``."""
        parameters = self.parameters(changes)
        wanted = set(node.inputs) - set(but)
        return {name: parameters[name] if name in parameters else self.catalog.load(name) for name in wanted}


def run_of(name: str, base: Path) -> Run:
    """The study's run below ``base``, which is made if it is not there.

    Raises:
        AssertionError: it failed; the message holds what it said.
    """
    subject, folder = subject_of(name), base / "studies" / name
    folder.parent.mkdir(exist_ok=True)
    with FileLock(f"{folder}.lock"):
        failure = folder / FAILURE
        if not (folder / NOTES).exists() and not failure.exists():
            try:
                _make(subject, make_project(folder))
            except Exception:
                failure.write_text(traceback.format_exc())
        assert not failure.exists(), f"{name} does not run in test:\n{failure.read_text()}"
    return Run(subject, folder)


def _make(subject: Subject, project: Path) -> None:
    """In this process: one of its own would import the libraries again, which takes as long as the run."""
    from kedro.framework.session import KedroSession
    from kedro.framework.startup import bootstrap_project

    notes: dict[str, Any] = {"answers": None, "checkpoints": {}, "seconds": -time.process_time()}
    with quiet_process(), noted(notes):
        bootstrap_project(project)
        with KedroSession.create(project, env="test") as session:
            session.run(pipeline_names=[subject.name])
    notes["seconds"] += time.process_time()
    (project / NOTES).write_text(json.dumps(notes))


@contextmanager
def quiet_process() -> Iterator[None]:
    """What a run changes in its process, put back: environment, import path, handlers of logs, requested pipelines."""
    from kedro.framework.project import pipelines

    loggers = [logging.getLogger(), logging.getLogger("etudes.traceback")]
    before = [list(logger.handlers) for logger in loggers]
    environment = mock.patch.dict(os.environ, quiet_environment(), clear=True)
    with environment, mock.patch.object(sys, "path", [*sys.path]):
        try:
            yield
        finally:
            pipelines.set_requested(None)
            for logger, handlers in zip(loggers, before, strict=True):
                logger.handlers[:] = handlers


@contextmanager
def noted(notes: dict[str, Any]) -> Iterator[None]:
    """Note what `Run.notes` says of the run inside."""
    from etudes.datasets import model as datasets

    opened: dict[int, dict[str, Any]] = {}
    save_model, open_, save = datasets.save_model, Checkpoint.__init__, Checkpoint.save

    def answered(model: Any, folder: Path) -> None:
        if folder.name == "predictor":
            notes["answers"] = answers_of(model)
        save_model(model, folder)

    def opening(self: Checkpoint, folder: Path | None, key: str, resume: bool) -> None:
        open_(self, folder, key, resume)
        if folder is not None:
            node, *place = folder.parts[folder.parts.index("checkpoints") + 1 :]
            loop = type(sys._getframe(1).f_locals.get("self")).__name__
            opened[id(self)] = {"place": "/".join(place), "key": key, "loop": loop, "saved": 0}
            notes["checkpoints"].setdefault(node, []).append(opened[id(self)])

    def saving(self: Checkpoint, state: dict[str, Any]) -> None:
        opened[id(self)]["saved"] += 1
        save(self, state)

    with (
        mock.patch.object(datasets, "save_model", answered),
        mock.patch.object(Checkpoint, "__init__", opening),
        mock.patch.object(Checkpoint, "save", saving),
    ):
        yield


def answers_of(predictor: Any) -> list[dict[str, Any]]:
    """What a predictor says to its own example, as JSON."""
    return json.loads(predictor.predict(predictor.example()).to_json(orient="records"))


def call(node: Node, inputs: Mapping[str, Any]) -> dict[str, Any]:
    """`Node.run`, which would log every exception that is meant."""
    arguments = zip(inspect.signature(node.func).parameters, node.inputs, strict=True)
    found = node.func(**{argument: inputs[dataset] for argument, dataset in arguments})
    return dict(zip(node.outputs, found, strict=True))
