"""The variants: what each subtracts from the start, and the loop that follows it."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Self

import numpy as np
import torch
from torch import Tensor
from torch.func import grad_and_value

from etudes.benches.characters import contents
from etudes.cards import fingerprint
from etudes.examples import Examples
from etudes.pipelines.meta_learning.adaptation import (
    Tasks,
    Weights,
    meta_gradient,
    reptile_gradient,
)
from etudes.pipelines.meta_learning.families import CharacterFamily, Family, SinusoidFamily
from etudes.pipelines.meta_learning.parameters import (
    Both,
    CharacterParameters,
    MamlPart,
    OuterPart,
    Part,
    PretrainedPart,
    ReptilePart,
    SinusoidParameters,
)
from etudes.pipelines.meta_learning.starts import Starts
from etudes.training.fit import resolve_device
from etudes.training.parameters import RunParameters
from etudes.training.replayed import Replayed
from etudes.training.resumable import Resumable
from etudes.training.seeds import derive_seed, seed_everything
from etudes.training.session import current_session, part, progress

Direction = Callable[[Weights, int, np.random.Generator], tuple[Weights, Tensor]]
MOMENTS = (0.9, 0.999)


@dataclass(frozen=True)
class Rule:
    """How a start is moved.

    ``direction`` says what to subtract from the weights at update t, and the mean loss of its tasks. It gets a generator that
    depends on the run's seed and t alone, so that a resumed training meets the same tasks. ``plain`` goes without Adam:
    Reptile's direction is a difference of weights already. ``start_of`` is what of the weights is the start.
    """

    begin: Weights
    direction: Direction
    plain: bool = False
    start_of: Callable[[Weights], Weights] = lambda weights: weights


def maml(family: Family, weights: Weights, settings: MamlPart, first_order: bool = False) -> Rule:
    """MAML: the start whose loss after the inner steps is least; ``first_order`` leaves the second derivatives out."""

    @Replayed
    def update(theta: Weights, *tasks: Tensor) -> tuple[Weights, Tensor]:
        steps, rate = settings.inner_steps, settings.inner_rate
        return meta_gradient(family.learner, theta, Tasks(*tasks), steps, rate, first_order)

    def direction(theta: Weights, number: int, generator: np.random.Generator) -> tuple[Weights, Tensor]:
        shots = settings.shots[number % len(settings.shots)]
        return update(theta, *family.tasks(generator, settings.tasks, shots, settings.queries))

    return Rule(weights, direction)


def reptile(family: Family, weights: Weights, settings: ReptilePart) -> Rule:
    """Reptile: a share of the way towards the weights that the tasks of an update were adapted to."""

    @Replayed
    def update(theta: Weights, inputs: Tensor, targets: Tensor) -> tuple[Weights, Tensor]:
        return reptile_gradient(family.learner, theta, inputs, targets, settings.inner_rate)

    def direction(theta: Weights, number: int, generator: np.random.Generator) -> tuple[Weights, Tensor]:
        sizes = settings.tasks, settings.inner_steps, settings.batch, settings.shots
        return update(theta, *family.batches(generator, *sizes))

    return Rule(weights, direction, plain=True)


def pretrained(family: Family, weights: Weights, settings: PretrainedPart) -> Rule:
    """One network that fits all training tasks at once: the start that knows the tasks but not that there will be others.

    Sinusoids share their input: the best joint answer is their mean. Characters have one output each. The layers that
    both networks have begin with the same weights in all variants.
    """
    learner = family.joint()
    begin = {
        name: weights[name] if weights[name].shape == value.shape else value.to(weights[name].device)
        for name, value in learner.initial().items()
    }
    update = Replayed(grad_and_value(learner.support_loss))

    def direction(theta: Weights, number: int, generator: np.random.Generator) -> tuple[Weights, Tensor]:
        return update(theta, *family.pooled(generator, settings.tasks, settings.examples))

    return Rule(begin, direction, start_of=family.start_of)


class Search(Resumable):
    """The outer loop, ``settings.steps`` updates of the start.

        theta <- theta - eta_t clip(direction(theta)),   eta_t = learning_rate (1 + cos(pi t / T)) / 2

    with Adam (Kingma and Ba 2015) in the place of the plain step unless the rule is plain. Now and then it looks at the dev
    tasks (``looks``) and keeps the best start so far.

    Args:
        family: whose tasks.
        rule: what to follow.
        settings: number of updates, their size.
        run: seed, resume.
        key: JSON values that say what else the training depends on.
    """

    keep = ("theta", "optimizer", "best", "best_row", "looks", "step")
    rows = "looks"

    def __init__(
        self, family: Family, rule: Rule, settings: OuterPart, run: RunParameters, *key: Any
    ) -> None:
        self.family, self.rule, self.settings = family, rule, settings
        self.seed = derive_seed(run.seed, "tasks", family.name)
        self.theta = {name: value.clone() for name, value in rule.begin.items()}
        self.optimizer: torch.optim.Optimizer
        if rule.plain:
            self.optimizer = torch.optim.SGD(self.theta.values(), lr=settings.learning_rate)
        else:
            self.optimizer = torch.optim.Adam(self.theta.values(), settings.learning_rate, MOMENTS)
        self.best: Weights = {}
        self.best_row: dict[str, float] = {}
        self.looks: list[dict[str, float]] = []
        self.step = 0
        if not self.resume(run, settings.model_dump(), *key):
            self._look({"step": 0.0})

    def follow(self) -> Self:
        """Update to the end.

        Raises:
            ValueError: the loss or the dev score is not finite.
        """
        settings, losses = self.settings, []
        rest = range(self.step, settings.steps)
        for number in progress(rest, self.family.name, total=len(rest)):
            rate = settings.learning_rate * (1 + math.cos(math.pi * number / settings.steps)) / 2
            losses.append(self._update(number, rate))
            self.step = number + 1
            if self.step % settings.watch_steps == 0 or self.step == settings.steps:
                loss = float(np.mean(losses))
                self._look({"step": float(self.step), "train_loss": loss, "learning_rate": rate})
                self.save()
                losses = []
        return self

    def _update(self, number: int, rate: float) -> float:
        gradient, loss = self.rule.direction(self.theta, number, np.random.default_rng([self.seed, number]))
        clip(gradient, self.settings.gradient_clip)
        for name, value in self.theta.items():
            value.grad = gradient[name].detach()
        for group in self.optimizer.param_groups:
            group["lr"] = rate
        self.optimizer.step()
        return float(loss)

    def _look(self, row: dict[str, float]) -> None:
        row |= self.family.dev(self.rule.start_of(self.theta), self.settings.rates)
        metric, session = self.family.metric, current_session()
        if self.step and not (math.isfinite(row["train_loss"]) and math.isfinite(row[metric])):
            raise ValueError(
                f"{session.label if session else self.family.name}: training loss {row['train_loss']} and dev {metric} "
                f"{row[metric]} after update {self.step}; lower learning_rate, gradient_clip, or the inner rate"
            )
        if not self.best_row or self.family.better(row[metric], self.best_row[metric]):
            self.best, self.best_row = {n: value.detach().clone() for n, value in self.theta.items()}, row
        self.looks.append(row)
        self.log(row)


def clip(gradient: Weights, largest: float) -> None:
    """Shorten the whole gradient to the L2 norm ``largest`` in place."""
    norm = torch.sqrt(sum((value.square().sum() for value in gradient.values()), torch.zeros(())))
    factor = (largest / (norm + 1e-6)).clamp(max=1.0)
    for value in gradient.values():
        value.mul_(factor)


RULES: dict[str, Callable[..., Rule]] = {"pretrained": pretrained, "reptile": reptile, "maml": maml}


def learn(
    train_split: Examples,
    dev_split: Examples,
    sinusoids: SinusoidParameters,
    characters: CharacterParameters,
    parameters: Both[Part] | Both[PretrainedPart] | Both[ReptilePart] | Both[MamlPart],
    run: RunParameters,
    rule: str = "",
    adapts: str = "",
    **how: bool,
) -> tuple[Starts, dict[str, Any]]:
    """Learn a start for each family of tasks, beginning with the same weights in all variants of a seed.

    Args:
        train_split, dev_split: drawings that training and dev tasks are made of.
        sinusoids, characters, parameters: the families, and the variant's settings, one part for each.
        run: seed, device, resume.
        rule, how: name of what moves the start, and its keywords; none leaves the weights as they are.
        adapts: begins the names of the weights that a task changes (`Learner`).

    Returns:
        The starts, and the history: dev scores, step sizes, and one row for each look at dev.
    """
    seed_everything(derive_seed(run.seed, "start"))
    device = resolve_device(run.device)
    families: tuple[Family, ...] = (
        SinusoidFamily(sinusoids, device, adapts),
        CharacterFamily(characters, train_split, dev_split, device, adapts),
    )
    key: list[Any] = [fingerprint(*contents(train_split), *contents(dev_split)), rule, adapts, how]
    key += [sinusoids.model_dump(), characters.model_dump()]
    starts: dict[str, Any] = {}
    history: dict[str, Any] = {"dev": {}, "rates": {}, "epochs": {}}
    for family in families:
        settings = getattr(parameters, family.name)
        weights = {name: value.to(device) for name, value in family.learner.initial().items()}
        if rule:
            followed = RULES[rule](family, weights, settings, **how)
            with part(family.name):
                found = Search(family, followed, settings, run, *key).follow()
            weights, row, rows = followed.start_of(found.best), found.best_row, found.looks
        else:
            row = {"step": 0.0, **family.dev(weights, settings.rates)}
            rows = [row]
        cpu = {name: value.cpu() for name, value in weights.items()}
        starts[family.name] = family.start(cpu, row["rate"])
        history["dev"] |= {
            name: value for name, value in row.items() if name.startswith(("mse_", "accuracy_"))
        }
        history["rates"][family.name] = row["rate"]
        history["epochs"][family.name] = rows
    return Starts(**starts), history
