"""Where things lie, wherever the command runs and its configuration comes from."""

from __future__ import annotations

import shutil
import tarfile
from pathlib import Path

import pytest
from benchmarks.trivial import STUDY as TRIVIAL
from benchmarks.trivial import make_trivial_project

from etudes.config import project_folder
from projects import kedro


def test_the_project_is_where_its_configuration_lies(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    project, elsewhere = tmp_path / "project", tmp_path / "elsewhere"
    for folder in (project / "conf", project / "notebooks", elsewhere / "conf"):
        folder.mkdir(parents=True)
    (project / "pyproject.toml").write_text("[tool.kedro]\n")
    monkeypatch.chdir(elsewhere)
    assert project_folder(project / "conf") == project
    monkeypatch.chdir(project / "notebooks")
    assert project_folder(elsewhere / "conf") == project
    assert project_folder(elsewhere / "conf.tar.gz") == project


@pytest.mark.slow
@pytest.mark.parametrize("form", ["folder", "archive", "folder of another project"])
def test_a_configuration_from_elsewhere_moves_nothing(tmp_path: Path, form: str) -> None:
    project, elsewhere = make_trivial_project(tmp_path / "project"), tmp_path / "elsewhere"
    elsewhere.mkdir()
    source = elsewhere / "conf"
    shutil.copytree(project / "conf", source)
    if form == "archive":
        with tarfile.open(elsewhere / "conf.tar.gz", "w:gz") as archive:
            archive.add(source, "conf")
        shutil.rmtree(source)
        source = elsewhere / "conf.tar.gz"
    elif form == "folder of another project":
        shutil.copy(project / "pyproject.toml", elsewhere)
    before = sorted(elsewhere.iterdir())
    done = kedro(project, "run", "--env=test", f"--pipelines={TRIVIAL}", f"--conf-source={source}")
    assert done.returncode == 0, done.stdout[-3000:] + done.stderr[-3000:]
    assert sorted(elsewhere.iterdir()) == before
    assert (project / "data" / "08_reporting" / "test" / TRIVIAL / "report.html").exists()
    assert (project / "mlflow.db").exists() and (project / "mlartifacts").is_dir()
