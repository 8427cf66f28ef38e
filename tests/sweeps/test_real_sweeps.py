"""Sweeps with real processes, a real store and a real kill."""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from mlflow import MlflowClient

from etudes.results.side_by_side import Processes
from etudes.sweeps.search import Search
from etudes.sweeps.space import parse_space
from etudes.sweeps.sweep import Plan, Sweep
from projects import kedro, make_project, quiet_environment, within

pytestmark = pytest.mark.slow
TABLE = "income_classification"
TEXTS = "genre_classification"
RATE = f"{TEXTS}.bilstm.fit.learning_rate"
EPOCHS = 40


def runs_of(project: Path, study: str) -> dict[str, Any]:
    client = MlflowClient(f"sqlite:///{project / 'mlflow.db'}")
    experiment = client.get_experiment_by_name(study)
    assert experiment is not None and not client.search_registered_models()
    return {run.info.run_name: run for run in client.search_runs([experiment.experiment_id])}


def runs_begun(folder: Path) -> list[str]:
    """Trials that have written something."""
    return [
        each for each in os.listdir(folder / "runs") if (folder / "runs" / each / "trial/06_models").exists()
    ]


@pytest.mark.heavy
def test_seeds_side_by_side_then_one_more_by_a_worker(tmp_path: Path) -> None:
    project = make_project(tmp_path)
    command = ["sweep", TABLE, "--env=test", f"--params={TABLE}.variants=[majority,logistic]"]
    done = kedro(project, *command, "--seeds=2", "--workers=2")
    assert done.returncode == 0, done.stdout + done.stderr
    assert "[2/2] seed" in done.stdout and "| `logistic`, chosen on dev |" in done.stdout
    runs = runs_of(project, TABLE)
    (parent,) = (run for name, run in runs.items() if name.startswith("sweep "))
    children = [run for run in runs.values() if run.data.tags.get("mlflow.parentRunId") == parent.info.run_id]
    assert {run.data.tags["etudes.seed"] for run in children} == {"0", "1"}
    assert {run.info.status for run in runs.values()} == {"FINISHED"}

    pytest.importorskip("distributed", reason="needs the extra `cluster`")
    worker = ["--runner=etudes.runners.DaskRunner", "--runner-params=workers=1"]
    more = kedro(project, *command, "--seeds=3", *worker)
    assert more.returncode == 0, more.stdout + more.stderr
    assert "2 of 3 runs ended before" in more.stdout and "seeds 0 to 2" in more.stdout
    again = runs_of(project, TABLE)
    assert len(again) == 4 and again[parent.info.run_name].info.run_id == parent.info.run_id


def begun(*arguments: str, project: Path, log: Path) -> subprocess.Popen[bytes]:
    """A sweep that goes on beside the test."""
    with log.open("w") as output:
        return subprocess.Popen(
            [sys.executable, "-m", "kedro", "sweep", *arguments],
            cwd=project,
            env=quiet_environment(),
            stdout=output,
            stderr=subprocess.STDOUT,
        )


def wait_until(condition: Callable[[], bool], process: subprocess.Popen[bytes], log: Path) -> None:
    ends = time.monotonic() + within(300)
    while not condition():
        assert time.monotonic() < ends and process.poll() is None, log.read_text()
        time.sleep(0.05)


def scores_of(project: Path) -> Any:
    """Test and dev scores of the one sweep of a project, without what a machine takes for them."""
    (path,) = (project / "data/sweeps" / TEXTS / "test").glob("*.json")
    return json.loads(path.read_text())


