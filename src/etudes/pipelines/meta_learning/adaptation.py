"""Learning inside a task and learning the start of it, over many tasks at once (`torch.func`).

Symbols: theta the start, phi the weights of one task, alpha the inner step size, L_S and L_Q the losses on support and
query set. All functions are pure: weights go in and other weights come out, so a task can never leave a trace in the
start or in another task.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import NamedTuple, Self

import torch
from torch import Tensor, nn
from torch.func import functional_call, grad, grad_and_value, vmap

Weights = dict[str, Tensor]
Loss = Callable[[Tensor, Tensor], Tensor]


class Tasks(NamedTuple):
    """T tasks: inputs (T, n, ...) and targets (T, n) or (T, n, 1) of support and query set."""

    support_x: Tensor
    support_y: Tensor
    query_x: Tensor
    query_y: Tensor

    def to(self, device: torch.device) -> Self:
        return type(self)(*(part.to(device) for part in self))


@dataclass(frozen=True)
class Learner:
    """A network, the loss it descends and the score it is judged by.

    ``adapts`` begins the names of the weights that a task changes; all names begin with "". ANIL changes the output layer
    alone (Raghu et al. 2020, section 4).
    """

    network: nn.Module
    loss: Loss
    score: Loss
    adapts: str = ""

    def initial(self) -> Weights:
        """A copy of the network's own weights."""
        return {name: value.detach().clone() for name, value in self.network.named_parameters()}

    def answer(self, weights: Weights, inputs: Tensor, context: Tensor | None = None) -> Tensor:
        return functional_call(self.network, weights, (inputs, context))

    def support_loss(self, weights: Weights, inputs: Tensor, targets: Tensor) -> Tensor:
        """L_S."""
        return self.loss(self.answer(weights, inputs), targets)


def step(learner: Learner, weights: Weights, inputs: Tensor, targets: Tensor, rate: float) -> Weights:
    """One gradient step on one task, phi - alpha grad L_S(phi), in the weights that the learner adapts."""
    moving = {name: value for name, value in weights.items() if name.startswith(learner.adapts)}

    def loss(moved: Weights) -> Tensor:
        return learner.support_loss({**weights, **moved}, inputs, targets)

    gradient = grad(loss)(moving)
    return {**weights, **{name: value - rate * gradient[name] for name, value in moving.items()}}


def adapt(
    learner: Learner, weights: Weights, inputs: Tensor, targets: Tensor, steps: int, rate: float
) -> Weights:
    """phi_0 = theta, phi_k+1 = phi_k - alpha grad L_S(phi_k); differentiable in theta."""
    for _ in range(steps):
        weights = step(learner, weights, inputs, targets, rate)
    return weights


def meta_gradient(
    learner: Learner, weights: Weights, tasks: Tasks, steps: int, rate: float, first_order: bool
) -> tuple[Weights, Tensor]:
    """Gradient of the mean over tasks of L_Q(phi_K(theta)), and that mean (Finn et al. 2017, algorithm 1).

    Second order: d phi_K / d theta is a product of I - alpha Hessian(L_S), which differentiating through the inner
    steps gives. First order: d phi_K / d theta is taken as I, so the gradient is that of L_Q at phi_K.
    """

    def adapted(start: Weights, task: Tasks) -> Weights:
        return adapt(learner, start, task.support_x, task.support_y, steps, rate)

    def query_loss(phi: Weights, task: Tasks) -> Tensor:
        answer = learner.answer(
            phi, task.query_x, task.support_x
        )  # the network may look at the support inputs
        return learner.loss(answer, task.query_y)

    if first_order:
        gradients, losses = vmap(lambda task: grad_and_value(query_loss)(adapted(weights, task), task))(tasks)
        return {name: value.mean(0) for name, value in gradients.items()}, losses.mean()
    return grad_and_value(
        lambda start: vmap(lambda task: query_loss(adapted(start, task), task))(tasks).mean()
    )(weights)


def reptile_gradient(
    learner: Learner, weights: Weights, inputs: Tensor, targets: Tensor, rate: float
) -> tuple[Weights, Tensor]:
    """theta minus the mean over tasks of phi_K, and the mean loss before the last step (Nichol et al. 2018, algorithm 2).

    Subtracting epsilon times this moves theta *towards* the adapted weights, theta + epsilon (phi_K - theta). The
    other sign moves it away.

    Args:
        learner, weights, rate: as in `step`.
        inputs: (T, K, n, ...), a batch for each of the K inner steps.
        targets: (T, K, n, ...).
    """
    batches = inputs.shape[1]

    def adapted(task_x: Tensor, task_y: Tensor) -> tuple[Weights, Tensor]:
        phi = weights
        for index in range(batches - 1):
            phi = step(learner, phi, task_x[index], task_y[index], rate)
        last = learner.support_loss(phi, task_x[-1], task_y[-1])
        return step(learner, phi, task_x[-1], task_y[-1], rate), last

    phi, losses = vmap(adapted)(inputs, targets)
    return {name: value - phi[name].mean(0) for name, value in weights.items()}, losses.mean()


def adaptation_curve(
    learner: Learner,
    weights: Weights,
    tasks: Tasks,
    steps: Sequence[int],
    rate: float,
    see: Loss | None = None,
    chunk: int = 20,
) -> Tensor:
    """Score of every task's query set after the given numbers of gradient steps from the same start: (T, len(steps), ...).

    Args:
        learner, weights, rate: as in `step`.
        tasks: T tasks.
        steps: rising numbers of gradient steps, 0 for the start itself.
        see: what is taken of the answers and targets of the queries; the learner's score if not given.
        chunk: tasks at a time. It bounds the memory; with more, the maps no longer fit into the processor's cache.
    """
    see = see or learner.score

    def curve(task: Tasks) -> Tensor:
        phi, done, seen = weights, 0, []
        for count in steps:
            phi, done = adapt(learner, phi, task.support_x, task.support_y, count - done, rate), count
            seen.append(see(learner.answer(phi, task.query_x, task.support_x), task.query_y))
        return torch.stack(seen)

    with torch.no_grad():
        return vmap(curve, chunk_size=chunk)(tasks)
