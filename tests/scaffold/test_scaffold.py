"""`kedro pipeline create` and `delete`: a study comes and goes whole, and what cannot be is refused."""

from __future__ import annotations

import shutil
from pathlib import Path

import click
import pytest
from click.testing import CliRunner

from etudes.scaffold import create_study, delete_study, next_steps, study_paths
from projects import ROOT

PLAIN = "my_study"


def files_of(project: Path) -> dict[str, bytes]:
    """Every file of the project, by its path."""
    return {
        str(path.relative_to(project)): path.read_bytes() for path in project.rglob("*") if path.is_file()
    }


@pytest.fixture
def small(tmp_path: Path) -> Path:
    """The folders that a study's files go to, with one study in them, and the template."""
    for folder in ("conf/base", "conf/full", "conf/test", "src/etudes/pipelines/taken", "tests/pipelines"):
        (tmp_path / "project" / folder).mkdir(parents=True)
    (tmp_path / "project" / "src" / "etudes" / "pipelines" / "taken" / "study.toml").touch()
    (tmp_path / "project" / "tests" / "toys.py").touch()
    shutil.copytree(ROOT / "templates", tmp_path / "project" / "templates")
    return tmp_path / "project"


@pytest.mark.parametrize(
    ("name", "said"),
    [
        ("WineGrowers", "'WineGrowers' is no name for a study.*did you mean 'wine_growers'"),
        ("wine-growers", "did you mean 'wine_growers'"),
        ("2wines", "beginning with a letter; did you mean 'wines'"),
        ("wine__growers", "single underscores"),
        ("w", "at least 2 characters"),
        ("../wines", "lower-case letters"),
        ("w" * 41, "has 41 characters; expected at most 40"),
        ("run", "'run' is a reserved name; choose another, such as 'run_study'"),
        ("numpy", "the name of a Python module"),
        ("lambda", "Python module or keyword"),
        ("toys", "the name of a Python module"),
        ("taken", "There is a study 'taken' already, in .*kedro pipeline delete taken"),
    ],
)
def test_a_name_that_cannot_be_is_refused_and_nothing_is_written(small: Path, name: str, said: str) -> None:
    before = files_of(small)
    with pytest.raises(click.UsageError, match=said):
        create_study(small, name)
    assert files_of(small) == before


def test_create_and_delete_leave_the_project_as_it_was(small: Path) -> None:
    before, folders = files_of(small), {path for path in small.rglob("*") if path.is_dir()}
    written = create_study(small, PLAIN)
    assert sorted(written) == sorted(study_paths(small, PLAIN))
    kinds = {
        f"conf/{env}/{kind}/{PLAIN}.yml"
        for env in ("base", "full", "test")
        for kind in ("catalog", "parameters")
    }
    assert {path for path in files_of(small) if path.startswith("conf/")} == kinds
    said = next_steps(small, PLAIN, written)
    assert f"kedro run --pipelines={PLAIN}" in said and all(
        str(p.relative_to(small)) in said for p in written
    )
    delete_study(small, study_paths(small, PLAIN))
    assert files_of(small) == before
    kept = {
        small / "conf" / env / kind for env in ("base", "full", "test") for kind in ("catalog", "parameters")
    }
    assert {path for path in small.rglob("*") if path.is_dir()} == folders | kept


