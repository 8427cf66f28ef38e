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
    Replayed,
    Tasks,
    Weights,
    adapt,
    adaptation_curve,
    answers,
    meta_gradient,
    reptile_gradient,
)
from etudes.pipelines.meta_learning.networks import Classifier, Regressor, cross_entropy, hits, squared_error

RATE = 0.3


class Toy(nn.Module):
    """A small smooth network in double precision, so that finite differences are exact to many digits."""

    def __init__(self, linear: bool = False) -> None:
        super().__init__()
        torch.manual_seed(0)
        self.first = nn.Linear(1, 3, dtype=torch.float64)
        self.second = nn.Linear(3, 1, dtype=torch.float64)
        self.linear = linear

    def forward(self, inputs: Tensor, context: Tensor | None = None) -> Tensor:
        return self.first(inputs)[:, :1] if self.linear else self.second(torch.tanh(self.first(inputs)))


def inner_product(predictions: Tensor, targets: Tensor) -> Tensor:
    """A loss that is linear in the predictions: its Hessian in the weights of a linear network is zero."""
    return (predictions * targets).mean()


@pytest.fixture
def toy() -> Learner:
    return Learner(Toy(), squared_error, squared_error)


@pytest.fixture
def tasks() -> Tasks:
    generator = torch.Generator().manual_seed(1)
    x = torch.rand((4, 9, 1), generator=generator, dtype=torch.float64) * 4 - 2
    y = torch.sin(x + torch.arange(4, dtype=torch.float64).view(4, 1, 1))
    return Tasks(x[:, :5], y[:, :5], x[:, 5:], y[:, 5:])


def looped(learner: Learner, start: Weights, tasks: Tasks, steps: int, first_order: bool) -> Weights:
    """The meta-gradient as usually written: a Python loop over tasks and `torch.autograd.grad`."""
    theta = {name: value.clone().requires_grad_() for name, value in start.items()}
    total = torch.zeros((), dtype=torch.float64)
    for support_x, support_y, query_x, query_y in zip(*tasks.parts, strict=True):
        phi = theta
        for _ in range(steps):
            loss = learner.loss(learner.answer(phi, support_x), support_y)
            gradients = torch.autograd.grad(
                loss, list(phi.values()), create_graph=not first_order, allow_unused=True
            )
            phi = {
                name: value - RATE * (torch.zeros_like(value) if gradient is None else gradient)
                for (name, value), gradient in zip(phi.items(), gradients, strict=True)
            }
        total = total + learner.loss(learner.answer(phi, query_x), query_y) / len(tasks)
    gradients = torch.autograd.grad(total, list(theta.values()), allow_unused=True)
    return {
        name: torch.zeros_like(value) if gradient is None else gradient
        for (name, value), gradient in zip(theta.items(), gradients, strict=True)
    }


def mean_query_loss(learner: Learner, start: Weights, tasks: Tasks, steps: int) -> float:
    losses = []
    for support_x, support_y, query_x, query_y in zip(*tasks.parts, strict=True):
        phi = adapt(learner, start, support_x, support_y, steps, RATE)
        losses.append(float(learner.loss(learner.answer(phi, query_x), query_y)))
    return sum(losses) / len(losses)


@pytest.mark.parametrize("adapts", ["", "second."])
@pytest.mark.parametrize("steps", [1, 3])
def test_second_order_gradient_equals_finite_differences(
    toy: Learner, tasks: Tasks, steps: int, adapts: str
) -> None:
    """Of MAML, and of ANIL, whose start has a gradient in the layers that no task changes too."""
    toy = replace(toy, adapts=adapts)
    start = toy.initial()
    gradient, loss = meta_gradient(toy, start, tasks, steps, RATE, first_order=False)
    assert float(loss) == pytest.approx(mean_query_loss(toy, start, tasks, steps))
    size = 1e-5
    for name, value in start.items():
        for place in range(value.numel()):
            ends = []
            for sign in (1, -1):
                moved = {key: other.clone() for key, other in start.items()}
                moved[name].view(-1)[place] += sign * size
                ends.append(mean_query_loss(toy, moved, tasks, steps))
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
@pytest.mark.parametrize("steps", [1, 3])
def test_tasks_at_once_equal_a_loop_over_tasks(
    toy: Learner, tasks: Tasks, steps: int, first_order: bool
) -> None:
    gradient, _ = meta_gradient(toy, toy.initial(), tasks, steps, RATE, first_order)
    expected = looped(toy, toy.initial(), tasks, steps, first_order)
    for name, value in gradient.items():
        torch.testing.assert_close(value, expected[name])


