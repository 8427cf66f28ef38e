"""Fixtures that several test modules share."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from projects import STUDY, kedro, make_project


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


@pytest.fixture(scope="session")
def raw_data() -> Path:
    """The folder of public data, where there is one."""
    folder = Path(os.environ.get("ETUDES_RAW", ""))
    if not os.environ.get("ETUDES_RAW") or not (folder / "imdb_genres").is_dir():
        pytest.skip("needs the public data: set ETUDES_RAW to a folder that holds imdb_genres")
    return folder
