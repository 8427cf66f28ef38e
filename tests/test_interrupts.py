"""Ctrl-C ends a run as KILLED with exit status 130, whenever it comes and whatever a library makes of it."""

from __future__ import annotations

import os
import random
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import pytest
import yaml
from benchmarks.trivial import STUDY as TRIVIAL
from benchmarks.trivial import make_trivial_project
from mlflow.tracking import MlflowClient

from etudes import interrupts
from etudes.training.session import record
from projects import STUDY, make_project, quiet_environment


@pytest.fixture
def listening() -> Iterator[None]:
    """This process listens, as a command does."""
    before = {each: signal.getsignal(each) for each in (signal.SIGINT, signal.SIGTERM)}
    signal.signal(signal.SIGINT, signal.default_int_handler)
    interrupts.listen()
    yield
    interrupts.listen()  # nothing received, nothing concluded
    for each, handler in before.items():
        signal.signal(each, handler)


def interrupt(number: signal.Signals = signal.SIGINT) -> None:
    os.kill(os.getpid(), number)


def drop_an_interrupt() -> None:
    """What a library does that catches everything."""
    with suppress(KeyboardInterrupt):
        interrupt()


@pytest.mark.parametrize(("number", "status"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
def test_a_signal_interrupts_and_gives_its_exit_status(
    listening: None, number: signal.Signals, status: int
) -> None:
    with pytest.raises(KeyboardInterrupt):
        interrupt(number)
    assert interrupts.exit_status() == status


def test_an_interrupt_that_was_dropped_is_raised_at_the_next_live_metric(listening: None) -> None:
    record(1, {"loss": 1.0})
    drop_an_interrupt()
    with pytest.raises(KeyboardInterrupt):
        record(2, {"loss": 1.0})


def test_an_interrupt_in_a_finaliser_is_remembered_and_printed_nowhere() -> None:
    script = (
        "import os, signal\n"
        "from etudes import interrupts\n"
        "class Fragile:\n"
        "    def __del__(self):\n"
        "        os.kill(os.getpid(), signal.SIGINT)\n"
        "interrupts.listen()\n"
        "Fragile()\n"
        "try:\n"
        "    interrupts.check()\n"
        "except KeyboardInterrupt:\n"
        "    raise SystemExit(interrupts.exit_status())\n"
    )
    environment = quiet_environment(PYTHONPATH=os.pathsep.join(sys.path))
    done = subprocess.run(
        [sys.executable, "-c", script],
        env=environment,
        capture_output=True,
        text=True,
        check=False,
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),
    )
    assert (done.returncode, done.stderr) == (130, "")


def test_an_error_after_an_interrupt_is_an_interrupt(listening: None) -> None:
    assert not interrupts.is_interrupt(RuntimeError("unexpected pos 64"))
    drop_an_interrupt()
    assert interrupts.is_interrupt(RuntimeError("unexpected pos 64"))


def test_where_nothing_listens_the_chain_of_errors_tells() -> None:
    for wrapped in (True, False):
        try:
            try:
                raise KeyboardInterrupt if wrapped else OSError("full")
            except BaseException as error:
                raise RuntimeError("enforce fail") from error
        except RuntimeError as error:
            assert interrupts.is_interrupt(error) == wrapped


def test_a_held_interrupt_waits_for_the_end_of_the_block(listening: None) -> None:
    done = []
    with pytest.raises(KeyboardInterrupt), interrupts.held():
        with interrupts.held():
            interrupt()
        done.append("inner")
        done.append("outer")
    assert done == ["inner", "outer"]


def test_a_second_interrupt_does_not_wait(listening: None) -> None:
    with pytest.raises(KeyboardInterrupt), interrupts.held():
        interrupt()
        interrupt()
        pytest.fail("went on")


def test_after_an_interrupt_blocks_that_tidy_up_run_to_their_end(listening: None) -> None:
    drop_an_interrupt()
    with interrupts.held():
        pass


def test_nothing_interrupts_what_is_concluded(listening: None) -> None:
    with interrupts.held():
        interrupt()
        interrupts.conclude()
    interrupt()
    interrupts.check()
    assert not interrupts.is_interrupt(None)


def interrupted_run(project: Path, study: str, moment: float) -> tuple[int, str, float, float]:
    """Exit status and output of a run with Ctrl-C after some seconds; its seconds before and after that."""
    process = subprocess.Popen(
        [sys.executable, "-m", "kedro", "run", "--env=test", f"--pipelines={study}"],
        cwd=project,
        env=quiet_environment(),
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        stdin=subprocess.DEVNULL,
        # A shell starts background jobs with the interrupt ignored, and children inherit that.
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),  # noqa: PLW1509
    )
    start = time.monotonic()
    with suppress(subprocess.TimeoutExpired):
        process.wait(moment)
    before = time.monotonic() - start
    process.send_signal(signal.SIGINT)
    output, _ = process.communicate(timeout=120)
    return process.returncode, output, before, time.monotonic() - start - before


