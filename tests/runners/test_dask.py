"""The Dask runner with real processes: same numbers, failing studies, workers that die."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import psutil
import pytest
from benchmarks.trivial import STUDY as TRIVIAL
from benchmarks.trivial import add_copies, make_trivial_project

from etudes.runners.engine import RunnerError
from etudes.status import events_of
from projects import STUDY, kedro, quiet_environment, within
from small_steps import many_small_steps, train_bilstm

pytest.importorskip("distributed", reason="needs the extra `cluster`")
pytestmark = pytest.mark.slow
CHECKPOINT = Path("data/06_models/test") / STUDY / "checkpoints/bilstm/checkpoint.pt"
RUNNER = "--runner=etudes.runners.DaskRunner"
TWO = "--runner-params=workers=2"


def wait_for(condition: Callable[[], bool], seconds: float = 240) -> None:
    """Return once something holds.

    Raises:
        AssertionError: it did not in time.
    """
    ends = time.monotonic() + within(seconds)
    while not condition():
        assert time.monotonic() < ends, "waited in vain"
        time.sleep(0.05)


def children_since(before: set[psutil.Process]) -> list[psutil.Process]:
    """Processes that this one has more than before, and that live."""
    there = set(psutil.Process().children(recursive=True)) - before
    return [each for each in there if each.is_running() and each.status() != "zombie"]


def statuses(project: Path) -> dict[str, list[str]]:
    """Of each experiment the statuses of its runs."""
    from mlflow import MlflowClient

    client = MlflowClient(f"sqlite:///{project / 'mlflow.db'}")
    return {
        each.name: [run.info.status for run in client.search_runs([each.experiment_id])]
        for each in client.search_experiments()
        if each.name != "Default"
    }


def test_studies_side_by_side_of_which_one_fails_and_one_kills_its_worker(tmp_path: Path) -> None:
    project = make_trivial_project(tmp_path / "project")
    add_copies(project, TRIVIAL, len(list((project / "src/etudes/pipelines").glob("*/study.toml"))) + 2)
    studies = sorted(path.name for path in (project / "src/etudes/pipelines").glob(f"{TRIVIAL}*"))
    failing, killing = studies[1:]
    for study, line in ((failing, 'raise ValueError("no score")'), (killing, "import os; os._exit(9)")):
        nodes = project / "src/etudes/pipelines" / study / "nodes.py"
        nodes.write_text(nodes.read_text().replace("    return {f", f"    {line}\n    return {{f"))

    done = kedro(
        project,
        "run",
        "--env=test",
        f"--pipelines={','.join(studies)}",
        RUNNER,
        TWO,
        PYTHONPATH=str(project / "src"),
    )

    assert done.returncode == 1, done.stdout + done.stderr
    assert (
        "2 of 3 studies failed" in done.stderr and f"{TRIVIAL}  " in done.stderr and "  done" in done.stderr
    )
    assert f"{failing}.evaluate: ValueError: no score" in done.stderr
    assert f"{killing}.evaluate: its process ended 2 times without a word" in done.stderr
    assert statuses(project) == {TRIVIAL: ["FINISHED"], failing: ["FAILED"], killing: ["FAILED"]}
    metrics = project / "data/07_model_output/test" / TRIVIAL / "metrics.json"
    assert json.loads(metrics.read_text())["v00.score"] == 1.0
    left = [path.name for path in (project / "data/.runs/test").iterdir()]
    assert left in ([], [".lock"])
    whole, broken = (events_of(project, study) for study in (TRIVIAL, failing))
    assert whole[-1]["event"] == "after_pipeline_run" and "on_node_error" not in kinds(whole)
    (wrong,) = [event for event in broken if event["event"] == "on_node_error"]
    assert wrong["node"] == f"{failing}.evaluate" and wrong["error"] == "ValueError: no score"
    assert "Traceback" in wrong["traceback"] and broken[-1]["event"] == "on_pipeline_error"


def kinds(events: list[dict[str, Any]]) -> list[str]:
    return [event["event"] for event in events]


def what(events: list[dict[str, Any]]) -> list[tuple[Any, ...]]:
    """Events without what a machine takes for them."""
    return [
        tuple(event.get(key) for key in ("event", "node", "dataset", "node_id", "status")) for event in events
    ]


def test_numbers_are_those_of_the_sequential_runner(project: Path, finished_project: Path) -> None:
    done = kedro(project, "run", "--env=test", f"--pipelines={STUDY}", RUNNER, TWO)
    assert done.returncode == 0, done.stdout + done.stderr
    assert statuses(project) == {STUDY: ["FINISHED"]}
    for name in ("07_model_output/test/{}/metrics.json", "06_models/test/{}/bilstm/weights.safetensors"):
        ours, theirs = (folder / "data" / name.format(STUDY) for folder in (project, finished_project))
        assert ours.read_bytes() == theirs.read_bytes(), name
    events, expected = (events_of(folder, STUDY) for folder in (project, finished_project))
    assert what(events) == what(expected) and kinds(events).count("after_node_run") > 10
    assert all(event["duration"] > 0 for event in events if event["event"] == "after_node_run")
    from mlflow import MlflowClient

    client = MlflowClient(f"sqlite:///{project / 'mlflow.db'}")
    (model,) = client.search_registered_models()
    assert model.name == f"{STUDY}-sample" and "champion" in model.aliases


@pytest.mark.heavy
def test_a_worker_that_is_killed_in_mid_training_goes_on_from_its_checkpoint(tmp_path: Path) -> None:
    from mlflow import MlflowClient

    whole, cut = many_small_steps(tmp_path / "whole"), many_small_steps(tmp_path / "cut")
    done = kedro(whole, *train_bilstm())
    assert done.returncode == 0, done.stdout + done.stderr

    command = [sys.executable, "-m", "kedro", *train_bilstm(RUNNER, "--runner-params=workers=1")]
    with (cut / "run.log").open("w") as log:
        process = subprocess.Popen(command, cwd=cut, env=quiet_environment(), stdout=log, stderr=log)
        wait_for(lambda: (cut / CHECKPOINT).exists() or process.poll() is not None)
        worker = max(
            psutil.Process(process.pid).children(recursive=True), key=lambda each: each.memory_info().rss
        )
        os.kill(worker.pid, signal.SIGKILL)
        status = process.wait(within(240))
    assert status == 0, (cut / "run.log").read_text()[-3000:]

    models = Path("data/06_models/test") / STUDY
    for name in ("bilstm/weights.safetensors", "bilstm_history.json"):
        assert (cut / models / name).read_bytes() == (whole / models / name).read_bytes(), name
    client = MlflowClient(f"sqlite:///{cut / 'mlflow.db'}")
    experiment = client.get_experiment_by_name(STUDY)
    assert experiment is not None
    (run,) = client.search_runs([experiment.experiment_id])
    curve = client.get_metric_history(run.info.run_id, "bilstm.train_loss")
    assert [point.step for point in curve] == list(range(1, 6)), "a curve is written once"


@pytest.mark.heavy
def test_a_process_that_is_slow_to_start_again_is_not_given_up(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Dask closes one for good that is away for longer than its limit, and the nodes that wait for it would wait for ever."""
    from etudes.runners.dask import DaskEngine

    engine = DaskEngine(None, 1, 0)
    engine.start(0)
    try:
        client = engine._client
        assert client is not None
        (first,) = client.run(os.getpid).values()
        # The next process sleeps longer than Dask would wait for it.
        (tmp_path / "sitecustomize.py").write_text("import time; time.sleep(20)\n")
        (nanny,) = engine._cluster.workers.values()  # type: ignore[union-attr]
        monkeypatch.setenv("PYTHONPATH", os.environ.get("PYTHONPATH", ""))  # Dask writes to this environment
        nanny.env["PYTHONPATH"] = os.pathsep.join([str(tmp_path), os.environ.get("PYTHONPATH", "")])
        nanny.pre_spawn_env["PYTHONPATH"] = nanny.env["PYTHONPATH"]
        assert engine._alive() == 1
        os.kill(first, signal.SIGKILL)
        wait_for(lambda: not client.scheduler_info(n_workers=-1)["workers"], 60)
        wait_for(lambda: bool(client.scheduler_info(n_workers=-1)["workers"]), 60)
        (second,) = client.run(os.getpid).values()
        assert second != first
    finally:
        engine.stop()