@pytest.mark.heavy
def test_a_search_that_is_killed_goes_on_to_the_table_of_one_that_is_not(tmp_path: Path) -> None:
    arguments = [TEXTS, "--env=test", "--search=tpe", "--trials=2", "--seeds=1"]
    arguments += [f"--params={RATE}=1e-4..1e-1:log", f"--params={TEXTS}.variants=[bilstm]"]
    whole = make_project(tmp_path / "whole")
    done = kedro(whole, "sweep", *arguments, timeout=600)
    assert done.returncode == 0, done.stdout + done.stderr

    project, log = make_project(tmp_path / "killed"), tmp_path / "log"
    folder = project / "data/sweeps" / TEXTS / "test"
    process = begun(*arguments, project=project, log=log)
    try:  # the first trial is told, the second has begun
        wait_until(lambda: "[trial 1/2]" in log.read_text() and bool(runs_begun(folder)), process, log)
    finally:
        process.kill()
        process.wait()
    again = kedro(project, "sweep", *arguments, timeout=600)
    assert again.returncode == 0, again.stdout + again.stderr
    assert "[trial 1/2]" not in again.stdout and "[trial 2/2]" in again.stdout, "the first is not repeated"
    assert scores_of(project) == scores_of(whole)
    (file,) = folder.glob("*.search.db")
    search = Search(file, parse_space((f"{RATE}=1e-4..1e-1:log",), search=True), {}, "tpe", True, 1)
    assert search.counts == {"ended": 2} and search.observed

    runs = runs_of(project, TEXTS)
    trials = [run for name, run in runs.items() if name.endswith(", trial")]
    assert trials and not any(
        name.startswith("bilstm.accuracy") for run in trials for name in run.data.metrics
    ), "no number of the test data"
    (parent,) = (run for name, run in runs.items() if name.startswith("sweep "))
    assert parent.info.status == "FINISHED" and "dev_accuracy" in parent.data.metrics


@pytest.mark.heavy
def test_a_trial_below_the_median_is_stopped_while_it_trains_and_ctrl_c_keeps_what_ended(
    tmp_path: Path,
) -> None:
    project, log = make_project(tmp_path / "project"), tmp_path / "log"
    long = {"epochs": EPOCHS, "patience": EPOCHS, "batch_size": 4}
    given = [f"{RATE}=1e-4..1e-1:log", f"{TEXTS}.variants=[bilstm]"]
    given += [f"{TEXTS}.bilstm.fit.{name}={value}" for name, value in long.items()]
    space = parse_space(given, search=True)
    folder = project / "data/sweeps" / TEXTS / "test"
    key = Sweep(Plan(project, TEXTS, "test", space, 1, {}, "tpe", 6), folder, Processes, None, print).key
    before = Search(folder / f"{key}.search.db", space, {}, "tpe", True, 1)
    for trial in before.trials(5):  # five that nothing can match
        before.setting(trial)
        before.observe(trial, dict.fromkeys(range(1, EPOCHS + 1), 1.0))
        before.ended(trial, 1.0)

    arguments = [TEXTS, "--env=test", "--search=tpe", "--trials=6", "--seeds=1"]
    process = begun(*arguments, *(f"--params={each}" for each in given), project=project, log=log)
    try:
        wait_until(lambda: "[trial 6/6]" in log.read_text(), process, log)
        wait_until(lambda: any((folder / "runs").glob("*/seed_0/run.log")), process, log)
        process.send_signal(signal.SIGINT)
        status = process.wait(within(120))
    finally:
        process.kill()
    said = log.read_text()
    assert status == 130 and "Interrupted. What ended is kept; the same command goes on" in said, said
    assert re.search(r"\[trial 6/6\] bilstm.fit.learning_rate=\S+: pruned", said), said
    assert "Trials were pruned by dev accuracy of bilstm" in said and "5 ended, 1 pruned" in said
    runs = runs_of(project, TEXTS)
    (parent,) = (run for name, run in runs.items() if name.startswith("sweep "))
    (pruned,) = (run for name, run in runs.items() if name.endswith(", trial"))
    assert pruned.data.tags["mlflow.parentRunId"] == parent.info.run_id
    assert {parent.info.status, pruned.info.status} == {"KILLED"}
    client = MlflowClient(f"sqlite:///{project / 'mlflow.db'}")
    curve = client.get_metric_history(pruned.info.run_id, "bilstm.dev_accuracy")
    assert 3 <= max(point.step for point in curve) < EPOCHS