def status_of_runs(client: MlflowClient, study: str) -> dict[str, str]:
    experiment = client.get_experiment_by_name(study)
    assert experiment is not None
    found = client.search_runs([experiment.experiment_id], max_results=1000)
    return {run.info.run_id: run.info.status for run in found}


# Before the command line is loaded Python itself ends, by the signal; a run that has ended is not interrupted.
RIGHT = {(-signal.SIGINT, ()), (130, ()), (130, ("KILLED",)), (0, ("FINISHED",))}


def interrupt_at_random_moments(project: Path, study: str, times: int) -> None:
    start = time.monotonic()
    whole = subprocess.run(
        [sys.executable, "-m", "kedro", "run", "--env=test", f"--pipelines={study}"],
        cwd=project,
        env=quiet_environment(),
        check=True,
        capture_output=True,
    )
    seconds = time.monotonic() - start
    assert whole.returncode == 0
    client = MlflowClient(f"sqlite:///{project / 'mlflow.db'}")
    known = status_of_runs(client, study)
    moments = random.Random(0)
    for _ in range(times):
        moment = moments.uniform(0, seconds)
        code, output, before, took = interrupted_run(project, study, moment)
        if before < moment:
            seconds = before  # the first run took longer, it compiled
        runs = status_of_runs(client, study)
        new = {run_id: status for run_id, status in runs.items() if run_id not in known}
        told = f"at {moment:.2f} s of {seconds:.2f}: {output[-3000:]}"
        assert (code, tuple(new.values())) in RIGHT, told
        assert "Traceback" not in output or code == -signal.SIGINT, told
        assert took < 30, told
        if "FINISHED" not in new.values():
            assert not [v for v in client.search_model_versions() if v.run_id in new], told
        assert not list((project / "data").rglob(".*.tmp")), told
        assert not list((project / "data" / ".runs").rglob("*.json")), told
        known = runs


@pytest.mark.slow
def test_a_run_is_killed_at_any_moment(tmp_path: Path) -> None:
    interrupt_at_random_moments(make_trivial_project(tmp_path / "project"), TRIVIAL, 4)


@pytest.mark.slow
@pytest.mark.heavy
def test_a_run_that_saves_a_checkpoint_at_every_step_is_killed_at_fifty_moments(tmp_path: Path) -> None:
    project = make_project(tmp_path / "project")
    path = project / "conf" / "test" / "parameters" / f"{STUDY}.yml"
    parameters = yaml.safe_load(path.read_text())
    fit = {"epochs": 8, "patience": 8, "batch_size": 8, "checkpoint_steps": 1}
    parameters[STUDY] |= {"variants": ["majority", "bilstm"], "bilstm": {"vectors": "random", "fit": fit}}
    path.write_text(yaml.safe_dump(parameters))
    interrupt_at_random_moments(project, STUDY, 50)
