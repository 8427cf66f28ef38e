"""A training that was interrupted and resumed ends with the numbers of one that was not."""

from __future__ import annotations

import errno
import json
import os
import pickle
import signal
import subprocess
import sys
import time
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor
from toy import Interrupted, Toy, Watched, network, same, settings, train, weights_of

from etudes.atomic import atomic_file
from etudes.training.checkpoint import Checkpoint, CheckpointError, checkpoint_key
from projects import STUDY, kedro, quiet_environment, within
from small_steps import many_small_steps, train_bilstm

Outcome = tuple[dict[str, Tensor], list[dict[str, float]]]
STEPS = 16  # four epochs of four batches


def noisy(**changes: Any) -> Toy:
    """A problem whose steps depend on torch's, numpy's and Python's global generators."""
    return Toy(**{"model": network(dropout=0.5), "noisy": True, **changes})


def outcome(problem: Toy, folder: Path | None, **run: Any) -> Outcome:
    fit_settings = run.pop("fit_settings", settings())
    epochs = train(problem, folder, fit_settings, **run)
    return weights_of(problem), epochs


def interrupt(folder: Path, step: int, **changes: Any) -> None:
    with pytest.raises(Interrupted):
        train(noisy(raise_at=step), folder, settings(**changes))


@pytest.fixture(scope="module")
def uninterrupted() -> Outcome:
    return outcome(noisy(), None)


def assert_equal(found: Outcome, expected: Outcome) -> None:
    assert same(found[0], expected[0])
    assert found[1] == expected[1]


# Step 3 is in the first epoch, 7 in the second, 9 the first of the third; every third step loses up to two of them.
@pytest.mark.parametrize("checkpoint_steps", [1, 3])
@pytest.mark.parametrize("step", [3, 7, 9])
def test_resumed_training_equals_an_uninterrupted_one(
    tmp_path: Path, uninterrupted: Outcome, step: int, checkpoint_steps: int
) -> None:
    fit_settings = settings(checkpoint_steps=checkpoint_steps)
    expected = outcome(noisy(), None, fit_settings=fit_settings)
    assert_equal(expected, uninterrupted)  # saving takes nothing from the generators
    interrupt(tmp_path, step, checkpoint_steps=checkpoint_steps)
    problem = noisy()
    found = outcome(problem, tmp_path, resume=True, fit_settings=fit_settings)
    assert_equal(found, expected)
    done = step - 1
    in_epoch = done % 4
    saved = done - in_epoch + in_epoch // checkpoint_steps * checkpoint_steps
    assert problem.steps == STEPS - saved


def test_a_training_interrupted_twice_equals_an_uninterrupted_one(
    tmp_path: Path, uninterrupted: Outcome
) -> None:
    interrupt(tmp_path, 6)
    with pytest.raises(Interrupted):
        train(noisy(raise_at=6), tmp_path, settings(), resume=True)
    problem = noisy()
    assert_equal(outcome(problem, tmp_path, resume=True), uninterrupted)
    assert problem.steps == STEPS - 10


def test_averaged_weights_are_resumed_too(tmp_path: Path) -> None:
    fit_settings = settings(average=0.9)
    expected = outcome(noisy(), None, fit_settings=fit_settings)
    interrupt(tmp_path, 7, average=0.9)
    assert_equal(outcome(noisy(), tmp_path, resume=True, fit_settings=fit_settings), expected)


def test_what_a_problem_watches_is_kept_of_every_epoch_and_through_an_interruption(tmp_path: Path) -> None:
    expected, first = Watched(), next(network().parameters()).detach().clone()
    train(expected, None, settings())
    assert expected.watched.shape == (settings().epochs + 1, *first.shape)
    assert torch.equal(expected.watched[0], first)
    kept = [next(iter(weights.values())) for weights in expected.snapshots]
    assert all(torch.equal(seen, weights) for seen, weights in zip(expected.watched[1:], kept, strict=True))
    with pytest.raises(Interrupted):
        train(Watched(raise_at=7), tmp_path, settings())
    resumed = Watched()
    train(resumed, tmp_path, settings(), resume=True)
    assert torch.equal(resumed.watched, expected.watched)


def test_best_weights_survive_an_interruption_after_the_best_epoch(tmp_path: Path) -> None:
    scores = [0.9, 0.1, 0.1, 0.1]
    with pytest.raises(Interrupted):
        train(noisy(scores=scores, raise_at=7), tmp_path, settings())
    resumed = noisy(scores=scores[1:])
    found = outcome(resumed, tmp_path, resume=True)
    assert_equal(found, outcome(noisy(scores=scores), None))