def test_nothing_is_left_if_a_file_cannot_be_put_in_its_place(
    small: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    before, rename = files_of(small), Path.rename

    def full_disk(path: Path, target: Path) -> Path:
        if target == small / "src" / "etudes" / "pipelines" / PLAIN:
            raise OSError(28, "No space left on device", str(target))
        return rename(path, target)

    monkeypatch.setattr(Path, "rename", full_disk)
    with pytest.raises(OSError, match="No space left"):
        create_study(small, PLAIN)
    assert files_of(small) == before and not list((small / "conf").glob("*/*"))


def test_a_delete_that_fails_removes_nothing(small: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    create_study(small, PLAIN)
    before, rename = files_of(small), Path.rename

    def refuse(path: Path, target: Path) -> Path:
        if path.name == f"{PLAIN}.yml" and "full" in path.parts:
            raise PermissionError(13, "Permission denied", str(path))
        return rename(path, target)

    monkeypatch.setattr(Path, "rename", refuse)
    with pytest.raises(PermissionError):
        delete_study(small, study_paths(small, PLAIN))
    assert files_of(small) == before


def test_a_file_of_that_name_is_never_overwritten(small: Path) -> None:
    (small / "conf" / "full" / "parameters").mkdir()
    (small / "conf" / "full" / "parameters" / f"{PLAIN}.yml").write_text("mine: 1\n")
    before = files_of(small)
    with pytest.raises(click.UsageError, match=rf"there already: .*{PLAIN}\.yml\. Nothing was written"):
        create_study(small, PLAIN)
    assert files_of(small) == before


@pytest.mark.parametrize(
    ("files", "said"),
    [
        ({}, r"cookiecutter\.json: no such file"),
        ({"cookiecutter.json": "{"}, "the template cannot be used: JSON"),
        (
            {
                "cookiecutter.json": "{}",
                "{{ cookiecutter.pipeline_name }}/nodes.py": "{{ cookiecutter.nothing }}",
            },
            "the template cannot be used",
        ),
        (
            {"cookiecutter.json": "{}", "{{ cookiecutter.pipeline_name }}/nodes.py": "{% if %}"},
            "the template cannot be used",
        ),
        (
            {"cookiecutter.json": '{"x": "y"}', "{{ cookiecutter.x }}/nodes.py": ""},
            "it makes the folder 'y', expected 'my_study'",
        ),
    ],
)
def test_a_wrong_template_is_refused_and_nothing_is_written(
    small: Path, tmp_path: Path, files: dict[str, str], said: str
) -> None:
    template = tmp_path / "template"
    template.mkdir()
    for name, text in files.items():
        (template / name).parent.mkdir(exist_ok=True)
        (template / name).write_text(text)
    before = files_of(small)
    with pytest.raises(ValueError, match=said):
        create_study(small, PLAIN, template)
    assert files_of(small) == before


def test_kedros_own_template_and_flags_work(small: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    import kedro as package

    from etudes.cli import cli

    monkeypatch.setattr("etudes.cli.project_path", lambda: small)

    def call(*arguments: str) -> str:
        done = CliRunner().invoke(cli, ["pipeline", *arguments])
        assert done.exit_code == 0, done.output
        return done.output

    kedros = Path(package.__file__).parent / "templates" / "pipeline"
    call("create", "plain", f"--template={kedros}", "--env=test")
    assert (small / "conf" / "test" / "parameters_plain.yml").exists()
    assert (small / "tests" / "pipelines" / "plain" / "test_pipeline.py").exists()
    call("create", "bare", "--skip-config")
    call("create", "small_one", "-e", "test")
    assert [path.name for path in (small / "conf" / "test").rglob("*.yml") if "bare" in path.name] == []
    assert {path.parts[-3] for path in small.glob("conf/*/*/small_one.yml")} == {"test"}
    shown = CliRunner().invoke(cli, ["pipeline", "delete", "small_one"], input="n\n").output
    assert "conf/test/catalog/small_one.yml" in shown and "Nothing was removed" in shown
    assert study_paths(small, "small_one")
    call("delete", "small_one", "-y")
    for arguments, said in (
        (["delete", "small_one", "-y"], "There is no study 'small_one'"),
        (["create", "another", "--env=nowhere"], "There is no environment 'nowhere'"),
        (["create", "BadName"], "did you mean 'bad_name'"),
    ):
        refused = CliRunner().invoke(cli, ["pipeline", *arguments])
        assert refused.exit_code == 2 and said in refused.output and "Traceback" not in refused.output