@pytest.mark.parametrize(("workers", "gpus", "asked"), [(1, 0, 1), (2, 1, 2)])
def test_more_gpus_than_any_worker_has_are_refused_and_the_processes_end(
    workers: int, gpus: int, asked: int
) -> None:
    from etudes.runners.dask import DaskEngine

    before = set(psutil.Process().children(recursive=True))
    with pytest.raises(RunnerError, match=f"needs {asked} GPU .*no worker has more than {gpus}"):
        DaskEngine(None, workers, gpus).start(asked)
    wait_for(lambda: all("spawn_main" not in " ".join(each.cmdline()) for each in children_since(before)), 20)


def test_a_scheduler_that_does_not_answer_is_told(project: Path) -> None:
    done = kedro(
        project,
        "run",
        "--env=test",
        f"--pipelines={STUDY}",
        RUNNER,
        "--runner-params=address=tcp://127.0.0.1:1",
        "--params=run.track=false",
    )
    assert done.returncode == 1
    assert "no Dask scheduler answers at tcp://127.0.0.1:1" in done.stderr and "dask worker" in done.stderr


def test_a_scheduler_without_workers_is_told_once_they_had_time_to_start(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    from distributed import LocalCluster

    from etudes.runners import dask

    monkeypatch.setattr(dask, "CONNECT_SECONDS", within(5.0))
    with LocalCluster(n_workers=0, processes=False, dashboard_address=None) as cluster:
        with pytest.raises(
            RunnerError, match=f"scheduler at {cluster.scheduler_address} has no workers; start one"
        ):
            dask.DaskEngine(cluster.scheduler_address, 1, 0).start(0)
        cluster.scale(1)
        engine = dask.DaskEngine(cluster.scheduler_address, 1, 0)
        engine.start(0)  # while it starts
        assert engine.places >= 1
        engine.stop()


@pytest.mark.heavy
def test_a_scheduler_that_is_gone_ends_the_command_and_its_workers_and_the_run_can_be_continued(
    tmp_path: Path,
) -> None:
    whole, cut = many_small_steps(tmp_path / "whole"), many_small_steps(tmp_path / "cut")
    done = kedro(whole, *train_bilstm())
    assert done.returncode == 0, done.stdout + done.stderr

    file = tmp_path / "scheduler.json"
    options = [f"--scheduler-file={file}", "--no-dashboard"]
    started = {
        "cwd": cut,
        "env": quiet_environment(),
        "stdout": subprocess.DEVNULL,
        "stderr": subprocess.DEVNULL,
    }
    dask = [sys.executable, "-m", "dask"]
    with (
        subprocess.Popen(
            [*dask, "scheduler", "--host=127.0.0.1", "--port=0", *options], **started
        ) as scheduler,
        subprocess.Popen([*dask, "worker", "--nthreads=1", "--host=127.0.0.1", *options], **started) as nanny,
    ):
        try:
            wait_for(file.exists)
            address = json.loads(file.read_text())["address"]
            command = train_bilstm(RUNNER, f"--runner-params=address={address}")
            log = cut / "run.log"
            with log.open("w") as output:
                process = subprocess.Popen(
                    [sys.executable, "-m", "kedro", *command],
                    **started | {"stdout": output, "stderr": subprocess.STDOUT},
                )
                wait_for((cut / CHECKPOINT).exists)
                workers = psutil.Process(nanny.pid).children(recursive=True)
                scheduler.kill()
                status = process.wait(within(120))
            assert status == 1 and "the connection with the Dask scheduler" in log.read_text(), (
                log.read_text()[-3000:]
            )
            wait_for(
                lambda: not any(worker.is_running() and worker.status() != "zombie" for worker in workers)
            )
        finally:
            for each in (scheduler, nanny):
                each.kill()
    assert statuses(cut) == {STUDY: ["FAILED"]}

    done = kedro(cut, *train_bilstm("--params=run.resume=true"))
    assert done.returncode == 0 and "starts afresh" not in done.stdout + done.stderr
    weights = Path("data/06_models/test") / STUDY / "bilstm/weights.safetensors"
    assert (cut / weights).read_bytes() == (whole / weights).read_bytes()


@contextmanager
def cluster(project: Path, workers: int, file: Path) -> Iterator[str]:
    """A scheduler and workers, each a command as `docs/cluster.md` shows it; its address."""
    started: dict[str, Any] = {
        "cwd": project,
        "env": quiet_environment(),
        "stdout": subprocess.DEVNULL,
        "stderr": subprocess.DEVNULL,
    }
    dask = [sys.executable, "-m", "dask"]
    options = ["--host=127.0.0.1", f"--scheduler-file={file}", "--no-dashboard"]
    with (
        subprocess.Popen([*dask, "scheduler", "--port=0", *options], **started) as scheduler,
        subprocess.Popen(
            [*dask, "worker", "--nthreads=1", f"--nworkers={workers}", *options], **started
        ) as nanny,
    ):
        try:
            wait_for(file.exists)
            yield json.loads(file.read_text())["address"]
        finally:
            for each in (nanny, scheduler):
                each.terminate()
                each.wait(within(30))


@pytest.mark.heavy
def test_a_run_that_is_terminated_ends_as_killed_and_another_on_the_same_cluster_goes_on(
    tmp_path: Path,
) -> None:
    ended, other = many_small_steps(tmp_path / "ended"), many_small_steps(tmp_path / "other")
    with cluster(ended, 2, tmp_path / "scheduler.json") as address:
        command = train_bilstm(RUNNER, f"--runner-params=address={address}")
        started = {"env": quiet_environment(), "stderr": subprocess.STDOUT}
        with (ended / "run.log").open("w") as log, (other / "run.log").open("w") as other_log:
            kedro_command = [sys.executable, "-m", "kedro", *command]
            fit = f"{STUDY}.bilstm.fit"
            long = (
                f"--params={fit}.epochs=500,{fit}.patience=500"  # it does not end before the second has begun
            )
            first = subprocess.Popen([*kedro_command, long], cwd=ended, stdout=log, **started)
            wait_for(lambda: (ended / CHECKPOINT).exists() or first.poll() is not None)
            second = subprocess.Popen(kedro_command, cwd=other, stdout=other_log, **started)
            wait_for(lambda: (other / CHECKPOINT).exists() or second.poll() is not None)
            assert first.poll() is None, (ended / "run.log").read_text()[-3000:]
            first.send_signal(signal.SIGTERM)
            status = first.wait(within(60))
            assert second.wait(within(240)) == 0, (other / "run.log").read_text()[-3000:]
    assert status == 128 + signal.SIGTERM, (ended / "run.log").read_text()[-3000:]
    assert statuses(ended) == {STUDY: ["KILLED"]} and statuses(other) == {STUDY: ["FINISHED"]}
    weights = Path("data/06_models/test") / STUDY / "bilstm/weights.safetensors"
    assert (other / weights).exists() and not (ended / weights).exists(), "the first's node was stopped"