def test_without_resume_a_training_starts_afresh(tmp_path: Path, uninterrupted: Outcome) -> None:
    interrupt(tmp_path, 7)
    problem = noisy()
    assert_equal(outcome(problem, tmp_path), uninterrupted)
    assert problem.steps == STEPS


def test_a_finished_training_is_resumed_without_a_step(tmp_path: Path, uninterrupted: Outcome) -> None:
    assert_equal(outcome(noisy(), tmp_path), uninterrupted)
    problem = noisy()
    assert_equal(outcome(problem, tmp_path, resume=True), uninterrupted)
    assert problem.steps == 0


def test_nothing_to_resume_starts_afresh(tmp_path: Path, uninterrupted: Outcome) -> None:
    assert_equal(outcome(noisy(), tmp_path / "new", resume=True), uninterrupted)


@pytest.mark.parametrize(
    ("problem", "run"),
    [
        pytest.param({"data_seed": 1}, {}, id="data"),
        pytest.param({}, {"fit_settings": settings(learning_rate=0.01)}, id="fit parameters"),
        pytest.param({}, {"fit_settings": settings(gradient_clip=2.0)}, id="clip"),
        pytest.param({}, {"fit_settings": settings(average=0.5)}, id="average"),
        pytest.param({}, {"fit_settings": settings(patience=9)}, id="patience"),
        pytest.param({"model": network(dropout=0.4)}, {}, id="dropout"),
        pytest.param({"model": network(dropout=0.5, seed=1)}, {}, id="first weights"),
        pytest.param({}, {"seed": 4}, id="seed"),
        pytest.param({}, {"precision": "bf16"}, id="precision"),
    ],
)
def test_a_checkpoint_of_another_training_is_not_resumed(
    tmp_path: Path, caplog: pytest.LogCaptureFixture, problem: dict[str, Any], run: dict[str, Any]
) -> None:
    interrupt(tmp_path, 7)
    other = noisy(**problem)
    train(other, tmp_path, run.get("fit_settings", settings()), resume=True, **without_settings(run))
    assert other.steps == STEPS
    assert "belongs to other data, parameters, seed or code: training starts afresh" in caplog.text
    assert str(tmp_path / "checkpoint.pt") in caplog.text