def test_orders_agree_without_inner_steps_and_differ_with_them(toy: Learner, tasks: Tasks) -> None:
    for steps, same in ((0, True), (2, False)):
        second, first = (
            meta_gradient(toy, toy.initial(), tasks, steps, RATE, order)[0] for order in (False, True)
        )
        close = all(torch.allclose(value, first[name]) for name, value in second.items())
        assert close is same


def test_orders_agree_where_the_hessian_is_zero(tasks: Tasks) -> None:
    learner = Learner(Toy(linear=True), inner_product, inner_product)
    second, first = (
        meta_gradient(learner, learner.initial(), tasks, 3, RATE, order)[0] for order in (False, True)
    )
    for name, value in second.items():
        torch.testing.assert_close(value, first[name])
    assert float(second["first.weight"].abs().sum()) > 0


def test_adapting_never_changes_the_start(toy: Learner, tasks: Tasks) -> None:
    start = toy.initial()
    before = {name: value.clone() for name, value in start.items()}
    first = adaptation_curve(toy, start, tasks, (0, 1, 10), RATE)
    meta_gradient(toy, start, tasks, 2, RATE, first_order=False)
    meta_gradient(toy, start, tasks, 2, RATE, first_order=True)
    reptile_gradient(toy, start, tasks.support_x[:, None], tasks.support_y[:, None], RATE)
    for name, value in start.items():
        assert torch.equal(value, before[name])
        assert torch.equal(toy.network.get_parameter(name), before[name]), "the network's own weights neither"
    assert torch.equal(adaptation_curve(toy, start, tasks, (0, 1, 10), RATE), first), (
        "a second time, the same"
    )


def test_a_task_does_not_depend_on_its_company(toy: Learner, tasks: Tasks) -> None:
    together = adaptation_curve(toy, toy.initial(), tasks, (0, 1, 5), RATE, chunk=3)
    for index in range(len(tasks)):
        one = Tasks(*(part[index : index + 1] for part in tasks.parts))
        alone = adaptation_curve(toy, toy.initial(), one, (0, 1, 5), RATE)
        torch.testing.assert_close(together[index], alone[0])


def test_curve_is_the_score_of_the_answers(toy: Learner, tasks: Tasks) -> None:
    steps = (0, 2, 7)
    curve = adaptation_curve(toy, toy.initial(), tasks, steps, RATE)
    found = answers(toy, toy.initial(), tasks, steps, RATE)
    for index in range(len(tasks)):
        for place, count in enumerate(steps):
            phi = adapt(toy, toy.initial(), tasks.support_x[index], tasks.support_y[index], count, RATE)
            expected = toy.answer(phi, tasks.query_x[index])
            torch.testing.assert_close(found[index, place], expected)
            torch.testing.assert_close(curve[index, place], squared_error(expected, tasks.query_y[index]))
    assert bool((curve[:, -1] < curve[:, 0]).all()), "gradient steps help on every toy task"


@pytest.mark.parametrize("first_order", [False, True])
def test_replayed_update_equals_the_function_on_other_tasks_and_weights(
    toy: Learner, tasks: Tasks, first_order: bool
) -> None:
    def update(weights: Weights, *parts: Tensor) -> tuple[Weights, Tensor]:
        return meta_gradient(toy, weights, Tasks(*parts), 2, RATE, first_order)

    replayed = Replayed(update)
    replayed(toy.initial(), *tasks.parts)
    weights = {name: value * 0.7 + 0.1 for name, value in toy.initial().items()}
    others = Tasks(*(part.flip(0) + 0.3 for part in tasks.parts))
    fewer = Tasks(*(part[:3] for part in tasks.parts))
    for given in (others, fewer, tasks):
        found, expected = replayed(weights, *given.parts), update(weights, *given.parts)
        assert torch.equal(found[1], expected[1])
        for name, value in found[0].items():
            assert torch.equal(value, expected[0][name])


