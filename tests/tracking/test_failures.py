"""Stores that fail, hooks that are interrupted, and what a kill leaves in the registry."""

from __future__ import annotations

import multiprocessing
import os
import resource
import shutil
import socket
import sqlite3
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import mlflow
import pytest
from benchmarks.trivial import STUDY as TRIVIAL
from benchmarks.trivial import make_trivial_project
from mlflow.tracking import MlflowClient

from etudes.cli import describe
from etudes.lock import process_identity
from etudes.tracking.failures import TrackingError
from etudes.tracking.hook import TrackingHook
from etudes.tracking.registry import CHAMPION
from etudes.tracking.runs import Store, open_experiment, use_store
from projects import kedro


@pytest.fixture(autouse=True)
def mlflow_as_before() -> Iterator[None]:
    """A store that is used becomes the process's."""
    yield
    mlflow.set_tracking_uri(None)
    mlflow.set_registry_uri(None)
    os.environ.pop("MLFLOW_REGISTRY_URI", None)


def store_at(uri: str) -> Store:
    server = SimpleNamespace(mlflow_tracking_uri=uri, mlflow_registry_uri=None)
    experiment = SimpleNamespace(create_experiment_kwargs=SimpleNamespace(artifact_location=None))
    return use_store(SimpleNamespace(server=server, tracking=SimpleNamespace(experiment=experiment)))


def refusal(uri: str, meaning: str) -> None:
    """Use a store that fails: the message says which, why, and what else there is."""
    start = time.monotonic()
    with pytest.raises(TrackingError, match=meaning) as caught:
        open_experiment(store_at(uri), "another study")
    assert time.monotonic() - start < 60, "nobody waits for minutes before anything has run"
    for part in (uri, "MLFLOW_TRACKING_URI", "run.track=false"):
        assert part in str(caught.value)
    assert "\n" not in str(caught.value)


@pytest.fixture
def database(tmp_path: Path) -> Path:
    path = tmp_path / "mlflow.db"
    open_experiment(store_at(f"sqlite:///{path}"), "study")
    return path


def free_port() -> int:
    with socket.socket() as found:
        found.bind(("127.0.0.1", 0))
        return int(found.getsockname()[1])


def test_a_server_that_does_not_answer_is_named() -> None:
    refusal(f"http://127.0.0.1:{free_port()}", "does not answer")


def test_a_damaged_database_is_named_and_left_as_it_is(database: Path) -> None:
    content = b"not a database at all" * 100
    database.write_bytes(content)
    refusal(f"sqlite:///{database}", "it is damaged; move the file away")
    assert database.read_bytes() == content


def test_a_database_whose_middle_is_damaged_is_named(database: Path) -> None:
    content = database.read_bytes()
    database.write_bytes(content[:4096] + b"\xff" * (len(content) - 4096))
    refusal(f"sqlite:///{database}", "cannot be used: it (is damaged|was left half made|is not a store)")


def test_a_locked_database_is_named(database: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("etudes.tracking.failures.LOCKED_SECONDS", 0.2)
    with sqlite3.connect(database) as other:
        other.execute("BEGIN EXCLUSIVE")
        refusal(f"sqlite:///{database}", "another program has locked it")
        other.rollback()


def test_a_read_only_database_is_named(database: Path) -> None:
    refusal(f"sqlite:///file:{database}?mode=ro&uri=true", "it is read-only")


def test_a_store_that_an_earlier_failure_left_half_made_is_named(database: Path) -> None:
    other = database.with_name("half.db")  # MLflow does not look again at one that it has opened
    shutil.copy(database, other)
    with sqlite3.connect(other) as half:
        half.execute("DROP TABLE metrics")
        half.execute("UPDATE alembic_version SET version_num = '451aebb31d03'")
        half.execute("CREATE TABLE _alembic_tmp_experiments (a INTEGER)")
    refusal(f"sqlite:///{other}", "left half made|another version")


def lay_out(path: Path, found: Any) -> None:
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (300_000, hard))  # a store takes a megabyte
    try:
        store_at(f"sqlite:///{path}")
    except TrackingError as error:
        found.put((str(error), describe(error)))
    resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
    found.put(open_experiment(store_at(f"sqlite:///{path}"), "study").id)


@pytest.mark.skipif(sys.platform == "win32", reason="needs a limit of the file size")
def test_a_store_whose_making_fails_is_made_by_the_next_run(tmp_path: Path) -> None:
    context = multiprocessing.get_context("spawn")  # the limit is the process's
    found, path = context.Queue(), tmp_path / "mlflow.db"
    process = context.Process(target=lay_out, args=(path, found))
    process.start()
    message, described = found.get(timeout=180)
    assert str(path) in message and "run.track=false" in message
    assert described.startswith(message)
    assert found.get(timeout=180) == "1"
    process.join(timeout=60)
    assert sorted(entry.name for entry in tmp_path.iterdir()) == [".mlflow.db.lock", "mlflow.db"]


