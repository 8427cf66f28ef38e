"""Learning a strip: it turns photos it has not seen, keeps its range, and resumes to the same numbers."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from etudes.pipelines.adversarial_strip.networks import View

from etudes.examples import Examples
from etudes.pipelines.adversarial_strip import learning
from etudes.pipelines.adversarial_strip.learning import Task, learn_strip
from etudes.pipelines.adversarial_strip.strip import paste
from etudes.training.checkpoint import CheckpointError
from etudes.training.session import training_session

ROWS = 4


@pytest.fixture
def task(photos: Callable[..., Examples], small_view: View) -> Task:
    others = [part.take(part.rows["label"].to_numpy() != 3) for part in (photos(48), photos(24, seed=1))]
    pixels = [np.asarray(part["pixels"]) for part in others]
    return Task(small_view, "cafe", *pixels, target=3, rows=ROWS, loss="cross_entropy")


@pytest.fixture
def learn(settings: Callable[..., Any], run_settings: Callable[..., Any]) -> Callable[..., Any]:
    def build(task: Task, seed: int = 0, resume: bool = False, **changes: Any) -> Any:
        parameters = settings("attack", learning=changes).learning
        return learn_strip(task, parameters, run_settings(seed=seed, resume=resume))

    return build


def success(task: Task, photos: np.ndarray, strip: np.ndarray) -> float:
    patched = torch.from_numpy(paste(photos, strip)).permute(0, 3, 1, 2).float() / 255
    return float((task.view(patched).argmax(1) == task.target).float().mean())


@pytest.mark.parametrize("loss", ["cross_entropy", "margin"])
def test_a_learned_strip_raises_the_target_on_photos_it_has_not_seen(
    task: Task, learn: Callable[..., Any], loss: str, photos: Callable[..., Examples]
) -> None:
    strip, history = learn(replace(task, loss=loss), iterations=30)
    unseen = photos(30, seed=9)["pixels"]

    def log_probability(strip: np.ndarray) -> float:
        inputs = torch.from_numpy(paste(unseen, strip)).permute(0, 3, 1, 2).float() / 255
        return float(task.view(inputs).log_softmax(1)[:, task.target].mean())

    generator = np.random.default_rng(3)
    random = [generator.integers(0, 256, strip.shape, dtype=np.uint8) for _ in range(20)]
    assert log_probability(strip) > max(map(log_probability, [*random, np.zeros_like(strip)]))
    losses = [row["loss"] for row in history["iterations"]]
    assert np.mean(losses[-5:]) < np.mean(losses[:5])


def test_one_step_lowers_the_loss_of_its_batch(task: Task, learn: Callable[..., Any]) -> None:
    everything = {"batch_size": len(task.train), "momentum": 0.0, "step": 0.01, "score_every": 1}
    _, history = learn(task, iterations=2, **everything)
    first, second = (row["loss"] for row in history["iterations"])
    assert second < first


def test_strip_is_8_bits_and_dev_scores_are_of_the_rounded_strip(
    task: Task, learn: Callable[..., Any]
) -> None:
    strip, history = learn(task)
    assert strip.dtype == np.uint8 and strip.shape == (ROWS, 16, 3)
    assert history["best"]["success"] == pytest.approx(success(task, task.dev, strip))
    best = max((row["dev_success"], row["dev_target_log_probability"]) for row in history["epochs"])
    assert tuple(history["best"].values()) == best


def test_the_same_seed_gives_the_same_strip_and_another_seed_another(
    task: Task, learn: Callable[..., Any]
) -> None:
    strip, history = learn(task)
    again, same = learn(task)
    assert np.array_equal(strip, again) and history == same
    assert not np.array_equal(strip, learn(task, seed=1)[0])


def test_the_networks_weights_are_left_alone(task: Task, learn: Callable[..., Any]) -> None:
    before = {name: value.clone() for name, value in task.view.state_dict().items()}
    learn(task)
    assert all(torch.equal(value, before[name]) for name, value in task.view.state_dict().items())
    assert all(parameter.grad is None for parameter in task.view.parameters())


def test_learning_stops_when_dev_success_rises_no_more(task: Task, learn: Callable[..., Any]) -> None:
    _, history = learn(task, iterations=400, score_every=5, patience=2)
    looks = [row["dev_success"] for row in history["epochs"]]
    assert len(history["iterations"]) < 400
    assert max(looks[:-2]) >= max(looks[-2:])


def test_every_photo_is_seen_once_in_a_pass(
    task: Task, settings: Callable[..., Any], run_settings: Callable[..., Any]
) -> None:
    state = learning._Learning(task, settings("attack", learning={"batch_size": 9}).learning, run_settings())
    seen = []
    for iteration in range(len(task.train) // 9):
        state.state.iteration = iteration
        seen += state._batch().tolist()
    assert len(seen) == len(set(seen)) == 36


def test_a_killed_learning_resumes_to_the_same_numbers(
    task: Task, learn: Callable[..., Any], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    strip, history = learn(task)
    curve: list[tuple[int, dict[str, float]]] = []
    look = learning._Learning._look

    def killed(self: Any) -> None:
        if self.state.iteration == 20:
            raise KeyboardInterrupt
        look(self)

    named = replace(task, name="")
    with training_session("cross_entropy", tmp_path, lambda step, row: curve.append((step, row))):
        monkeypatch.setattr(learning._Learning, "_look", killed)
        with pytest.raises(KeyboardInterrupt):
            learn(named)
        monkeypatch.setattr(learning._Learning, "_look", look)
        resumed, same = learn(named, resume=True)
    assert np.array_equal(strip, resumed) and history == same
    assert [step for step, _ in curve] == [10, 10, 20, 30], "the curve of the killed run is written again"


def test_other_photos_or_settings_start_afresh(
    task: Task, learn: Callable[..., Any], tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    with training_session("cross_entropy", tmp_path, lambda step, row: None):
        learn(task)
        fresh = replace(task, train=task.train[::-1].copy())
        learn(fresh, resume=True)
    assert "training starts afresh" in caplog.text


def test_a_damaged_checkpoint_is_named(task: Task, learn: Callable[..., Any], tmp_path: Path) -> None:
    (tmp_path / "checkpoint.pt").write_bytes(b"no checkpoint")
    with (
        training_session("cross_entropy", tmp_path, lambda step, row: None),
        pytest.raises(CheckpointError, match="cannot be read"),
    ):
        learn(task, resume=True)


def test_a_network_that_answers_no_numbers_is_named(task: Task, learn: Callable[..., Any]) -> None:
    class Broken(torch.nn.Module):
        def forward(self, photos: torch.Tensor) -> torch.Tensor:
            return torch.full((len(photos), 4), float("nan")) * photos.mean()

    with pytest.raises(ValueError, match=r"loss is nan .* in iteration 0; expected finite numbers"):
        learn(replace(task, view=View(Broken())))