def test_reptile_moves_towards_the_adapted_weights(toy: Learner, tasks: Tasks) -> None:
    start = toy.initial()
    inputs, targets = (torch.stack([part] * 3, dim=1) for part in (tasks.support_x, tasks.support_y))
    gradient, _ = reptile_gradient(toy, start, inputs, targets, RATE)
    adapted = [
        adapt(toy, start, x, y, 3, RATE) for x, y in zip(tasks.support_x, tasks.support_y, strict=True)
    ]
    for name, value in start.items():
        mean = torch.stack([phi[name] for phi in adapted]).mean(0)
        moved = value - 0.25 * gradient[name]
        torch.testing.assert_close(moved, value + 0.25 * (mean - value))
        assert float((moved - mean).norm()) < float((value - mean).norm())


def test_reptile_with_one_step_is_joint_training(toy: Learner, tasks: Tasks) -> None:
    start = toy.initial()
    gradient, _ = reptile_gradient(toy, start, tasks.support_x[:, None], tasks.support_y[:, None], RATE)
    query_is_support = Tasks(tasks.support_x, tasks.support_y, tasks.support_x, tasks.support_y)
    joint, _ = meta_gradient(toy, start, query_is_support, 0, RATE, first_order=False)
    for name, value in gradient.items():
        torch.testing.assert_close(value, RATE * joint[name])


@pytest.mark.parametrize(
    ("loss", "first", "second"),
    [
        (squared_error, (10, 1), (10,)),
        (squared_error, (10,), (10, 1)),
        (squared_error, (10, 1), (9, 1)),
        (cross_entropy, (6, 5), (6, 1)),
        (cross_entropy, (6, 5), (5,)),
        (cross_entropy, (6,), (6,)),
        (hits, (6, 5), (6, 1)),
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


@pytest.mark.parametrize(("normalisation", "alone"), [("support", True), ("layer", True), ("query", False)])
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


@pytest.mark.parametrize("normalisation", ["support", "query", "layer"])
def test_normalised_maps_have_mean_zero_and_variance_one(settings: Any, normalisation: str) -> None:
    network = Classifier(settings("characters", normalisation=normalisation), 5)
    maps = 3 + 2 * torch.randn((6, 4, 7, 7), generator=torch.Generator().manual_seed(0))
    over = (1, 2, 3) if normalisation == "layer" else (0, 2, 3)
    normalised = network._normalised(maps, 0, torch.ones(4), torch.zeros(4))
    zeros = torch.zeros_like(normalised.mean(over))
    torch.testing.assert_close(normalised.mean(over), zeros, atol=1e-5, rtol=0)
    torch.testing.assert_close(normalised.var(over, correction=0), zeros + 1, atol=1e-4, rtol=0)


def test_networks_have_the_shapes_of_their_settings(settings: Any) -> None:
    assert Regressor(settings("sinusoids"))(torch.zeros(3, 1)).shape == (3, 1)
    for side in (20, 28):
        network = Classifier(settings("characters", side=side), 7)
        assert network(torch.rand(4, 1, side, side)).shape == (4, 7)


def test_benchmarked_loop_gives_the_update_of_the_study() -> None:
    from benchmarks.meta import at_once, by_loop, sinusoid_family

    family = sinusoid_family()
    tasks = family.tasks(np.random.default_rng(0), 4, 10, 10)
    start = family.learner.initial()
    gradient, _ = at_once(family.learner)(start, *tasks.parts)
    for found, expected in zip(gradient.values(), by_loop(family.learner, start, tasks), strict=True):
        torch.testing.assert_close(found, expected, rtol=1e-4, atol=1e-5)