@pytest.mark.parametrize(
    "error",
    [
        OSError(28, "No space left on device", "weights"),
        RuntimeError("agent_0: [Errno 28] No space left on device"),
        sqlite3.OperationalError("database or disk is full"),
    ],
)
def test_a_full_disk_is_told_with_its_advice_wherever_it_occurs(error: Exception) -> None:
    for told in (error, wrapped(error)):
        assert "The disk is full: make room, or set ETUDES_OUTPUTS" in describe(told)


def wrapped(error: Exception) -> Exception:
    try:
        try:
            raise error
        except Exception as inner:
            raise RuntimeError("a library's own words") from inner
    except RuntimeError as outer:
        return outer


class OpenRun:
    """A run whose store fails when it is to be ended, or that notes how it was."""

    def __init__(self, fails: bool = False) -> None:
        self.run_id, self.fails, self.status = "r", fails, ""

    def end(self, status: str, error: BaseException | None = None) -> None:
        if self.fails:
            raise TrackingError("the store is gone as well")
        self.status = status


def test_the_error_handlers_own_failure_does_not_hide_the_first_error(
    caplog: pytest.LogCaptureFixture,
) -> None:
    hook, lost, kept = TrackingHook(), OpenRun(fails=True), OpenRun()
    hook._runs = {"a": kept, "b": lost}
    hook.on_pipeline_error(ValueError("the first error"))
    assert kept.status == "FAILED" and not hook._runs
    assert "the store is gone as well" in caplog.text


def test_a_run_whose_interrupt_was_wrapped_in_an_error_is_killed() -> None:
    hook, run = TrackingHook(), OpenRun()
    hook._runs = {"a": run}
    error = RuntimeError("unexpected pos")
    error.__context__ = KeyboardInterrupt()
    hook.on_pipeline_error(error)
    assert run.status == "KILLED"


@pytest.mark.parametrize("alias", [True, False])
def test_a_version_of_a_killed_run_has_its_alias_or_is_removed(database: Path, alias: bool) -> None:
    client = MlflowClient(f"sqlite:///{database}")
    experiment = client.get_experiment_by_name("study")
    assert experiment is not None
    with subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE) as process:
        tags = {
            "etudes.host": socket.gethostname(),
            "etudes.pid": str(process.pid),
            "etudes.process": str(process_identity(process.pid)),
        }
        run = client.create_run(experiment.experiment_id, tags=tags)
        client.create_registered_model("study-sample")
        version = client.create_model_version("study-sample", source="s", run_id=run.info.run_id)
        if alias:
            client.set_registered_model_alias("study-sample", CHAMPION, version.version)
        open_experiment(store_at(f"sqlite:///{database}"), "study")
        assert client.get_run(run.info.run_id).info.status == "RUNNING", "its process lives"
        process.kill()
    assert open_experiment(store_at(f"sqlite:///{database}"), "study").killed == [run.info.run_id]
    assert client.get_run(run.info.run_id).info.status == "KILLED"
    assert len(client.search_model_versions("name = 'study-sample'")) == alias


@pytest.mark.slow
def test_a_run_without_its_server_ends_in_one_message_and_runs_untracked(tmp_path: Path) -> None:
    project = make_trivial_project(tmp_path / "project")
    uri = f"http://127.0.0.1:{free_port()}"
    done = kedro(project, "run", "--env=test", f"--pipelines={TRIVIAL}", MLFLOW_TRACKING_URI=uri)
    assert done.returncode == 1
    message = done.stderr[done.stderr.index("Error: ") :]
    assert uri in message and "run.track=false" in message and "Traceback" not in done.stdout + done.stderr
    untracked = ["run", "--env=test", f"--pipelines={TRIVIAL}", "--params=run.track=false"]
    assert kedro(project, *untracked, MLFLOW_TRACKING_URI=uri).returncode == 0


@pytest.mark.slow
def test_a_store_that_breaks_in_mid_run_is_named_beside_no_other_error(tmp_path: Path) -> None:
    project = make_trivial_project(tmp_path / "project")
    nodes = project / "src" / "etudes" / "pipelines" / TRIVIAL / "nodes.py"
    breaking = f"    open({str(project / 'mlflow.db')!r}, 'wb').write(b'gone' * 1000)\n"
    text = nodes.read_text()
    head = "def evaluate(split_card: dict[str, Any], models: dict[str, Any]) -> dict[str, float]:\n"
    assert head in text
    nodes.write_text(text.replace(head, head + breaking + "    raise ValueError('the first error')\n"))
    done = kedro(project, "run", "--env=test", f"--pipelines={TRIVIAL}")
    assert done.returncode == 1
    assert "Error: the first error" in done.stderr
    assert "stays open" in done.stdout + done.stderr