def without_settings(run: dict[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in run.items() if name != "fit_settings"}


def test_a_checkpoint_of_other_code_is_not_resumed(
    tmp_path: Path, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    interrupt(tmp_path, 7)
    monkeypatch.setattr("etudes.training.checkpoint.code_version", lambda study: "other")
    problem = noisy()
    train(problem, tmp_path, settings(), resume=True)
    assert problem.steps == STEPS
    assert "training starts afresh" in caplog.text


class Bomb:
    """What a hostile checkpoint would run."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def __reduce__(self) -> tuple[Any, ...]:
        return (Path.touch, (self.path,))


@pytest.mark.parametrize("damage", ["truncated", "garbage", "empty", "another file", "pickle"])
def test_a_damaged_checkpoint_is_named_and_left_as_it_is(tmp_path: Path, damage: str) -> None:
    interrupt(tmp_path, 7)
    path = tmp_path / "checkpoint.pt"
    whole = path.read_bytes()
    if damage == "another file":
        torch.save([1, 2], path)
    else:
        path.write_bytes(
            {
                "truncated": whole[: len(whole) // 2],
                "garbage": bytes(range(256)) * 8,
                "empty": b"",
                "pickle": pickle.dumps(Bomb(tmp_path / "exploded"), protocol=2),
            }[damage]
        )
    before = path.read_bytes()
    with pytest.raises(CheckpointError, match=r"cannot be read.*run without run\.resume") as caught:
        train(noisy(), tmp_path, settings(), resume=True)
    assert str(path) in str(caught.value)
    assert path.read_bytes() == before
    assert [entry.name for entry in tmp_path.iterdir()] == ["checkpoint.pt"]


@pytest.mark.parametrize("failure", ["full disk", "Ctrl-C"])
def test_a_write_that_fails_half_way_keeps_the_previous_checkpoint(
    tmp_path: Path, uninterrupted: Outcome, monkeypatch: pytest.MonkeyPatch, failure: str
) -> None:
    real, calls = torch.save, 0

    def full_disk(value: Any, file: Any) -> None:
        nonlocal calls
        calls += 1
        if calls < 6:
            real(value, file)
            return
        file.write(b"PK half a file")
        if failure == "full disk":
            raise OSError(errno.ENOSPC, "No space left on device")
        raise KeyboardInterrupt

    monkeypatch.setattr(torch, "save", full_disk)
    with pytest.raises(OSError if failure == "full disk" else KeyboardInterrupt):
        train(noisy(), tmp_path, settings())
    monkeypatch.undo()
    assert [entry.name for entry in tmp_path.iterdir()] == ["checkpoint.pt"]
    problem = noisy()
    assert_equal(outcome(problem, tmp_path, resume=True), uninterrupted)
    assert problem.steps == STEPS - 4  # four steps, then the end of the first epoch was saved


@pytest.mark.skipif(sys.platform == "win32", reason="needs a limit of the file size")
def test_a_full_disk_is_reported_as_such(tmp_path: Path) -> None:
    """The system itself refuses the bytes, by the limit of a file's size."""
    import resource

    checkpoint = Checkpoint(tmp_path, "key", resume=True)
    checkpoint.save({"value": 1})
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (200_000, hard))
    try:
        with pytest.raises(
            OSError, match=r"checkpoint\.pt: the checkpoint cannot be written.*(File too large|No space left)"
        ):
            checkpoint.save({"value": torch.zeros(10**6)})
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
    assert checkpoint.load() == {"value": 1}
    assert [entry.name for entry in tmp_path.iterdir()] == ["checkpoint.pt"]


class Interrupting:
    """A file in whose writing Ctrl-C comes, as it does in Python's own code beneath torch's."""

    def __init__(self, file: Any) -> None:
        self.file, self.interrupted = file, False

    def write(self, content: Any) -> int:
        if len(content) > 10**5 and not self.interrupted:
            self.interrupted = True
            raise KeyboardInterrupt
        return int(self.file.write(content))

    def __getattr__(self, name: str) -> Any:
        return getattr(self.file, name)


def test_an_interrupt_in_mid_write_stays_an_interrupt(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    checkpoint = Checkpoint(tmp_path, "key", resume=True)
    checkpoint.save({"value": 1})
    save = torch.save
    monkeypatch.setattr(torch, "save", lambda value, file: save(value, Interrupting(file)))
    with pytest.raises(RuntimeError, match="unexpected pos"):
        torch.save({"value": torch.zeros(10**6)}, (tmp_path / "torch").open("wb"))
    (tmp_path / "torch").unlink()
    with pytest.raises(KeyboardInterrupt):
        checkpoint.save({"value": torch.zeros(10**6)})
    assert checkpoint.load() == {"value": 1}
    assert [entry.name for entry in tmp_path.iterdir()] == ["checkpoint.pt"]


def test_an_error_that_is_no_full_disk_is_not_called_one(tmp_path: Path) -> None:
    with pytest.raises(Exception) as caught:
        Checkpoint(tmp_path, "key", resume=True).save({"value": (number for number in range(3))})
    assert not isinstance(caught.value, OSError)


def test_checkpoints_that_are_saved_side_by_side_leave_each_other_alone(tmp_path: Path) -> None:
    first = Checkpoint(tmp_path, "key", resume=True)
    with atomic_file(tmp_path / "checkpoint.pt") as another:
        another.write_bytes(b"of another process")
        Checkpoint(tmp_path, "key", resume=True).save({"value": 1})
        assert another.exists() and first.load() == {"value": 1}


def test_without_a_folder_nothing_is_saved_or_loaded() -> None:
    checkpoint = Checkpoint(None, "key", resume=True)
    checkpoint.save({"value": 1})
    assert checkpoint.load() is None


def test_a_key_depends_on_every_part_and_not_on_the_order_of_a_mapping() -> None:
    first = checkpoint_key("data", {"a": 1, "b": 2}, 0)
    assert checkpoint_key("data", {"b": 2, "a": 1}, 0) == first
    assert (
        len({first, checkpoint_key("data", {"a": 1, "b": 3}, 0), checkpoint_key("data", {"a": 1, "b": 2}, 1)})
        == 3
    )


@pytest.mark.slow
@pytest.mark.parametrize("step", [3, 10])
def test_a_killed_process_is_resumed_to_the_same_numbers(
    tmp_path: Path, uninterrupted: Outcome, step: int
) -> None:
    environment = quiet_environment(PYTHONPATH=os.pathsep.join([str(Path(__file__).parent), *sys.path]))
    command = [sys.executable, "-m", "toy", str(tmp_path), str(step)]
    killed = subprocess.run(
        command, env=environment, capture_output=True, text=True, timeout=within(120), check=False
    )
    assert killed.returncode == -signal.SIGKILL, killed.stderr
    problem = noisy()
    assert_equal(outcome(problem, tmp_path, resume=True), uninterrupted)
    assert problem.steps == STEPS - (step - 1)


@pytest.mark.slow
@pytest.mark.heavy
def test_two_ranks_resume_to_the_same_numbers(tmp_path: Path) -> None:
    whole = outcome(noisy(), tmp_path / "whole", devices=2)
    with pytest.raises(RuntimeError, match="interrupted at step 7"):
        train(noisy(raise_at=7), tmp_path / "cut", settings(), devices=2)
    assert_equal(outcome(noisy(), tmp_path / "cut", devices=2, resume=True), whole)


def kill_in_mid_training(project: Path) -> dict[str, Any]:
    """Start the run, kill -9 it once a checkpoint in mid-epoch has been replaced twice; give the progress it holds."""
    path = project / "data" / "06_models" / "test" / STUDY / "checkpoints" / "bilstm" / "checkpoint.pt"
    command = [sys.executable, "-m", "kedro", *train_bilstm()]
    log = (project / "killed.log").open("w")
    process = subprocess.Popen(
        command, cwd=project, env=quiet_environment(), stdout=log, stderr=log, stdin=subprocess.DEVNULL
    )
    seen: set[int] = set()
    progress: dict[str, Any] = {"epoch": 0, "step": 0}
    try:
        deadline = time.monotonic() + within(240)
        while time.monotonic() < deadline and process.poll() is None:
            if path.exists():
                seen.add(path.stat().st_mtime_ns)
                # Not a write in progress: the file only ever appears whole.
                progress = torch.load(path, weights_only=True)["state"]["progress"]
            if len(seen) > 2 and progress["epoch"] >= 1 and progress["step"] > 0:
                break
            time.sleep(0.02)
        assert process.poll() is None, (project / "killed.log").read_text()[-3000:]
    finally:
        process.kill()
        process.wait(timeout=within(30))
        log.close()
    assert len(seen) > 2
    return torch.load(path, weights_only=True)["state"]["progress"]


@pytest.mark.slow
def test_a_killed_study_is_resumed_to_the_same_files(tmp_path: Path) -> None:
    from mlflow import MlflowClient

    whole, cut = many_small_steps(tmp_path / "whole"), many_small_steps(tmp_path / "cut")
    progress = kill_in_mid_training(cut)
    assert progress["epoch"] < 5 and not progress["finished"]
    for project, more in ((whole, []), (cut, ["--params=run.resume=true"])):
        done = kedro(project, *train_bilstm(*more))
        assert done.returncode == 0, done.stdout[-3000:] + done.stderr[-3000:]
        if project == cut:
            assert "starts afresh" not in done.stdout + done.stderr

    models = Path("data") / "06_models" / "test" / STUDY
    for name in ("bilstm/weights.safetensors", "bilstm/model.json", "bilstm_history.json"):
        assert (cut / models / name).read_bytes() == (whole / models / name).read_bytes(), name
    assert len(json.loads((cut / models / "bilstm_history.json").read_text())["epochs"]) == 5

    client = MlflowClient(f"sqlite:///{cut / 'mlflow.db'}")
    experiment = client.get_experiment_by_name(STUDY)
    assert experiment is not None
    second, first = client.search_runs([experiment.experiment_id], order_by=["attributes.start_time DESC"])
    assert (first.info.status, second.info.status) == ("KILLED", "FINISHED")
    assert second.data.tags["etudes.restart_of"] == first.info.run_id
    # The killed run's epochs come at once when the second run starts, so they lie within far less time than training.
    curve = client.get_metric_history(second.info.run_id, "bilstm.train_loss")
    assert [point.step for point in curve] == list(range(1, 6))
    restored = [point.timestamp for point in curve][: progress["epoch"]]
    trained = [point.timestamp for point in curve][progress["epoch"] :]
    assert max(restored) - min(restored) < min(b - a for a, b in pairwise(trained))
