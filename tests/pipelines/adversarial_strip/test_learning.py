"""Learning a strip: its steps against a plain reference, what dev sees, and what a checkpoint depends on."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest
import torch

from attack_toys import StubVictims, photos, untrained_victims
from etudes.benches.attacks import answers
from etudes.pipelines.adversarial_strip.learning import CHUNK, Learning, Task
from etudes.pipelines.adversarial_strip.parameters import Parameters
from etudes.pipelines.adversarial_strip.strip import paste
from etudes.vision.victims import View
from study_settings import run_parameters, settings_of

HEIGHT, ROWS, TARGET = 0.25, 4, 3
settings = settings_of("adversarial_strip", Parameters)


@pytest.fixture
def task() -> Task:
    victims = untrained_victims()
    parts = [part.take(part.rows["label"].to_numpy() != TARGET) for part in (photos(48), photos(24, seed=1))]
    train, dev = (np.asarray(part["pixels"]) for part in parts)
    return Task(victims, "cnn", train, dev, TARGET, HEIGHT, "cross_entropy")


def learning(
    task: Task, seed: int = 0, resume: bool = False, precision: str = "no", **changes: Any
) -> Learning:
    """A learning that has not begun, its settings those of `test`, changed."""
    run = run_parameters(seed=seed, resume=resume, precision=precision)
    return Learning(task, settings("attack", learning=changes).learning, run)


def pasted(task: Task, pixels: np.ndarray, strip: torch.Tensor) -> torch.Tensor:
    """Logits of photos under a strip, by plain indexing and a whole pass."""
    inputs = torch.from_numpy(pixels).permute(0, 3, 1, 2).float() / 255
    inputs = torch.cat([strip.expand(len(inputs), -1, -1, -1), inputs[:, :, ROWS:]], 2)
    return task.victims.view(task.network)(inputs)


@pytest.mark.parametrize("loss", ["cross_entropy", "margin"])
def test_steps_are_those_of_the_equations(task: Task, loss: str) -> None:
    """g <- momentum g + grad / mean|grad|, x <- clip(x - step_t sign(g)), written out anew with autograd alone."""
    own = learning(
        replace(task, loss=loss), iterations=6, step=0.2, momentum=0.7, confidence=2.0, batch_size=5
    )
    strip, momentum = own.strip.clone(), torch.zeros(3, ROWS, 16)
    for iteration in range(5):
        batch = own._batch()
        x = strip.clone().requires_grad_()
        logits = pasted(task, task.train[batch], x)
        if loss == "cross_entropy":
            value = torch.nn.functional.cross_entropy(logits, torch.full((5,), TARGET))
        else:
            value = (logits[:, :TARGET].max(1).values - logits[:, TARGET] + 2.0).clamp(min=0).mean()
        (gradient,) = torch.autograd.grad(value, x)
        momentum = 0.7 * momentum + gradient / gradient.abs().mean()
        rate = 0.2 * max(0.05, np.cos(np.pi / 2 * iteration / 6))
        strip = (strip - rate * momentum.sign()).clamp(0, 1)
        own._step()
        assert own.iterations[-1]["loss"] == pytest.approx(float(value.detach()), rel=1e-4)
        assert torch.allclose(own.momentum, momentum, atol=1e-3)
        # The sign of a momentum near zero is a matter of rounding.
        certain = momentum.abs() > 1e-2
        assert certain.float().mean() > 0.9
        assert torch.allclose(own.strip[certain], strip[certain], atol=1e-6)
        strip, momentum = own.strip.clone(), own.momentum.clone()


def test_dev_is_scored_on_the_strip_rounded_to_8_bits(task: Task) -> None:
    own = learning(task)
    seen: list[torch.Tensor] = []
    logits = own.dev.logits

    def spy(strip: torch.Tensor, indices: Any) -> torch.Tensor:
        seen.append(strip)
        return logits(strip, indices)

    own.dev.logits = spy  # type: ignore[method-assign, assignment]
    strip, history = own.learn()
    assert len(seen) == len(history["epochs"]) * -(-len(task.dev) // CHUNK)
    for shown in seen:
        levels = (shown * 255).numpy()
        assert np.abs(levels - levels.round()).max() < 1e-4
    found = answers(task.victims.view("cnn"), paste(task.dev, strip), TARGET, 50)
    best = max((row["dev_success"], row["dev_target_log_probability"]) for row in history["epochs"])
    assert best == pytest.approx((found.success(TARGET).mean(), found.of_target.mean()), abs=1e-5)


@pytest.mark.parametrize("loss", ["cross_entropy", "margin"])
def test_a_learned_strip_raises_the_target_on_photos_it_has_not_seen(task: Task, loss: str) -> None:
    strip, _ = learning(replace(task, loss=loss), iterations=30).learn()
    unseen = np.asarray(photos(30, seed=9)["pixels"])

    def log_probability(strip: np.ndarray) -> float:
        return float(answers(task.victims.view("cnn"), paste(unseen, strip), TARGET, 50).of_target.mean())

    generator = np.random.default_rng(3)
    others = [generator.integers(0, 256, strip.shape, dtype=np.uint8) for _ in range(20)]
    assert log_probability(strip) > max(map(log_probability, [*others, np.zeros_like(strip)]))


def test_the_seed_decides_and_the_networks_weights_are_left_alone(task: Task) -> None:
    view = task.victims.view("cnn")
    before = {name: value.clone() for name, value in view.state_dict().items()}
    (strip, history), (again, same) = (learning(task).learn() for _ in range(2))
    assert np.array_equal(strip, again) and history == same
    assert not np.array_equal(strip, learning(task, seed=1).learn()[0])
    assert all(torch.equal(value, before[name]) for name, value in view.state_dict().items())
    assert all(parameter.grad is None for parameter in view.parameters())


def test_learning_stops_when_dev_success_rises_no_more(task: Task) -> None:
    _, history = learning(task, iterations=400, score_every=5, patience=2).learn()
    looks = [row["dev_success"] for row in history["epochs"]]
    assert len(history["iterations"]) < 400
    assert max(looks[:-2]) >= max(looks[-2:])


def test_every_photo_is_seen_once_in_a_pass(task: Task) -> None:
    own, seen = learning(task, batch_size=9), []
    for own.iteration in range(len(task.train) // 9):
        seen += own._batch().tolist()
    assert len(seen) == len(set(seen)) == 36


def test_everything_that_changes_the_strip_changes_the_checkpoints_key(task: Task) -> None:
    other = untrained_victims()
    other.card["fingerprints"] = {"cnn": "other weights"}
    tasks = [
        *(replace(task, **{part: getattr(task, part)[::-1].copy()}) for part in ("train", "dev")),
        *(replace(task, target=2), replace(task, height=0.5), replace(task, loss="margin")),
        *(replace(task, name="other"), replace(task, network="cnn@32"), replace(task, victims=other)),
    ]
    changes: dict[str, Any] = {"iterations": 7, "batch_size": 7, "step": 0.5, "momentum": 0.5}
    changes |= {"confidence": 1.5, "score_every": 7, "patience": 7, "seed": 7, "precision": "bf16"}
    assert set(changes) - {"seed", "precision"} == set(type(learning(task).settings).model_fields)
    keys = [learning(one).checkpoint.key for one in (task, *tasks)]
    keys += [learning(task, **{name: value}).checkpoint.key for name, value in changes.items()]
    assert len(set(keys)) == len(keys)


def test_a_network_that_answers_no_numbers_is_named(task: Task) -> None:
    class Broken(torch.nn.Module):
        def forward(self, pictures: torch.Tensor) -> torch.Tensor:
            return torch.full((len(pictures), 4), float("nan")) * pictures.mean()

    broken = replace(task, victims=StubVictims(cnn=View(Broken())))  # type: ignore[arg-type]
    with pytest.raises(ValueError, match=r"loss is nan .* in iteration 0; expected finite numbers"):
        learning(broken).learn()
