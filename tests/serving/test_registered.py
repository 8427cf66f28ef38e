"""The registry's file read without MLflow tells what MLflow tells."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from pathlib import Path

import pytest
from mlflow.tracking import MlflowClient

from etudes.serving.registered import CHAMPION, NotRegisteredError, find_in_file

NAME = "some_study-sample"


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory) -> tuple[str, list[Path]]:
    """A store with three versions of a model, the second the champion, the third deleted; their folders."""
    folder = tmp_path_factory.mktemp("a store")  # with a space, which an address writes otherwise
    uri = f"sqlite:///{folder / 'mlflow.db'}"
    client = MlflowClient(uri)
    experiment = client.create_experiment("some_study", (folder / "mlartifacts").as_uri())
    client.create_registered_model(NAME)
    folders = []
    for environment in ("base", "test", "base"):
        run = client.create_run(experiment, tags={"etudes.environment": environment})
        client.log_text(run.info.run_id, "weights", "model/artifacts/predictor/model.json")
        version = client.create_model_version(NAME, f"runs:/{run.info.run_id}/model", run.info.run_id)
        folders.append(folder / "mlartifacts" / run.info.run_id / "artifacts" / "model")
        client.set_registered_model_alias(NAME, CHAMPION, "2" if version.version == 3 else version.version)
    client.delete_model_version(NAME, "3")
    return uri, folders


def test_the_champion_and_versions_are_found_with_their_files_and_environments(
    store: tuple[str, list[Path]],
) -> None:
    uri, folders = store
    assert all((folder / "artifacts" / "predictor" / "model.json").exists() for folder in folders)
    assert find_in_file(uri, NAME, None) == ("2", folders[1], "test")
    assert find_in_file(uri, NAME, "1") == ("1", folders[0], "base")


@pytest.mark.parametrize(("name", "version"), [(NAME, "3"), (NAME, "99"), (NAME, "one"), ("other", None)])
def test_what_is_not_there_or_deleted_is_not_found(
    store: tuple[str, list[Path]], name: str, version: str | None
) -> None:
    with pytest.raises(NotRegisteredError):
        find_in_file(store[0], name, version)


def test_no_store_is_made_to_look_in(tmp_path: Path) -> None:
    with pytest.raises(NotRegisteredError):
        find_in_file(f"sqlite:///{tmp_path / 'mlflow.db'}", NAME, None)
    assert not list(tmp_path.iterdir())


def test_mlflow_is_asked_where_the_file_does_not_tell(
    tmp_path: Path, store: tuple[str, list[Path]], monkeypatch: pytest.MonkeyPatch
) -> None:
    assert find_in_file("http://127.0.0.1:5000", NAME, None) is None
    (tmp_path / "text.db").write_text("this is no database, whatever its name says")
    assert find_in_file(f"sqlite:///{tmp_path / 'text.db'}", NAME, None) is None
    with closing(sqlite3.connect(tmp_path / "other.db")) as database:
        database.execute("create table model_versions (name text)")
    assert find_in_file(f"sqlite:///{tmp_path / 'other.db'}", NAME, None) is None
    monkeypatch.setenv("MLFLOW_REGISTRY_URI", "http://127.0.0.1:5000")
    assert find_in_file(store[0], NAME, None) is None


@pytest.mark.parametrize(
    ("column", "value"),
    [
        ("artifact_uri", "s3://bucket/run"),
        ("artifact_uri", "file://elsewhere/run"),
        ("source", "models:/m-1"),
    ],
)
def test_files_that_are_elsewhere_are_left_to_mlflow(
    tmp_path: Path, store: tuple[str, list[Path]], column: str, value: str
) -> None:
    copy = tmp_path / "mlflow.db"
    copy.write_bytes(Path(store[0].removeprefix("sqlite:///")).read_bytes())
    with closing(sqlite3.connect(copy)) as database, database:
        database.execute(
            f"update {'runs' if column == 'artifact_uri' else 'model_versions'} set {column} = ?", (value,)
        )
    assert find_in_file(f"sqlite:///{copy}", NAME, None) is None


def test_mlflow_gives_the_same_version_files_and_environment(store: tuple[str, list[Path]]) -> None:
    from etudes.serving.ask import _ask_mlflow

    uri, folders = store
    version, copied, environment = _ask_mlflow(uri, NAME, None)
    assert (version, environment) == ("2", "test")
    inside = [path.relative_to(copied) for path in copied.rglob("*")]
    assert sorted(inside) == sorted(path.relative_to(folders[1]) for path in folders[1].rglob("*"))
    with pytest.raises(NotRegisteredError):
        _ask_mlflow(uri, "other", None)
