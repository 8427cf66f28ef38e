"""Several ranks of one training inside a node that runs on a worker."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from pathlib import Path

import psutil
import pytest
from safetensors.numpy import load_file
from test_dask import CHECKPOINT, RUNNER, statuses, wait_for

from projects import kedro, make_project, quiet_environment, within
from small_steps import many_small_steps, train_bilstm

pytest.importorskip("distributed", reason="needs the extra `cluster`")
pytestmark = [pytest.mark.slow, pytest.mark.heavy]
ONE_WORKER = "--runner-params=workers=1"
TRAININGS = {
    # Without what each rank would draw by itself: dropout.
    "genre_classification": (
        "bilstm",
        "bilstm",
        "genre_classification.bilstm.dropout=0,genre_classification.bilstm.word_dropout=0",
    ),
    "decoder_transformer": ("transformer", "transformer", "run.seed=0"),
}


@pytest.mark.parametrize("study", TRAININGS)
def test_two_ranks_on_a_worker_train_as_one_with_the_joint_batch(study: str, tmp_path: Path) -> None:
    variant, folder, settings = TRAININGS[study]
    found = []
    for devices, more in ((1, []), (2, [RUNNER, ONE_WORKER])):
        project = make_project(tmp_path / str(devices))
        target = f"--to-nodes={study}.train_{variant}"
        given = f"--params=run.track=false,run.devices={devices},{settings}"
        done = kedro(project, "run", "--env=test", f"--pipelines={study}", target, given, *more)
        assert done.returncode == 0, done.stdout + done.stderr
        models = project / "data/06_models/test" / study
        history = json.loads((models / f"{variant}_history.json").read_text())
        weights = {
            f"{path.parent.name}/{name}": value
            for path in sorted((models / folder).rglob("*.safetensors"))
            for name, value in load_file(path).items()
        }
        found.append((weights, history))
    (alone, alone_history), (together, together_history) = found
    assert alone.keys() == together.keys() and alone
    for name, value in alone.items():
        assert together[name] == pytest.approx(value, rel=1e-3, abs=1e-4), name
    assert _numbers(together_history) == pytest.approx(_numbers(alone_history), rel=1e-3, abs=1e-4)


def _numbers(value: object) -> list[float]:
    """All numbers of a history, in their order."""
    if isinstance(value, dict):
        return [number for key in sorted(value) for number in _numbers(value[key])]
    if isinstance(value, list):
        return [number for item in value for number in _numbers(item)]
    return [float(value)] if isinstance(value, int | float) else []


def test_a_rank_that_dies_ends_its_node_with_an_error_of_its_own(tmp_path: Path) -> None:
    project = many_small_steps(tmp_path)
    command = [sys.executable, "-m", "kedro", *train_bilstm(RUNNER, ONE_WORKER, "--params=run.devices=2")]
    with (tmp_path / "run.log").open("w") as log:
        process = subprocess.Popen(command, cwd=project, env=quiet_environment(), stdout=log, stderr=log)
        wait_for(lambda: (project / CHECKPOINT).exists() or process.poll() is not None)
        ranks = [
            each for each in psutil.Process(process.pid).children(recursive=True) if _rank_of(each) == "1"
        ]
        os.kill(ranks[0].pid, signal.SIGKILL)
        status = process.wait(within(120))
    said = (tmp_path / "run.log").read_text()
    assert status == 1 and "1 of 1 studies failed" in said, said[-3000:]
    assert "Rank 1 of _fit failed: Signal 9 (SIGKILL)" in said, said[-3000:]
    assert statuses(project) == {"genre_classification": ["FAILED"]}
    assert not any(rank.is_running() and rank.status() != "zombie" for rank in ranks)


def _rank_of(process: psutil.Process) -> str | None:
    try:
        return process.environ().get("RANK")
    except psutil.Error:
        return None
