"""The variants: what each subtracts from the start, and how each chooses the step size of new tasks."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from torch import Tensor
from torch.func import grad_and_value

from etudes.examples import Examples
from etudes.pipelines.meta_learning.adaptation import (
    Replayed,
    Tasks,
    Weights,
    meta_gradient,
    reptile_gradient,
)
from etudes.pipelines.meta_learning.families import CharacterFamily, Family, SinusoidFamily
from etudes.pipelines.meta_learning.outer import Search, train_start
from etudes.pipelines.meta_learning.parameters import (
    CharacterParameters,
    MamlPart,
    PretrainedPart,
    RandomPart,
    ReptilePart,
    SinusoidParameters,
)
from etudes.pipelines.meta_learning.starts import Start, Starts
from etudes.training.fit import resolve_device
from etudes.training.parameters import RunParameters
from etudes.training.seeds import derive_seed, seed_everything


@dataclass(frozen=True)
class Learned:
    """A start, the step size that goes with it, its dev scores, and one row for each look at dev."""

    weights: Weights
    rate: float
    dev: dict[str, float]
    rows: list[dict[str, float]]


def watch_rates(family: Family, rates: Sequence[float]) -> Callable[[Weights], dict[str, float]]:
    """Dev scores of a start with the step size of ``rates`` that suits it best, and that size as ``rate``."""

    def watch(weights: Weights) -> dict[str, float]:
        rows = [{**family.dev(weights, rate), "rate": rate} for rate in rates]
        best = rows[0]
        for row in rows[1:]:
            if family.goal.better(row[family.goal.metric], best[family.goal.metric]):
                best = row
        return best

    return watch


def learn_random(family: Family, weights: Weights, part: RandomPart) -> Learned:
    """The weights as they are."""
    row = {"step": 0.0, **watch_rates(family, part.rates)(weights)}
    return Learned(weights, row["rate"], _scores(row), [row])


def learn_pretrained(
    family: Family, weights: Weights, part: PretrainedPart, run: RunParameters, fingerprint: str
) -> Learned:
    """One network that fits all training tasks at once: the start that knows the tasks but not that there will be others.

    Sinusoids share their input: the best joint answer is their mean. Characters have one output each.
    """
    learner = family.joint()
    # The layers that both networks have begin with the same weights in all variants.
    begin = {
        name: weights[name] if weights[name].shape == value.shape else value.to(weights[name].device)
        for name, value in learner.initial().items()
    }
    watch = watch_rates(family, part.rates)

    update = Replayed(grad_and_value(learner.support_loss))

    def direction(theta: Weights, number: int, generator: np.random.Generator) -> tuple[Weights, Tensor]:
        return update(theta, *family.pooled(generator, part.tasks, part.examples))

    found = train_start(
        family.name,
        begin,
        direction,
        lambda theta: watch(family.start_of(theta)),
        family.goal,
        part,
        run,
        plain=False,
        fingerprint=fingerprint,
    )
    return _learned(found, family.start_of(found.best))


def learn_reptile(
    family: Family, weights: Weights, part: ReptilePart, run: RunParameters, fingerprint: str
) -> Learned:
    """Reptile: a share of the way towards the weights that the tasks of an update were adapted to."""

    @Replayed
    def update(theta: Weights, inputs: Tensor, targets: Tensor) -> tuple[Weights, Tensor]:
        return reptile_gradient(family.learner, theta, inputs, targets, part.inner_rate)

    def direction(theta: Weights, number: int, generator: np.random.Generator) -> tuple[Weights, Tensor]:
        batches = family.batches(generator, part.tasks, part.inner_steps, part.batch, part.shots)
        return update(theta, *batches)

    watch = watch_rates(family, part.rates)
    found = train_start(
        family.name, weights, direction, watch, family.goal, part, run, plain=True, fingerprint=fingerprint
    )
    return _learned(found, found.best)


def learn_maml(
    family: Family, weights: Weights, part: MamlPart, run: RunParameters, fingerprint: str, first_order: bool
) -> Learned:
    """MAML: the start whose loss after the inner steps is least; ``first_order`` leaves the second derivatives out."""

    @Replayed
    def update(theta: Weights, *tasks: Tensor) -> tuple[Weights, Tensor]:
        steps, rate = part.inner_steps, part.inner_rate
        return meta_gradient(family.learner, theta, Tasks(*tasks), steps, rate, first_order)

    def direction(theta: Weights, number: int, generator: np.random.Generator) -> tuple[Weights, Tensor]:
        shots = part.shots[number % len(part.shots)]
        return update(theta, *family.tasks(generator, part.tasks, shots, part.queries).parts)

    watch = watch_rates(family, part.rates)
    found = train_start(
        family.name, weights, direction, watch, family.goal, part, run, plain=False, fingerprint=fingerprint
    )
    return _learned(found, found.best)


def train_starts(
    learn: Callable[[Any, Weights, Any], Learned],
    train: Examples,
    dev: Examples,
    sinusoids: SinusoidParameters,
    characters: CharacterParameters,
    parameters: Any,
    run: RunParameters,
    adapts: str = "",
) -> tuple[Starts, dict[str, Any]]:
    """Learn a start for each family of tasks, beginning with the same weights in all variants of a seed.

    Args:
        learn: from a family, the weights to begin with and the variant's settings for it to what is learned.
        train: drawings that training tasks are made of.
        dev: drawings that dev tasks are made of.
        sinusoids: the family of sinusoids.
        characters: the family of characters.
        parameters: of the variant, one part for each family.
        run: seed, device.
        adapts: begins the names of the weights that a task changes (`Learner`).

    Returns:
        The starts, and the history: dev scores, step sizes, and one row for each look at dev.
    """
    seed_everything(derive_seed(run.seed, "start"))
    device = resolve_device(run.device)
    points = SinusoidFamily(sinusoids, device, adapts)
    drawn = CharacterFamily(characters, train, dev, device, adapts)
    families: tuple[Family, ...] = (points, drawn)
    learned: dict[str, Learned] = {}
    for family in families:
        weights = {name: value.to(device) for name, value in family.learner.initial().items()}
        learned[family.name] = learn(family, weights, getattr(parameters, family.name))
    of_points, of_drawn = learned[points.name], learned[drawn.name]
    starts = Starts(
        Start(sinusoids, of_points.weights, of_points.rate, points.learner.adapts),
        Start(characters.answering(), of_drawn.weights, of_drawn.rate, drawn.learner.adapts),
    )
    history = {
        "dev": {**learned["sinusoids"].dev, **learned["characters"].dev},
        "rates": {name: found.rate for name, found in learned.items()},
        "epochs": {name: found.rows for name, found in learned.items()},
    }
    return starts, history


def _learned(found: Search, weights: Weights) -> Learned:
    cpu: dict[str, Any] = {name: value.detach().cpu() for name, value in weights.items()}
    return Learned(cpu, found.best_row["rate"], _scores(found.best_row), found.rows)


def _scores(row: dict[str, float]) -> dict[str, float]:
    return {name: value for name, value in row.items() if name.startswith(("mse_", "accuracy_"))}
