"""Two runs into the same outputs: one is refused or waits, and nothing is mixed."""

from __future__ import annotations

import json
import multiprocessing
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterable
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

import pytest
from benchmarks.trivial import STUDY as TRIVIAL
from benchmarks.trivial import make_trivial_project
from mlflow.tracking import MlflowClient

from etudes.hooks import RunnerError, check_runner
from etudes.lock import Holder, LockedError, OutputsLock, process_identity
from projects import STUDY, kedro, quiet_environment

FORK = multiprocessing.get_context("fork")
DATASETS = [f"{STUDY}.metrics", f"{STUDY}.tfidf_model", f"{STUDY}.report"]


def lock_of(folder: Path, writes: Iterable[str], reads: Iterable[str] = ()) -> OutputsLock:
    return OutputsLock(folder / ".runs" / "test", reads, writes)


def hold(folder: Path, holder: Holder) -> Path:
    """The file that another run would leave."""
    path = folder / ".runs" / "test" / "0123456789abcdef.json"
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(asdict(holder)), encoding="utf-8")
    return path


@pytest.fixture
def living() -> Iterable[Holder]:
    """A run of another process that lives."""
    with subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE) as process:
        identity = process_identity(process.pid)
        assert identity is not None
        yield replace(Holder.here([], DATASETS), pid=process.pid, process=identity, command="kedro run ...")


def test_the_second_run_is_refused_by_a_message_that_names_the_first(tmp_path: Path, living: Holder) -> None:
    path = hold(tmp_path, living)
    second = lock_of(tmp_path, DATASETS)
    with pytest.raises(LockedError, match=r"run\.wait=true.*ETUDES_OUTPUTS") as caught:
        second.acquire()
    for part in (STUDY, "(test)", f"process {living.pid} on {living.host}", living.since, living.command):
        assert part in str(caught.value)
    assert [entry.name for entry in path.parent.glob("*.json")] == [path.name]


def test_outputs_are_free_again_after_a_release(tmp_path: Path) -> None:
    first = lock_of(tmp_path, DATASETS)
    assert first.acquire() == set()
    first.release()
    first.release()
    assert not list(tmp_path.rglob("*.json"))


@pytest.mark.parametrize(
    ("writes", "reads", "free"),
    [
        pytest.param(["vae.metrics"], [], True, id="another study"),
        pytest.param([f"{STUDY}.doc2vec_model"], [f"{STUDY}.train_split"], True, id="another variant"),
        pytest.param(["vae.metrics", f"{STUDY}.report"], [], False, id="one of two studies"),
        pytest.param([f"{STUDY}.predictor"], [f"{STUDY}.tfidf_model"], False, id="reads what is written"),
    ],
)
def test_only_runs_that_share_outputs_exclude_each_other(
    tmp_path: Path, living: Holder, writes: list[str], reads: list[str], free: bool
) -> None:
    hold(tmp_path, living)
    lock = lock_of(tmp_path, writes, reads)
    if free:
        assert lock.acquire() == {STUDY}, "who else is running"
        lock.release()
    else:
        with pytest.raises(LockedError):
            lock.acquire()


def test_what_one_run_reads_another_does_not_write(tmp_path: Path, living: Holder) -> None:
    hold(tmp_path, replace(living, reads=[f"{STUDY}.train_split"], writes=[f"{STUDY}.doc2vec_model"]))
    with pytest.raises(LockedError):
        lock_of(tmp_path, [f"{STUDY}.train_split"]).acquire()


@pytest.mark.parametrize("fate", ["killed", "killed and not yet collected", "number used again"])
def test_outputs_of_a_dead_process_are_taken_over(tmp_path: Path, fate: str) -> None:
    process = subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE)
    identity = process_identity(process.pid)
    assert identity is not None
    if fate == "number used again":
        identity = "of an earlier process"
    else:
        process.kill()
        if fate == "killed":
            process.wait()
    dead = hold(tmp_path, replace(Holder.here([], DATASETS), pid=process.pid, process=identity))
    if fate.endswith("collected"):
        os.waitid(os.P_PID, process.pid, os.WEXITED | os.WNOWAIT)
    lock = lock_of(tmp_path, DATASETS)
    assert lock.acquire() == set()
    assert not dead.exists()
    lock.release()
    process.kill()
    process.communicate()


