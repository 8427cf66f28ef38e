"""The outer loop: it moves the start, looks at dev tasks now and then, and can be killed and resumed."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import torch
from torch import Tensor

from etudes.pipelines.meta_learning.adaptation import Weights
from etudes.pipelines.meta_learning.parameters import OuterParameters
from etudes.training.checkpoint import Checkpoint, checkpoint_key
from etudes.training.parameters import RunParameters
from etudes.training.seeds import derive_seed
from etudes.training.session import current_session, progress, record

Direction = Callable[[Weights, int, np.random.Generator], tuple[Weights, Tensor]]
Watch = Callable[[Weights], dict[str, float]]
MOMENTS = (0.9, 0.999)


@dataclass(frozen=True)
class Goal:
    """The dev score that chooses the best start."""

    metric: str
    maximise: bool

    def better(self, new: float, old: float) -> bool:
        return new > old if self.maximise else new < old


@dataclass
class Search:
    """Where a training stands, and what it gives: the best start on dev and one row for each look at dev."""

    weights: Weights
    best: Weights
    best_row: dict[str, float]
    rows: list[dict[str, float]] = field(default_factory=list)
    step: int = 0


def train_start(
    family: str,
    weights: Weights,
    direction: Direction,
    watch: Watch,
    goal: Goal,
    settings: OuterParameters,
    run: RunParameters,
    *,
    plain: bool,
    fingerprint: str,
) -> Search:
    """Follow ``direction`` for ``settings.steps`` updates.

        theta <- theta - eta_t clip(direction(theta)),   eta_t = learning_rate (1 + cos(pi t / T)) / 2

    with Adam (Kingma and Ba 2015) in the place of the plain step unless ``plain``.

    Args:
        family: name of the tasks, for messages, live metrics and the checkpoint's folder.
        weights: where to begin.
        direction: what to subtract at update t, and the mean loss of its tasks. It gets a generator that depends on
            the run's seed and t alone, so that a resumed training meets the same tasks.
        watch: scores of a start on the dev tasks.
        goal: which of them decides.
        settings: number of updates, their size.
        run: seed, resume.
        plain: no Adam; Reptile's direction is a difference of weights already.
        fingerprint: of the data and all settings; another one is another training.

    Raises:
        ValueError: the loss or the dev score is not finite.
    """
    session = current_session()
    label = f"{session.label if session else 'training'}, {family}"
    folder = session.checkpoints / family if session and session.checkpoints else None
    checkpoint = Checkpoint(
        folder, checkpoint_key(fingerprint, settings.model_dump(), run.seed, plain), run.resume
    )
    theta = {name: value.clone() for name, value in weights.items()}
    optimizer: torch.optim.Optimizer
    if plain:
        optimizer = torch.optim.SGD(theta.values(), lr=settings.learning_rate)
    else:
        optimizer = torch.optim.Adam(theta.values(), lr=settings.learning_rate, betas=MOMENTS)
    search = _resumed(checkpoint, theta, optimizer, family)
    if search is None:
        first = {"step": 0.0, **watch(theta)}
        search = Search(theta, _copy(theta), first, [first])
        _report(family, first)
    losses: list[float] = []
    rest = range(search.step, settings.steps)
    for number in progress(rest, label, total=len(rest)):
        rate = settings.learning_rate * (1 + math.cos(math.pi * number / settings.steps)) / 2
        generator = np.random.default_rng([derive_seed(run.seed, "tasks", family), number])
        gradient, loss = direction(theta, number, generator)
        _clip(gradient, settings.gradient_clip)
        for name, value in theta.items():
            value.grad = gradient[name].detach()
        for group in optimizer.param_groups:
            group["lr"] = rate
        optimizer.step()
        losses.append(float(loss))
        search.step = number + 1
        if search.step % settings.watch_steps == 0 or search.step == settings.steps:
            row = {"step": float(search.step), "train_loss": float(np.mean(losses)), "learning_rate": rate}
            row |= watch(theta)
            losses = []
            if not math.isfinite(row["train_loss"]) or not math.isfinite(row[goal.metric]):
                raise ValueError(
                    f"{label}: training loss {row['train_loss']} and dev {goal.metric} {row[goal.metric]} after update "
                    f"{search.step}; lower learning_rate, gradient_clip, or the inner rate"
                )
            if goal.better(row[goal.metric], search.best_row[goal.metric]):
                search.best, search.best_row = _copy(theta), row
            search.rows.append(row)
            _report(family, row)
            checkpoint.save(
                {
                    "weights": theta,
                    "best": search.best,
                    "best_row": search.best_row,
                    "rows": search.rows,
                    "step": search.step,
                    "optimizer": optimizer.state_dict(),
                }
            )
    return search


def _resumed(
    checkpoint: Checkpoint, theta: Weights, optimizer: torch.optim.Optimizer, family: str
) -> Search | None:
    stored: dict[str, Any] | None = checkpoint.load()
    if stored is None:
        return None
    for name, value in theta.items():
        value.copy_(stored["weights"][name])
    optimizer.load_state_dict(stored["optimizer"])
    best = {name: value.to(theta[name].device) for name, value in stored["best"].items()}
    for row in stored["rows"]:  # the curve of the killed run continues in this one
        _report(family, row)
    return Search(theta, best, stored["best_row"], stored["rows"], stored["step"])


def _report(family: str, row: dict[str, float]) -> None:
    record(int(row["step"]), {f"{family}_{name}": value for name, value in row.items() if name != "step"})


def _copy(weights: Weights) -> Weights:
    return {name: value.detach().clone() for name, value in weights.items()}


def _clip(gradient: Weights, largest: float) -> None:
    """Shorten the whole gradient to the L2 norm ``largest`` in place."""
    norm = torch.sqrt(sum((value.square().sum() for value in gradient.values()), torch.zeros(())))
    factor = (largest / (norm + 1e-6)).clamp(max=1.0)
    for value in gradient.values():
        value.mul_(factor)
