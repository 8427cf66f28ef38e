"""The supervised loop on problems whose right answer is known."""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest
import torch
from torch.optim.optimizer import register_optimizer_step_post_hook, register_optimizer_step_pre_hook
from toy import (
    ColumnLosses,
    ColumnWeights,
    NoBatches,
    Toy,
    network,
    run_parameters,
    same,
    settings,
    weights_of,
)

from etudes.training.fit import fit, resolve_device
from etudes.training.session import training_session


@pytest.fixture
def seen_steps() -> Iterator[list[dict[str, float]]]:
    """Gradient norm and learning rate with which the optimiser takes each of its steps."""
    steps: list[dict[str, float]] = []

    def note(optimizer: torch.optim.Optimizer, args: Any, kwargs: Any) -> None:
        gradients = [p.grad for group in optimizer.param_groups for p in group["params"]]
        norm = torch.linalg.vector_norm(torch.stack([torch.linalg.vector_norm(g) for g in gradients]))
        steps.append({"norm": float(norm), "rate": optimizer.param_groups[0]["lr"]})

    handle = register_optimizer_step_pre_hook(note)
    yield steps
    handle.remove()


def test_a_separable_task_is_learned() -> None:
    problem = Toy(n=200, batch_size=20)
    epochs = fit(problem, settings(epochs=10), run_parameters())
    assert epochs[-1]["dev_accuracy"] >= 0.98
    assert epochs[-1]["train_loss"] < epochs[0]["train_loss"] / 2
    assert [row["epoch"] for row in epochs] == list(range(1, 11))


def test_training_loss_is_the_weighted_mean_over_examples() -> None:
    problem = Toy()
    before = weights_of(problem)
    # With next to no learning the loss of an epoch is that of the first weights, whatever the batches.
    epochs = fit(problem, settings(epochs=1, learning_rate=1e-12), run_parameters())
    reference = Toy()
    reference.model.load_state_dict(before)
    with torch.no_grad():
        losses, weights = reference.loss(reference.model, (reference.x, reference.y, reference.weights))
    assert epochs[0]["train_loss"] == pytest.approx(float((losses * weights).sum() / weights.sum()), rel=1e-5)


def test_a_step_follows_the_gradient_of_the_weighted_mean(seen_steps: list[dict[str, float]]) -> None:
    """Divided by the sum of the weights, not by how many examples there are."""
    problem, reference, run = Toy(), Toy(), run_parameters()
    first = problem.batches(np.random.default_rng([run.seed, 0]))[0]
    losses, weights = reference.loss(reference.model, reference.collate(first, torch.device("cpu")))
    gradients = torch.autograd.grad(
        (losses * weights).sum() / weights.sum(), list(reference.model.parameters())
    )
    fit(problem, settings(epochs=1, gradient_clip=1e9), run)
    norm = torch.linalg.vector_norm(torch.cat([gradient.flatten() for gradient in gradients]))
    assert abs(float(weights.mean()) - 1) > 0.1, "both divisors would be one"
    assert seen_steps[0]["norm"] == pytest.approx(float(norm), rel=1e-5)


@pytest.mark.parametrize(
    ("maximise", "scores", "best"),
    [
        (True, [0.1, 0.9, 0.3, 0.2], 1),
        (False, [0.9, 0.5, 0.2, 0.4], 2),
        (True, [0.5, 0.5, 0.5, 0.5], 0),
        (False, [0.5, 0.5, 0.5, 0.5], 0),
    ],
)
def test_the_best_epochs_weights_come_back(maximise: bool, scores: list[float], best: int) -> None:
    problem = Toy(scores=scores, maximise=maximise)
    fit(problem, settings(epochs=4), run_parameters())
    assert len(problem.snapshots) == 4
    assert not any(
        same(problem.snapshots[best], other) for i, other in enumerate(problem.snapshots) if i != best
    )
    assert same(weights_of(problem), problem.snapshots[best])
    assert not problem.model.training


@pytest.mark.parametrize(
    ("patience", "scores", "epochs"),
    [
        (1, [0.5, 0.4, 0.9, 0.9], 2),
        (2, [0.5, 0.6, 0.1, 0.6, 0.9], 4),
        (3, [0.1, 0.2, 0.3, 0.4, 0.5], 5),
    ],
)
def test_training_stops_once_patience_is_spent(patience: int, scores: list[float], epochs: int) -> None:
    found = fit(Toy(scores=scores), settings(epochs=5, patience=patience), run_parameters())
    assert len(found) == epochs


def test_clipping_bounds_the_gradient_norm(seen_steps: list[dict[str, float]]) -> None:
    fit(Toy(scale=1e4), settings(gradient_clip=0.5, epochs=2), run_parameters())
    assert len(seen_steps) == 8
    assert all(step["norm"] == pytest.approx(0.5, rel=1e-4) for step in seen_steps)


