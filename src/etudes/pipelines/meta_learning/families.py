"""The two families of tasks, as the trainings see them: a learner, training tasks at will, and fixed dev tasks."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Protocol

import numpy as np
import torch
from torch import Tensor

from etudes.examples import Examples
from etudes.pipelines.meta_learning.adaptation import Learner, Tasks, Weights, adaptation_curve
from etudes.pipelines.meta_learning.distortion import distorted
from etudes.pipelines.meta_learning.networks import (
    OUTPUT,
    Classifier,
    Regressor,
    cross_entropy,
    hits,
    squared_error,
)
from etudes.pipelines.meta_learning.outer import Goal
from etudes.pipelines.meta_learning.parameters import CharacterParameters, SinusoidParameters
from etudes.pipelines.meta_learning.tasks import (
    CHARACTER_SHOTS,
    SINUSOID_SHOTS,
    Drawings,
    Episodes,
    Sinusoids,
    draw_episodes,
    draw_sinusoids,
    labels_of,
)

LAST_STEP = 10
Pictures = Callable[[np.ndarray], Tensor]
DEV_SEED = 1  # dev tasks are part of the data: the same for all variants and seeds of a run


class Family(Protocol):
    """What the trainings need to know of a family of tasks."""

    name: str
    goal: Goal
    learner: Learner

    def tasks(self, generator: np.random.Generator, count: int, shots: int, queries: int) -> Tasks:
        """Fresh training tasks."""
        ...

    def batches(
        self, generator: np.random.Generator, count: int, steps: int, batch: int, shots: int
    ) -> tuple[Tensor, Tensor]:
        """For each of ``count`` tasks, ``steps`` batches out of ``shots`` examples: (T, K, n, ...) and targets."""
        ...

    def joint(self) -> Learner:
        """The learner of all training tasks at once."""
        ...

    def pooled(self, generator: np.random.Generator, tasks: int, examples: int) -> tuple[Tensor, Tensor]:
        """A batch (n, ...) of examples of many tasks, and targets, for the joint learner."""
        ...

    def start_of(self, joint: Weights) -> Weights:
        """What of the joint learner is the start for a new task."""
        ...

    def dev(self, weights: Weights, rate: float) -> dict[str, float]:
        """Scores of a start on the dev tasks."""
        ...


def sinusoid_learner(parameters: SinusoidParameters, adapts: str = "") -> Learner:
    return Learner(Regressor(parameters), squared_error, squared_error, adapts)


def character_learner(
    parameters: CharacterParameters, adapts: str = "", outputs: int | None = None
) -> Learner:
    return Learner(Classifier(parameters, outputs or parameters.ways), cross_entropy, hits, adapts)


def sinusoid_tasks(drawn: Sinusoids, shots: int, queries: int) -> Tasks:
    """The first points are the support set, the last ones the queries."""
    x, y = torch.from_numpy(drawn.x), torch.from_numpy(drawn.y)
    if shots + queries > x.shape[1]:
        raise ValueError(f"{shots} support and {queries} query points asked of tasks that hold {x.shape[1]}")
    first = x.shape[1] - queries
    return Tasks(x[:, :shots], y[:, :shots], x[:, first:], y[:, first:])


def intensities(drawings: Drawings, device: torch.device) -> Tensor:
    """Pixels as the network takes them: (N, 1, S, S), 0..1."""
    return torch.tensor(drawings.pixels, device=device)[:, None].to(torch.float32).div_(255)


def character_tasks(pictures: Pictures, episodes: Episodes, shots: int, queries: int) -> Tasks:
    """The drawings of the episodes, with the place of a character in its episode as label.

    Args:
        pictures: rows of drawings (T, n) to pictures (T, n, 1, S, S).
        episodes: T tasks.
        shots, queries: drawings of each character in the support and in the query set.
    """
    support, query = (pictures(rows) for rows in episodes.split(shots, queries))
    tasks, ways, _ = episodes.rows.shape
    labels = [
        torch.from_numpy(labels_of(ways, each)).to(support.device).expand(tasks, -1)
        for each in (shots, queries)
    ]
    return Tasks(support, labels[0], query, labels[1])


def as_they_are(pictures: Tensor) -> Pictures:
    """Rows to the pictures (N, 1, S, S) of these rows."""
    return lambda rows: pictures[torch.from_numpy(rows).to(pictures.device)]


def dev_scores(
    learner: Learner, weights: Weights, rate: float, tasks: dict[str, Tasks], steps: Sequence[int]
) -> list[tuple[str, int, float]]:
    """Mean score (name of the tasks, step, score) over tasks."""
    found = []
    for name, of_name in tasks.items():
        curve = adaptation_curve(learner, weights, of_name, steps, rate).double().mean(0)
        found += [(name, step, float(value)) for step, value in zip(steps, curve, strict=True)]
    return found


class SinusoidFamily:
    """Sinusoids; the goal is the error after ten steps on ten points."""

    name = "sinusoids"
    goal = Goal("mse_after_10", maximise=False)

    def __init__(self, parameters: SinusoidParameters, device: torch.device, adapts: str = "") -> None:
        self.parameters, self.device = parameters, device
        self.learner = sinusoid_learner(parameters, adapts)
        shots = SINUSOID_SHOTS[-1]
        drawn = draw_sinusoids(
            parameters, parameters.dev_tasks, shots + parameters.queries, np.random.default_rng(DEV_SEED)
        )
        self._dev = {
            "mse_after": sinusoid_tasks(drawn, shots, parameters.queries).to(device),
            "mse_5shot": sinusoid_tasks(drawn, SINUSOID_SHOTS[0], parameters.queries).to(device),
        }

    def tasks(self, generator: np.random.Generator, count: int, shots: int, queries: int) -> Tasks:
        drawn = draw_sinusoids(self.parameters, count, shots + queries, generator)
        return sinusoid_tasks(drawn, shots, queries).to(self.device)

    def batches(
        self, generator: np.random.Generator, count: int, steps: int, batch: int, shots: int
    ) -> tuple[Tensor, Tensor]:
        drawn = draw_sinusoids(self.parameters, count, shots, generator)
        chosen = generator.random((count, steps, shots)).argsort(2)[:, :, :batch]
        x, y = (
            torch.from_numpy(np.take_along_axis(values[:, None], chosen[..., None], 2)).to(self.device)
            for values in (drawn.x, drawn.y)
        )
        return x, y

    def joint(self) -> Learner:
        return self.learner

    def pooled(self, generator: np.random.Generator, tasks: int, examples: int) -> tuple[Tensor, Tensor]:
        drawn = draw_sinusoids(self.parameters, tasks, examples, generator)
        x, y = (torch.from_numpy(values.reshape(-1, 1)).to(self.device) for values in (drawn.x, drawn.y))
        return x, y

    def start_of(self, joint: Weights) -> Weights:
        return joint

    def dev(self, weights: Weights, rate: float) -> dict[str, float]:
        scores = dev_scores(self.learner, weights, rate, self._dev, (0, 1, 5, LAST_STEP))
        found = {f"{name}_{step}": value for name, step, value in scores if name == "mse_after"}
        return found | {
            name: value for name, step, value in scores if name != "mse_after" and step == LAST_STEP
        }


class CharacterFamily:
    """Characters; the goal is the accuracy after ten steps on one drawing of each."""

    name = "characters"
    goal = Goal("accuracy_1shot", maximise=True)

    def __init__(
        self,
        parameters: CharacterParameters,
        train: Examples,
        dev: Examples,
        device: torch.device,
        adapts: str = "",
    ) -> None:
        self.parameters, self.device = parameters, device
        self.learner = character_learner(parameters, adapts)
        self._answering = replace(self.learner, network=Classifier(parameters.answering(), parameters.ways))
        self.drawings = Drawings.of(train, parameters.rotations)
        self._pictures = intensities(self.drawings, device)
        held_out = Drawings.of(dev, rotations=False)
        episodes = draw_episodes(
            held_out.table,
            parameters.dev_tasks,
            parameters.ways,
            CHARACTER_SHOTS[-1] + parameters.queries,
            np.random.default_rng(DEV_SEED),
        )
        pictures = as_they_are(intensities(held_out, device))
        self._dev = {
            f"accuracy_{shots}shot": character_tasks(pictures, episodes, shots, parameters.queries)
            for shots in CHARACTER_SHOTS
        }

    def _episodes(self, generator: np.random.Generator, count: int, examples: int) -> Episodes:
        drawings, parameters = self.drawings, self.parameters
        return draw_episodes(
            drawings.table,
            count,
            parameters.ways,
            examples,
            generator,
            drawings.alphabets,
            parameters.one_alphabet,
        )

    def _met(self, rows: np.ndarray, generator: np.random.Generator) -> Tensor:
        """Training pictures (*rows.shape, 1, S, S), each distorted anew."""
        pictures = self._pictures[torch.from_numpy(rows.reshape(-1)).to(self.device)]
        met = distorted(pictures, self.parameters.distortion, generator)
        return met.view(*rows.shape, *pictures.shape[1:])

    def tasks(self, generator: np.random.Generator, count: int, shots: int, queries: int) -> Tasks:
        episodes = self._episodes(generator, count, shots + queries)
        return character_tasks(lambda rows: self._met(rows, generator), episodes, shots, queries)

    def batches(
        self, generator: np.random.Generator, count: int, steps: int, batch: int, shots: int
    ) -> tuple[Tensor, Tensor]:
        rows = self._episodes(generator, count, shots).rows  # (T, N, shots)
        ways = rows.shape[1]
        chosen = generator.random((count, steps, ways, shots)).argsort(3)[..., :batch]
        taken = np.take_along_axis(rows[:, None], chosen, 3).reshape(count, steps, ways * batch)
        labels = torch.from_numpy(labels_of(ways, batch)).to(self.device).expand(count, steps, -1)
        return self._met(taken, generator), labels

    def joint(self) -> Learner:
        return character_learner(self.parameters, outputs=len(self.drawings))

    def pooled(self, generator: np.random.Generator, tasks: int, examples: int) -> tuple[Tensor, Tensor]:
        chosen = draw_episodes(self.drawings.table, 1, min(tasks, len(self.drawings)), examples, generator)
        labels = torch.from_numpy(np.repeat(chosen.characters[0], examples)).to(self.device)
        return self._met(chosen.rows.reshape(-1), generator), labels

    def start_of(self, joint: Weights) -> Weights:
        """The features of the joint network; the output layer of a new task begins at zero: all answers alike."""
        fresh = self.learner.initial()
        return {
            name: torch.zeros_like(fresh[name], device=value.device) if name.startswith(OUTPUT) else value
            for name, value in joint.items()
        }

    def dev(self, weights: Weights, rate: float) -> dict[str, float]:
        scores = dev_scores(self._answering, weights, rate, self._dev, (LAST_STEP,))
        return {name: value for name, _, value in scores}
