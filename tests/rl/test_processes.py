"""Trainings side by side: the same numbers, names, failures, interrupts."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest

from etudes.lock import process_identity
from etudes.rl.processes import WorkerError, run_side_by_side
from etudes.training.session import current_session, record, training_session
from projects import ROOT, quiet_environment, within


def draw(seed: int) -> tuple[float, int, int, str]:
    """A number from a seed; records it, and says where it was drawn."""
    import torch

    torch.manual_seed(seed)
    value = float(torch.randn(100, 100).sum())
    record(seed, {"value": value})
    session = current_session()
    folder = "" if session is None or session.checkpoints is None else session.checkpoints.name
    return value, torch.get_num_threads(), os.getpid(), folder


def fail(seed: int) -> int:
    if seed == 1:
        raise ValueError(f"no treasure in room {seed}")
    time.sleep(60)
    return seed


def vanish(seed: int) -> int:
    os.kill(os.getpid(), signal.SIGKILL)
    return seed


def draw_all(processes: int, folder: Path) -> tuple[list[Any], list[tuple[int, dict[str, float]]]]:
    seen: list[tuple[int, dict[str, float]]] = []
    with training_session("toy", folder, lambda step, metrics: seen.append((step, metrics))):
        results = run_side_by_side(draw, {f"agent_{seed}": seed for seed in (5, 6, 7)}, processes)
    return results, sorted(seen, key=lambda entry: entry[0])


@pytest.mark.slow
def test_workers_give_the_numbers_of_a_single_process(tmp_path: Path) -> None:
    (here, seen_here), (there, seen_there) = draw_all(1, tmp_path), draw_all(2, tmp_path)
    assert [row[0] for row in here] == [row[0] for row in there], "in the order of the jobs"
    assert {row[1] for row in here + there} == {1}, "one thread each"
    assert {row[2] for row in here} == {os.getpid()} and os.getpid() not in {row[2] for row in there}
    assert [row[3] for row in here] == [row[3] for row in there] == ["agent_5", "agent_6", "agent_7"]
    assert seen_here == seen_there and seen_here[0][1].keys() == {"agent_5.value"}


@pytest.mark.slow
def test_a_failing_worker_fails_all_with_its_own_message() -> None:
    start = time.monotonic()
    with pytest.raises(WorkerError, match="agent_1: no treasure in room 1") as caught:
        run_side_by_side(fail, {"agent_0": 0, "agent_1": 1}, 2)
    assert time.monotonic() - start < 50, "the other worker does not run on"
    assert "in fail" in str(caught.value.__cause__), "the worker's own traceback is there for the log"


@pytest.mark.slow
def test_a_killed_worker_is_named() -> None:
    with pytest.raises(WorkerError, match=r"[bc]: its process ended without a result \(exit status -9"):
        run_side_by_side(vanish, {"b": 0, "c": 1}, 2)


INTERRUPTED = """
import sys
sys.path[:0] = [{tests!r}, {here!r}]
from etudes.rl.processes import run_side_by_side
from test_processes import sleep_long
if __name__ == "__main__":
    run_side_by_side(sleep_long, {{"a": {folder!r}, "b": {folder!r}}}, 2)
"""


def sleep_long(folder: str) -> None:
    (Path(folder) / str(os.getpid())).touch()
    time.sleep(120)


def start_workers(tmp_path: Path) -> tuple[subprocess.Popen[bytes], list[int]]:
    """A process with two workers that would go on for minutes, and their numbers."""
    script, folder = tmp_path / "script.py", tmp_path / "workers"
    folder.mkdir()
    here = Path(__file__).parent
    script.write_text(INTERRUPTED.format(tests=str(here.parent), here=str(here), folder=str(folder)))
    process = subprocess.Popen(
        [sys.executable, str(script)],
        cwd=ROOT,
        env=quiet_environment(),
        stderr=subprocess.DEVNULL,
        # A shell starts background jobs with the interrupt ignored, and children inherit that.
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),  # noqa: PLW1509
    )
    deadline = time.monotonic() + within(90)
    while len(list(folder.iterdir())) < 2 and time.monotonic() < deadline and process.poll() is None:
        time.sleep(0.1)
    workers = [int(path.name) for path in folder.iterdir()]
    assert len(workers) == 2
    return process, workers


@pytest.mark.slow
def test_an_interrupt_ends_every_worker(tmp_path: Path) -> None:
    process, workers = start_workers(tmp_path)
    process.send_signal(signal.SIGINT)
    process.wait(timeout=within(30))
    assert process.returncode != 0
    for worker in workers:
        assert not Path(f"/proc/{worker}").exists()


@pytest.mark.slow
def test_workers_do_not_outlive_a_killed_parent(tmp_path: Path) -> None:
    process, workers = start_workers(tmp_path)
    process.kill()
    process.wait(timeout=within(30))
    deadline = time.monotonic() + 1
    while any(process_identity(worker) for worker in workers) and time.monotonic() < deadline:
        time.sleep(0.02)
    assert not any(process_identity(worker) for worker in workers)
