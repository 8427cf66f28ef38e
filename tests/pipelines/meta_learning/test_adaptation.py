"""The method against independent references: finite differences, and loops over tasks with plain autograd."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from etudes.pipelines.meta_learning.adaptation import (
    Learner,
    Tasks,
    Weights,
    adapt,
    adaptation_curve,
    meta_gradient,
    reptile_gradient,
)
from etudes.pipelines.meta_learning.networks import Classifier, cross_entropy, hits, squared_error

RATE = 0.3


class Toy(nn.Module):
    """A small smooth network in double precision, so that finite differences are exact to many digits."""

    def __init__(self) -> None:
        super().__init__()
        torch.manual_seed(0)
        self.first = nn.Linear(1, 3, dtype=torch.float64)
        self.second = nn.Linear(3, 1, dtype=torch.float64)

    def forward(self, inputs: Tensor, context: Tensor | None = None) -> Tensor:
        return self.second(torch.tanh(self.first(inputs)))


@pytest.fixture
def toy() -> Learner:
    return Learner(Toy(), squared_error, squared_error)


@pytest.fixture
def tasks() -> Tasks:
    generator = torch.Generator().manual_seed(1)
    x = torch.rand((4, 9, 1), generator=generator, dtype=torch.float64) * 4 - 2
    y = torch.sin(x + torch.arange(4, dtype=torch.float64).view(4, 1, 1))
    return Tasks(x[:, :5], y[:, :5], x[:, 5:], y[:, 5:])


def looped(learner: Learner, start: Weights, tasks: Tasks, steps: int, first_order: bool) -> list[Tensor]:
    """The meta-gradient as usually written: a Python loop over tasks and `torch.autograd.grad`."""
    theta = {name: value.clone().requires_grad_() for name, value in start.items()}
    losses = []
    for support_x, support_y, query_x, query_y in zip(*tasks, strict=True):
        phi = theta
        for _ in range(steps):
            loss = learner.loss(learner.answer(phi, support_x), support_y)
            gradients = torch.autograd.grad(loss, list(phi.values()), create_graph=not first_order)
            phi = {n: v - RATE * g for (n, v), g in zip(phi.items(), gradients, strict=True)}
        losses.append(learner.loss(learner.answer(phi, query_x), query_y))
    return list(torch.autograd.grad(torch.stack(losses).mean(), list(theta.values())))


@pytest.mark.parametrize("adapts", ["", "second."])
def test_second_order_gradient_equals_finite_differences(toy: Learner, tasks: Tasks, adapts: str) -> None:
    """Of MAML, and of ANIL, whose start has a gradient in the layers that no task changes too."""
    toy, start, size = replace(toy, adapts=adapts), toy.initial(), 1e-5

    def mean_loss(weights: Weights) -> float:
        return float(adaptation_curve(toy, weights, tasks, (2,), RATE).mean())

    gradient, loss = meta_gradient(toy, start, tasks, 2, RATE, first_order=False)
    assert float(loss) == pytest.approx(mean_loss(start))
    for name, value in start.items():
        for place in range(value.numel()):
            ends = []
            for sign in (1, -1):
                moved = {key: other.clone() for key, other in start.items()}
                moved[name].view(-1)[place] += sign * size
                ends.append(mean_loss(moved))
            expected = (ends[0] - ends[1]) / (2 * size)
            assert float(gradient[name].view(-1)[place]) == pytest.approx(expected, rel=1e-5, abs=1e-8)
    assert all(bool(value.any()) for value in gradient.values())


def test_tasks_change_the_weights_that_they_may_change(toy: Learner, tasks: Tasks) -> None:
    """A step in the last layer is that of least squares on the features, written by hand."""
    start, x, y = toy.initial(), tasks.support_x[0], tasks.support_y[0]
    moved = adapt(replace(toy, adapts="second."), start, x, y, 1, RATE)
    features = torch.tanh(x @ start["first.weight"].T + start["first.bias"])
    error = features @ start["second.weight"].T + start["second.bias"] - y
    torch.testing.assert_close(
        moved["second.weight"], start["second.weight"] - RATE * 2 * (error * features).mean(0, keepdim=True)
    )
    torch.testing.assert_close(moved["second.bias"], start["second.bias"] - RATE * 2 * error.mean(0))
    for name in ("first.weight", "first.bias"):
        assert torch.equal(moved[name], start[name])
        assert not torch.equal(adapt(toy, start, x, y, 1, RATE)[name], start[name]), "MAML's tasks change it"


@pytest.mark.parametrize("first_order", [False, True])
def test_tasks_at_once_equal_a_loop_over_tasks(toy: Learner, tasks: Tasks, first_order: bool) -> None:
    gradient, _ = meta_gradient(toy, toy.initial(), tasks, 3, RATE, first_order)
    torch.testing.assert_close(list(gradient.values()), looped(toy, toy.initial(), tasks, 3, first_order))


def test_adapting_never_changes_the_start(toy: Learner, tasks: Tasks) -> None:
    start, before = toy.initial(), toy.initial()
    first = adaptation_curve(toy, start, tasks, (0, 1, 10), RATE)
    for order in (False, True):
        meta_gradient(toy, start, tasks, 2, RATE, order)
    reptile_gradient(toy, start, tasks.support_x[:, None], tasks.support_y[:, None], RATE)
    assert all(torch.equal(start[name], value) for name, value in before.items())
    assert all(torch.equal(toy.network.get_parameter(name), value) for name, value in before.items())
    assert torch.equal(adaptation_curve(toy, start, tasks, (0, 1, 10), RATE), first), (
        "a second time, the same"
    )


def test_reptile_moves_towards_the_adapted_weights(toy: Learner, tasks: Tasks) -> None:
    start = toy.initial()
    inputs, targets = (torch.stack([part] * 3, dim=1) for part in (tasks.support_x, tasks.support_y))
    gradient, _ = reptile_gradient(toy, start, inputs, targets, RATE)
    pairs = list(zip(tasks.support_x, tasks.support_y, strict=True))
    for name, value in start.items():
        mean = torch.stack([adapt(toy, start, x, y, 3, RATE)[name] for x, y in pairs]).mean(0)
        torch.testing.assert_close(value - 0.25 * gradient[name], value + 0.25 * (mean - value))


@pytest.mark.parametrize(
    ("loss", "first", "second"),
    [
        (squared_error, (10, 1), (10,)),
        (squared_error, (10, 1), (9, 1)),
        (cross_entropy, (6, 5), (6, 1)),
        (cross_entropy, (6,), (6,)),
        (hits, (6, 5), (1,)),
    ],
)
def test_losses_and_scores_refuse_shapes_that_would_broadcast(
    loss: Any, first: tuple[int, ...], second: tuple[int, ...]
) -> None:
    targets = torch.zeros(second, dtype=torch.float32 if loss is squared_error else torch.int64)
    with pytest.raises(ValueError, match="expected"):
        loss(torch.zeros(first), targets)


def test_losses_are_those_of_torch() -> None:
    generator = torch.Generator().manual_seed(0)
    a, b = (torch.randn((7, 1), generator=generator) for _ in range(2))
    torch.testing.assert_close(squared_error(a, b), nn.functional.mse_loss(a, b))
    logits, labels = torch.randn((7, 3), generator=generator), torch.tensor([0, 1, 2, 0, 1, 2, 0])
    torch.testing.assert_close(cross_entropy(logits, labels), nn.functional.cross_entropy(logits, labels))
    assert float(hits(logits, logits.argmax(1))) == 1.0


@pytest.mark.parametrize(("normalisation", "alone"), [("support", True), ("query", False)])
def test_queries_are_answered_alone_unless_the_normalisation_is_transductive(
    settings: Any, normalisation: str, alone: bool
) -> None:
    torch.manual_seed(0)
    network = Classifier(settings("characters", normalisation=normalisation), 5)
    generator = torch.Generator().manual_seed(0)
    support, queries = (torch.rand((n, 1, 28, 28), generator=generator) for n in (5, 4))
    with torch.no_grad():
        together, single = network(queries, support), network(queries[:1], support)
    assert torch.allclose(together[:1], single, atol=1e-5) is alone


def test_normalised_maps_have_mean_zero_and_variance_one(settings: Any) -> None:
    network = Classifier(settings("characters"), 5)
    maps = 3 + 2 * torch.randn((6, 4, 7, 7), generator=torch.Generator().manual_seed(0))
    over = (0, 2, 3)
    normalised = network._normalised(maps, 0, torch.ones(4), torch.zeros(4))
    zeros = torch.zeros_like(normalised.mean(over))
    torch.testing.assert_close(normalised.mean(over), zeros, atol=1e-5, rtol=0)
    torch.testing.assert_close(normalised.var(over, correction=0), zeros + 1, atol=1e-4, rtol=0)


def test_benchmarked_loop_gives_the_update_of_the_study() -> None:
    from benchmarks.meta import at_once, by_loop, sinusoid_family

    family = sinusoid_family()
    tasks = family.tasks(np.random.default_rng(0), 4, 10, 10)
    start = family.learner.initial()
    gradient, _ = at_once(family.learner)(start, *tasks)
    for found, expected in zip(gradient.values(), by_loop(family.learner, start, tasks), strict=True):
        torch.testing.assert_close(found, expected, rtol=1e-4, atol=1e-5)