def test_a_run_of_this_process_that_a_notebook_interrupted_holds_nothing(tmp_path: Path) -> None:
    lock_of(tmp_path, DATASETS).acquire()
    assert lock_of(tmp_path, DATASETS).acquire() == set()
    assert len(list(tmp_path.rglob("*.json"))) == 1


def test_processes_that_started_in_the_same_moment_are_told_apart(tmp_path: Path, living: Holder) -> None:
    path = hold(tmp_path, living)
    lock = lock_of(tmp_path, DATASETS)
    lock.holder = replace(lock.holder, process=living.process)
    with pytest.raises(LockedError):
        lock.acquire()
    assert path.exists()


@pytest.mark.parametrize("where", [{"host": "elsewhere"}, {"space": "pid:[1]"}])
def test_what_cannot_be_seen_from_here_is_never_taken_over(tmp_path: Path, where: dict[str, str]) -> None:
    path = hold(tmp_path, replace(Holder.here([], DATASETS), **where, pid=1, process="unknown"))
    with pytest.raises(LockedError, match="cannot be seen from here: if it does not, remove") as caught:
        lock_of(tmp_path, DATASETS).acquire()
    assert str(path) in str(caught.value) and path.exists()


def test_outputs_that_were_never_held_can_be_released(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    lock = lock_of(tmp_path / "file", DATASETS)
    with pytest.raises(OSError, match="file"):
        lock.acquire()
    lock.release()


def test_a_file_that_cannot_be_read_is_named(tmp_path: Path) -> None:
    path = hold(tmp_path, Holder.here([], DATASETS))
    path.write_text("{")
    with pytest.raises(LockedError, match=path.name):
        lock_of(tmp_path, DATASETS).acquire()


@pytest.mark.parametrize(
    "runner", ["SequentialRunner", "kedro.runner.SequentialRunner", "etudes.runners.Own", "None"]
)
def test_runners_that_keep_the_numbers_are_allowed(runner: str) -> None:
    check_runner(runner)
    check_runner(f"<{runner} object at 0x7f>")


@pytest.mark.parametrize(
    "runner", ["ThreadRunner", "ParallelRunner", "kedro.runner.thread_runner.ThreadRunner"]
)
def test_other_runners_are_refused_by_name(runner: str) -> None:
    for text in (runner, f"<{runner} object at 0x7f>"):
        with pytest.raises(RunnerError, match=rf"^{runner.rpartition('.')[2]} .*SequentialRunner"):
            check_runner(text)


def take_and_write(folder: Path, number: int, wait: bool, start: Any, outcomes: Any) -> None:
    """A run: takes the outputs, writes its number into all files in turn, and looks whether they are all its own."""
    lock = lock_of(folder, DATASETS)
    start.wait(timeout=60)
    try:
        lock.acquire(wait)
    except LockedError:
        outcomes.put("refused")
        return
    for name in DATASETS:
        (folder / name).write_text(str(number))
        time.sleep(0.002)
    found = {(folder / name).read_text() for name in DATASETS}
    outcomes.put("own" if found == {str(number)} else f"mixed: {found}")
    lock.release()


def run_pairs(folder: Path, pairs: int) -> list[list[str]]:
    outcomes = []
    for index in range(pairs):
        start, queue = FORK.Barrier(2), FORK.Queue()
        runs = [
            FORK.Process(target=take_and_write, args=(folder, number, index % 2 == 0, start, queue))
            for number in range(2)
        ]
        for run in runs:
            run.start()
        for run in runs:
            run.join(timeout=60)
        outcomes.append(sorted(queue.get(timeout=10) for _ in runs))
    return outcomes


@pytest.mark.parametrize("pairs", [6, pytest.param(190, marks=[pytest.mark.heavy, pytest.mark.slow])])
def test_pairs_of_runs_never_mix(tmp_path: Path, pairs: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("etudes.lock.POLL_SECONDS", 0.05)
    outcomes = run_pairs(tmp_path, pairs)
    assert set(map(tuple, outcomes)) <= {("own", "own"), ("own", "refused")}
    assert all(outcome == ["own", "own"] for outcome in outcomes[::2]), "those that wait come to their turn"


def test_runs_of_several_studies_that_wait_for_each_other_all_end(tmp_path: Path) -> None:
    start, queue = FORK.Barrier(2), FORK.Queue()

    def run(writes: list[str]) -> None:
        start.wait(timeout=60)
        for _ in range(3):
            lock = lock_of(tmp_path, writes)
            lock.acquire(wait=True)
            time.sleep(0.01)
            lock.release()
        queue.put("ended")

    runs = [FORK.Process(target=run, args=(names,)) for names in (["a.x", "b.x"], ["b.x", "a.x"])]
    for each in runs:
        each.start()
    assert [queue.get(timeout=60) for _ in runs] == ["ended", "ended"]


def start_kedro(project: Path, *arguments: str) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, "-m", "kedro", *arguments],
        cwd=project,
        env=quiet_environment(),
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        stdin=subprocess.DEVNULL,
        # A shell starts background jobs with the interrupt ignored, and children inherit that.
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),  # noqa: PLW1509
    )


