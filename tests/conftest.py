"""Fixtures that several test modules share."""

from __future__ import annotations

import logging
import os
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from projects import STUDY, kedro, make_project

os.environ["HF_HUB_OFFLINE"] = "1"  # read when the library is imported: no test waits for a network


@pytest.fixture(autouse=True)
def no_store_of_an_earlier_run() -> None:
    """A run in this process points MLflow at its own store, for the whole process: the next test starts without one.

    MLflow writes the address to the environment too, for child processes, and does not take it back when it is set to none.
    """
    for name in ("MLFLOW_TRACKING_URI", "MLFLOW_REGISTRY_URI"):
        os.environ.pop(name, None)
    mlflow = sys.modules.get("mlflow")
    if mlflow is not None:
        mlflow.set_tracking_uri(None)
        mlflow.set_registry_uri(None)


@pytest.fixture
def project(tmp_path: Path) -> Path:
    """A fresh project folder."""
    return make_project(tmp_path / "project")


@pytest.fixture(scope="session")
def finished_project(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A project in which the first study ran once, in ``test``. Shared: tests only read it."""
    folder = make_project(tmp_path_factory.mktemp("finished") / "project")
    done = kedro(folder, "run", "--env=test", f"--pipelines={STUDY}")
    assert done.returncode == 0, done.stdout[-3000:] + done.stderr[-3000:]
    return folder


@pytest.fixture
def predict(monkeypatch: pytest.MonkeyPatch) -> Callable[..., Result]:
    """``predict(project, STUDY, INPUT, ...)``: the command ``kedro predict``, typed in the folder ``asked`` of a project.

    It runs in this process: a process of its own would import the libraries for each question.
    """

    def run(project: Path, *arguments: str) -> Result:
        from etudes.cli import cli

        folder = project / "asked"
        folder.mkdir(exist_ok=True)
        monkeypatch.chdir(folder)
        monkeypatch.delenv("MLFLOW_TRACKING_URI", raising=False)
        monkeypatch.setattr(logging, "raiseExceptions", logging.raiseExceptions)
        loggers = [logging.getLogger(), logging.getLogger("etudes.traceback")]
        before = [list(logger.handlers) for logger in loggers]
        try:
            return CliRunner().invoke(cli, ["predict", *arguments])
        finally:
            for logger, handlers in zip(loggers, before, strict=True):
                logger.handlers[:] = handlers

    return run


@pytest.fixture(scope="session")
def raw_data() -> Path:
    """The folder of public data, where there is one."""
    folder = Path(os.environ.get("ETUDES_RAW", ""))
    if not os.environ.get("ETUDES_RAW") or not (folder / "imdb_genres").is_dir():
        pytest.skip("needs the public data: set ETUDES_RAW to a folder that holds imdb_genres")
    return folder