def test_a_gradient_below_the_bound_is_left_alone(seen_steps: list[dict[str, float]]) -> None:
    fit(Toy(scale=1e4), settings(gradient_clip=1e9, epochs=1), run_parameters())
    assert min(step["norm"] for step in seen_steps) > 100


def test_learning_rate_rises_then_falls_linearly_to_a_tenth(seen_steps: list[dict[str, float]]) -> None:
    epochs = fit(Toy(), settings(epochs=5, warmup=0.2, learning_rate=0.01), run_parameters())
    total, rising = 20, 4
    expected = [
        0.01 * ((step + 1) / rising if step < rising else 1 - 0.9 * (step - rising) / (total - rising))
        for step in range(total)
    ]
    assert [step["rate"] for step in seen_steps] == pytest.approx(expected, rel=1e-9)
    assert epochs[-1]["learning_rate"] == pytest.approx(0.001, rel=1e-9)


@pytest.mark.parametrize("problem_class", [ColumnLosses, ColumnWeights])
def test_losses_and_weights_of_different_shapes_are_refused(problem_class: type[Toy]) -> None:
    with pytest.raises(ValueError, match=r"losses have shape \(8.*weights \(8.*expected both \(n,\)"):
        fit(problem_class(), settings(), run_parameters())


def test_a_loss_that_is_not_a_number_is_refused() -> None:
    problem = Toy()
    problem.x[3] = math.nan
    with pytest.raises(ValueError, match=r"training loss is nan after epoch 1; lower the learning rate"):
        fit(problem, settings(), run_parameters())


@pytest.mark.parametrize("maximise", [True, False])
def test_a_dev_score_that_is_not_a_number_is_refused(maximise: bool) -> None:
    problem = Toy(scores=[0.5, math.nan, 0.6, 0.7], maximise=maximise)
    with pytest.raises(ValueError, match=r"dev accuracy is nan after epoch 2"):
        fit(problem, settings(), run_parameters())


def test_no_batches_are_refused() -> None:
    with pytest.raises(ValueError, match="no batches to train on"):
        fit(NoBatches(), settings(), run_parameters())


def test_same_seed_gives_identical_weights_and_another_seed_others() -> None:
    found = []
    for seed in (5, 5, 6):
        problem = Toy(model=network(dropout=0.5), noisy=True)
        epochs = fit(problem, settings(), run_parameters(seed=seed))
        found.append((weights_of(problem), epochs))
    assert same(found[0][0], found[1][0])
    assert found[0][1] == found[1][1]
    assert not same(found[0][0], found[2][0])


def test_each_epoch_is_recorded_live() -> None:
    seen: list[tuple[int, dict[str, float]]] = []
    with training_session("toy", None, lambda step, metrics: seen.append((step, metrics))):
        epochs = fit(Toy(), settings(epochs=3), run_parameters())
    assert [step for step, _ in seen] == [1, 2, 3]
    assert [{"epoch": float(step), **metrics} for step, metrics in seen] == epochs
    assert set(seen[0][1]) == {"train_loss", "learning_rate", "dev_accuracy", "dev_log_loss"}


def test_reduced_precision_ends_with_the_training() -> None:
    problem = Toy()
    fit(problem, settings(epochs=1), run_parameters(precision="bf16"))
    plain = network()
    plain.load_state_dict(problem.model.state_dict())
    assert torch.equal(problem.model(problem.x), plain(problem.x))


def test_averaged_weights_are_the_running_mean_of_all_steps() -> None:
    problem = Toy(maximise=False, scores=[0.5, 0.4])
    steps = [weights_of(problem)]

    def note(optimizer: torch.optim.Optimizer, args: Any, kwargs: Any) -> None:
        steps.append(weights_of(problem))

    handle = register_optimizer_step_post_hook(note)
    try:
        fit(problem, settings(epochs=2, average=0.5), run_parameters())
    finally:
        handle.remove()
    assert len(steps) == 9
    expected = steps[0]
    for update, weights in enumerate(steps[1:], start=1):
        decay = min(0.5, (1 + update) / (10 + update))
        expected = {name: decay * expected[name] + (1 - decay) * value for name, value in weights.items()}
    for name, value in weights_of(problem).items():
        torch.testing.assert_close(value, expected[name], rtol=1e-5, atol=1e-6)
        assert not torch.equal(value, steps[-1][name])
    assert same(weights_of(problem), problem.snapshots[-1])  # and dev judges the same weights


def test_averaged_weights_are_judged_by_their_own_forward_pass_in_reduced_precision() -> None:
    problem = Toy()
    epochs = fit(problem, settings(epochs=1, average=0.9), run_parameters(precision="bf16"))
    with torch.no_grad():
        own = torch.nn.functional.cross_entropy(problem.model(problem.x), problem.y)
    assert epochs[0]["dev_log_loss"] == pytest.approx(float(own), abs=5e-3)


def test_a_device_that_is_not_there_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    with pytest.raises(
        ValueError, match=r"run.device = cuda, but this machine has only cpu.*set run.device=auto"
    ):
        resolve_device("cuda")