@pytest.mark.slow
def test_a_run_is_refused_before_it_writes_or_waits_and_then_clears_what_a_kill_left(
    tmp_path: Path, living: Holder
) -> None:
    project = make_trivial_project(tmp_path / "project")
    held = hold(project / "data", replace(living, writes=[f"{TRIVIAL}.metrics"]))
    refused = kedro(project, "run", "--env=test", f"--pipelines={TRIVIAL}", "--params=run.track=false")
    assert refused.returncode == 1
    assert f"process {living.pid}" in refused.stderr and "run.wait=true" in refused.stderr
    assert [entry.name for entry in (project / "data").iterdir()] == [".runs"]
    assert not (project / "mlflow.db").exists()

    debris = project / "data" / "06_models" / "test" / TRIVIAL / ".v00.a1b2c3d4.tmp"
    debris.mkdir(parents=True)
    (debris / "weights.safetensors").write_bytes(b"half")
    waiting = start_kedro(project, "run", "--env=test", f"--pipelines={TRIVIAL}", "--params=run.wait=true")
    time.sleep(10)
    assert waiting.poll() is None and debris.exists()
    held.unlink()
    output, _ = waiting.communicate(timeout=120)
    assert waiting.returncode == 0, output
    assert "Waiting: " in output and not debris.exists()
    assert not list((project / "data" / ".runs").rglob("*.json"))


@pytest.mark.slow
@pytest.mark.heavy
def test_pairs_of_whole_runs_give_what_single_runs_give(tmp_path: Path) -> None:
    """Ten pairs of runs of one study into one folder, with the same and with different seeds."""
    project = make_trivial_project(tmp_path / "project")
    chosen = project / "conf" / "test" / "parameters" / f"{STUDY}.yml"
    chosen.write_text(chosen.read_text() + "  variants: [bilstm]\n")
    client = MlflowClient(f"sqlite:///{project / 'mlflow.db'}")

    def command(seed: int) -> list[str]:
        return ["run", "--env=test", f"--pipelines={STUDY}", f"--params=run.seed={seed},run.wait=true"]

    def metrics_of_runs() -> list[tuple[str, dict[str, float]]]:
        experiment = client.get_experiment_by_name(STUDY)
        assert experiment is not None
        runs = client.search_runs([experiment.experiment_id], order_by=["attributes.start_time DESC"])
        assert {run.info.status for run in runs} == {"FINISHED"}
        names = [name for name in runs[0].data.metrics if name.startswith(("bilstm.", "majority."))]
        return [
            (run.data.params["run.seed"], {name: run.data.metrics[name] for name in names}) for run in runs
        ]

    for seed in range(2):
        assert kedro(project, *command(seed)).returncode == 0
    expected = dict(metrics_of_runs())
    assert expected["0"] != expected["1"]
    for pair in range(10):
        seeds = (0, 0) if pair % 5 == 4 else (0, 1)
        runs = [start_kedro(project, *command(seed)) for seed in seeds]
        for run in runs:
            output, _ = run.communicate(timeout=300)
            assert run.returncode == 0, output[-3000:]
        for seed, metrics in metrics_of_runs()[:2]:
            assert metrics == expected[seed]
    weights: dict[str, set[bytes]] = {"0": set(), "1": set()}
    for version in client.search_model_versions(f"name = '{STUDY}-sample'"):
        run = client.get_run(str(version.run_id))
        (file,) = Path(run.info.artifact_uri.removeprefix("file://")).glob("model/**/weights.safetensors")
        weights[run.data.params["run.seed"]].add(file.read_bytes())
    assert len(weights["0"]) == len(weights["1"]) == 1 and weights["0"] != weights["1"]
