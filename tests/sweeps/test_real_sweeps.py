"""Sweeps with real processes, a real store and a real kill."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest
from mlflow import MlflowClient

from etudes.sweeps.search import Search
from etudes.sweeps.space import parse_space
from projects import kedro, make_project, quiet_environment, within

pytestmark = pytest.mark.slow
TABLE = "income_classification"
TEXTS = "genre_classification"


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


@pytest.mark.heavy
def test_a_search_that_is_killed_goes_on_and_reads_the_dev_scores_of_running_trainings(
    tmp_path: Path,
) -> None:
    rate = f"{TEXTS}.bilstm.fit.learning_rate"
    project = make_project(tmp_path)
    arguments = ["sweep", TEXTS, "--env=test", "--search=tpe", "--trials=2", "--seeds=1"]
    arguments += [f"--params={rate}=1e-4..1e-1:log", f"--params={TEXTS}.variants=[bilstm]"]
    database = project / "data/sweeps" / TEXTS / "test"
    with (tmp_path / "log").open("w") as log:
        process = subprocess.Popen(
            [sys.executable, "-m", "kedro", *arguments],
            cwd=project,
            env=quiet_environment(),
            stdout=log,
            stderr=subprocess.STDOUT,
        )
        try:  # the first trial is told, the second has begun
            ends = time.monotonic() + within(300)
            while "[trial 1/2]" not in (said := (tmp_path / "log").read_text()) or not runs_begun(database):
                assert time.monotonic() < ends and process.poll() is None, said
                time.sleep(0.05)
        finally:
            process.kill()
            process.wait()
    done = kedro(project, *arguments, timeout=600)
    assert done.returncode == 0, done.stdout + done.stderr
    (file,) = database.glob("*.search.db")
    space = parse_space((f"{rate}=1e-4..1e-1:log",), search=True)
    search = Search(file, space, {}, "tpe", True, 1)
    assert search.counts == {"ended": 2} and search.observed
    assert "Trials were pruned by dev accuracy of bilstm" in done.stdout
    trials = [run for name, run in runs_of(project, TEXTS).items() if name.endswith(", trial")]
    assert trials and not any(
        name.startswith("bilstm.accuracy") for run in trials for name in run.data.metrics
    ), "no number of the test data"
    (parent,) = (run for name, run in runs_of(project, TEXTS).items() if name.startswith("sweep "))
    assert parent.info.status == "FINISHED" and "dev_accuracy" in parent.data.metrics
