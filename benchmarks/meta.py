"""One update of MAML over all tasks at once, as the study makes it, against the loop over tasks that is usually written."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from torch import Tensor

from benchmarks.sample import CONF
from benchmarks.table import Row, at_least
from benchmarks.timing import interleaved

STUDY = "meta_learning"
TASKS, SHOTS, QUERIES, STEPS, RATE = 25, 10, 10, 3, 0.01
UPDATES, REPEATS = 5, 5


def sinusoid_family() -> Any:
    """The study's sinusoids with the parameters of ``base``."""
    from etudes.config import EtudesConfigLoader
    from etudes.pipelines.meta_learning.families import SinusoidFamily
    from etudes.pipelines.meta_learning.parameters import Parameters
    from etudes.settings import CONFIG_LOADER_ARGS

    arguments: dict[str, Any] = CONFIG_LOADER_ARGS
    loader = EtudesConfigLoader(str(CONF), env="base", **arguments)
    parameters = Parameters.model_validate(loader["parameters"][STUDY])
    torch.manual_seed(0)
    return SinusoidFamily(parameters.sinusoids, torch.device("cpu"))


def by_loop(learner: Any, start: dict[str, Tensor], tasks: Any) -> list[Tensor]:
    """The second-order meta-gradient task by task with `torch.autograd.grad`, in the order of the weights."""
    theta = {name: value.clone().requires_grad_() for name, value in start.items()}
    total = torch.zeros(())
    for support_x, support_y, query_x, query_y in zip(*tasks, strict=True):
        phi = dict(theta)
        for _ in range(STEPS):
            loss = learner.support_loss(phi, support_x, support_y)
            gradients = torch.autograd.grad(loss, list(phi.values()), create_graph=True)
            phi = {
                name: value - RATE * gradient
                for (name, value), gradient in zip(phi.items(), gradients, strict=True)
            }
        total = total + learner.loss(learner.answer(phi, query_x, support_x), query_y) / len(tasks.support_x)
    return list(torch.autograd.grad(total, list(theta.values())))


def at_once(learner: Any) -> Any:
    """The study's update: recorded once, replayed after."""
    from etudes.pipelines.meta_learning.adaptation import Tasks, meta_gradient
    from etudes.training.replayed import Replayed

    return Replayed(
        lambda theta, *parts: meta_gradient(learner, theta, Tasks(*parts), STEPS, RATE, first_order=False)
    )


def updates_against_a_loop_over_tasks() -> list[Row]:
    """Updates per second of the same second-order meta-gradient."""
    family = sinusoid_family()
    learner, start = family.learner, family.learner.initial()
    tasks = family.tasks(np.random.default_rng(0), TASKS, SHOTS, QUERIES)
    update = at_once(learner)
    update(start, *tasks)
    by_loop(learner, start, tasks)

    def ours() -> None:
        for _ in range(UPDATES):
            update(start, *tasks)

    def theirs() -> None:
        for _ in range(UPDATES):
            by_loop(learner, start, tasks)

    best = interleaved({"loop": theirs, "ours": ours}, REPEATS)
    note = f"meta: update over {TASKS} tasks, {STEPS} steps, second order, against a loop over tasks"
    return [at_least(note, UPDATES / best["ours"].wall, UPDATES / best["loop"].wall, 3.0, "updates/s")]
