"""Runs side by side: as many at once as there are places, and what an error does to the others."""

from __future__ import annotations

import json
import signal
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

import etudes.results.runs as module
from etudes.results.runs import AT_ONCE, RunStoppedError, SeedRun, _status_of
from etudes.results.side_by_side import Processes, side_by_side


def run_of(folder: Path, seed: int, **changes: str) -> SeedRun:
    made_by = {
        "study": "vae",
        "environment": "test",
        "parameters": "",
        "code": "c",
        "commit": "d",
        "seed": seed,
    }
    return SeedRun(folder, folder / f"seed_{seed}", {**made_by, **changes})


def test_places_are_filled_and_each_end_is_told_here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    most = running = 0
    lock = threading.Lock()

    def execute(self: SeedRun) -> None:
        nonlocal most, running
        with lock:
            running += 1
            most = max(most, running)
        time.sleep(0.05)
        with lock:
            running -= 1
        assert self.log is not None, "two at once would print into each other's lines"
        if self.made_by["seed"] == 2:
            raise RuntimeError("no memory")

    monkeypatch.setattr(SeedRun, "execute", execute)
    told: list[tuple[int, str]] = []
    here = threading.current_thread()

    def took(run: SeedRun, error: BaseException | None) -> None:
        assert threading.current_thread() is here
        told.append((run.made_by["seed"], str(error)))

    side_by_side(Processes(2), (run_of(tmp_path, seed) for seed in range(5)), took)
    assert most == 2
    assert sorted(told) == [(0, "None"), (1, "None"), (2, "no memory"), (3, "None"), (4, "None")]


def test_an_error_stops_the_others_and_begins_no_more(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    begun: list[int] = []

    def execute(self: SeedRun) -> None:
        begun.append(self.made_by["seed"])
        if self.made_by["seed"] == 0:
            return
        ends = time.monotonic() + 30
        while not (self.outputs / ".stop").exists():
            assert time.monotonic() < ends
            time.sleep(0.01)
        raise RunStoppedError("stopped")

    def took(run: SeedRun, error: BaseException | None) -> None:
        raise ValueError("enough")

    monkeypatch.setattr(SeedRun, "execute", execute)
    run_of(tmp_path, 1).stop(at_once=False)  # an earlier command did
    with pytest.raises(ValueError, match="enough"):
        side_by_side(Processes(2), (run_of(tmp_path, seed) for seed in range(5)), took)
    assert sorted(begun) == [0, 1]
    assert (tmp_path / "seed_1" / ".stop").read_text() == AT_ONCE


def test_what_runs_is_watched(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    seen = threading.Event()
    monkeypatch.setattr(SeedRun, "execute", lambda self: seen.wait(30) or pytest.fail("nobody watched"))
    monkeypatch.setattr("etudes.results.side_by_side.WATCH_SECONDS", 0.01)
    side_by_side(Processes(1), [run_of(tmp_path, 0)], lambda run, error: None, lambda run: seen.set())


@pytest.fixture
def python_for_kedro(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[Path]:
    """A program in the place of `python -m kedro`; its text goes into the file."""
    program = tmp_path / "program"
    monkeypatch.setattr(module.sys, "executable", str(program))
    yield program


def write_program(path: Path, text: str) -> None:
    path.write_text(text, encoding="utf-8")
    path.chmod(0o755)


def test_a_run_is_told_what_it_is_and_marked_when_it_ended(tmp_path: Path, python_for_kedro: Path) -> None:
    write_program(
        python_for_kedro, '#!/bin/sh\necho "$@" "$ETUDES_OUTPUTS" "$MLFLOW_RUN_CONTEXT" "$OMP_NUM_THREADS"\n'
    )
    made_by = {**run_of(tmp_path, 3).made_by, "parameters": "run.device=cpu"}
    log = tmp_path / "out" / "log"
    run = SeedRun(tmp_path, tmp_path / "out", made_by, True, ("train",), {"a": "b"}, log, 1)
    assert not run.ended
    run.execute()
    said = log.read_text()
    for part in (
        "--pipelines=vae --env=test --tags=train",
        "run.seed=3,run.register_model=false,run.device=cpu",
    ):
        assert part in said
    assert f'{tmp_path / "out"} {{"a": "b"}} 1' in said and "resume" not in said
    assert run.ended and json.loads((tmp_path / "out/runs/test/vae.json").read_text())["wall_seconds"] < 30
    (tmp_path / "out" / "06_models" / "test" / "vae").mkdir(parents=True)
    run.execute()
    assert "run.resume=true" in log.read_text()
    assert json.loads((tmp_path / "out/runs/test/vae.json").read_text())["wall_seconds"] is None


def test_a_failed_run_says_its_own_error(tmp_path: Path, python_for_kedro: Path) -> None:
    write_program(
        python_for_kedro,
        "#!/bin/sh\necho loading\necho 'Error: no rows' >&2\necho '(The traceback)'\nexit 1\n",
    )
    run = run_of(tmp_path, 0)
    run = SeedRun(run.project, run.outputs, run.made_by, log=run.outputs / "log")
    with pytest.raises(RuntimeError, match=r"seed 0 failed \(exit 1\): no rows"):
        run.execute()
    assert not run.ended


def test_a_process_that_is_to_stop_is_terminated_and_killed_if_it_does_not_listen(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    stop = tmp_path / "stop"
    stop.write_text(AT_ONCE)
    listening = [sys.executable, "-c", "import time; time.sleep(60)"]
    assert _status_of(listening, tmp_path, {}, None, stop) == -signal.SIGTERM
    monkeypatch.setattr(module, "PATIENCE_SECONDS", 0.2)
    deaf = ["/bin/sh", "-c", "trap '' TERM; while true; do sleep 0.1; done"]
    monkeypatch.setattr(module, "POLL_SECONDS", 1.0)
    assert _status_of(deaf, tmp_path, {}, None, stop) == -signal.SIGKILL
