"""The two families of tasks, as the trainings see them: a learner, training tasks at will, and fixed dev tasks."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Sequence

import numpy as np
import torch
from torch import Tensor

from etudes.benches.characters import SHOTS, Drawings, Episodes, draw_episodes, labels_of
from etudes.examples import Examples
from etudes.pipelines.meta_learning.adaptation import Learner, Tasks, Weights, adaptation_curve
from etudes.pipelines.meta_learning.networks import OUTPUT, learner_of
from etudes.pipelines.meta_learning.parameters import CharacterParameters, SinusoidParameters
from etudes.pipelines.meta_learning.starts import CharacterStart, SinusoidStart, Start
from etudes.pipelines.meta_learning.tasks import (
    SINUSOID_SHOTS,
    Sinusoids,
    draw_sinusoids,
)
from etudes.vision.distortion import distorted

LAST_STEP = 10
DEV_SEED = 1  # dev tasks are part of the data: the same for all variants and seeds of a run
CPU = torch.device("cpu")
Pictures = Callable[[np.ndarray], Tensor]


class Family(ABC):
    """What the trainings need to know of a family of tasks.

    ``learner`` meets training tasks, ``answering`` with the settings ``answered`` dev and test tasks. ``held_out`` are the
    dev tasks, with the names of their scores and the steps after which they are taken; the score ``metric`` decides.
    """

    name: str
    metric: str
    maximise: bool
    start_class: type[Start]
    learner: Learner
    answering: Learner
    answered: SinusoidParameters | CharacterParameters
    held_out: list[tuple[Tasks, dict[str, int]]]

    @abstractmethod
    def tasks(self, generator: np.random.Generator, count: int, shots: int, queries: int) -> Tasks:
        """Fresh training tasks."""

    @abstractmethod
    def batches(
        self, generator: np.random.Generator, count: int, steps: int, batch: int, shots: int
    ) -> tuple[Tensor, Tensor]:
        """For each of ``count`` tasks, ``steps`` batches out of ``shots`` examples: (T, K, n, ...) and targets."""

    @abstractmethod
    def pooled(self, generator: np.random.Generator, tasks: int, examples: int) -> tuple[Tensor, Tensor]:
        """A batch (n, ...) of examples of many tasks, and targets, for the `joint` learner."""

    def joint(self) -> Learner:
        """The learner of all training tasks at once."""
        return self.learner

    def start_of(self, joint: Weights) -> Weights:
        """What of the joint learner is the start for a new task."""
        return joint

    def start(self, weights: Weights, rate: float) -> Start:
        """The weights and the step size that go with them, as they answer new tasks."""
        return self.start_class(self.answered, weights, rate, self.learner.adapts)

    def better(self, new: float, old: float) -> bool:
        return new > old if self.maximise else new < old

    def dev(self, weights: Weights, rates: Sequence[float]) -> dict[str, float]:
        """Scores of a start on the dev tasks with the step size that suits it best, and that size as ``rate``."""
        rows = [{**self._scores(weights, rate), "rate": rate} for rate in rates]
        return (max if self.maximise else min)(rows, key=lambda row: row[self.metric])

    def _scores(self, weights: Weights, rate: float) -> dict[str, float]:
        scores: dict[str, float] = {}
        for tasks, names in self.held_out:
            curve = adaptation_curve(self.answering, weights, tasks, tuple(names.values()), rate)
            scores |= dict(zip(names, curve.double().mean(0).tolist(), strict=True))
        return scores


class SinusoidFamily(Family):
    """Sinusoids; the error after ten steps on ten points decides."""

    name, metric, maximise, start_class = "sinusoids", "mse_after_10", False, SinusoidStart

    def __init__(self, parameters: SinusoidParameters, device: torch.device, adapts: str = "") -> None:
        self.parameters = self.answered = parameters
        self.device = device
        self.learner = self.answering = learner_of(parameters, adapts)
        few, many = SINUSOID_SHOTS
        queries, generator = parameters.queries, np.random.default_rng(DEV_SEED)
        drawn = draw_sinusoids(parameters, parameters.dev_tasks, many + queries, generator)
        steps = {f"mse_after_{step}": step for step in (0, 1, 5, LAST_STEP)}
        self.held_out = [
            (sinusoid_tasks(drawn, many, queries).to(device), steps),
            (sinusoid_tasks(drawn, few, queries).to(device), {"mse_5shot": LAST_STEP}),
        ]

    def tasks(self, generator: np.random.Generator, count: int, shots: int, queries: int) -> Tasks:
        drawn = draw_sinusoids(self.parameters, count, shots + queries, generator)
        return sinusoid_tasks(drawn, shots, queries).to(self.device)

    def batches(
        self, generator: np.random.Generator, count: int, steps: int, batch: int, shots: int
    ) -> tuple[Tensor, Tensor]:
        drawn = draw_sinusoids(self.parameters, count, shots, generator)
        chosen = generator.random((count, steps, shots)).argsort(2)[:, :, :batch, None]
        x, y = (np.take_along_axis(values[:, None], chosen, 2) for values in (drawn.x, drawn.y))
        return torch.from_numpy(x).to(self.device), torch.from_numpy(y).to(self.device)

    def pooled(self, generator: np.random.Generator, tasks: int, examples: int) -> tuple[Tensor, Tensor]:
        drawn = draw_sinusoids(self.parameters, tasks, examples, generator)
        x, y = (torch.from_numpy(values.reshape(-1, 1)).to(self.device) for values in (drawn.x, drawn.y))
        return x, y


class CharacterFamily(Family):
    """Characters; the accuracy after ten steps on one drawing of each decides."""

    name, metric, maximise, start_class = "characters", "accuracy_1shot", True, CharacterStart

    def __init__(
        self,
        parameters: CharacterParameters,
        train: Examples,
        dev: Examples,
        device: torch.device,
        adapts: str = "",
    ) -> None:
        self.parameters, self.answered, self.device = parameters, parameters.answering(), device
        self.learner, self.answering = (learner_of(shape, adapts) for shape in (parameters, self.answered))
        self.drawings = Drawings.of(train, parameters.rotations)
        self._pictures = as_they_are(self.drawings, device)
        held_out, queries = Drawings.of(dev, rotations=False), parameters.queries
        generator, examples = np.random.default_rng(DEV_SEED), SHOTS[-1] + queries
        episodes = draw_episodes(held_out.table, parameters.dev_tasks, parameters.ways, examples, generator)
        pictures = as_they_are(held_out, device)
        self.held_out = [
            (character_tasks(pictures, episodes, shots, queries), {f"accuracy_{shots}shot": LAST_STEP})
            for shots in SHOTS
        ]

    def _episodes(self, generator: np.random.Generator, count: int, examples: int) -> Episodes:
        ways, share, drawings = self.parameters.ways, self.parameters.one_alphabet, self.drawings
        return draw_episodes(drawings.table, count, ways, examples, generator, drawings.alphabets, share)

    def _met(self, rows: np.ndarray, generator: np.random.Generator) -> Tensor:
        """Training pictures (*rows.shape, 1, S, S), each distorted anew."""
        settings = self.parameters.distortion
        met = distorted(self._pictures(rows.reshape(-1)), generator, **settings.model_dump())
        return met.view(*rows.shape, *met.shape[1:])

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

    def pooled(self, generator: np.random.Generator, tasks: int, examples: int) -> tuple[Tensor, Tensor]:
        chosen = draw_episodes(
            self.drawings.table, 1, min(tasks, len(self.drawings.table)), examples, generator
        )
        labels = torch.from_numpy(np.repeat(chosen.characters[0], examples)).to(self.device)
        return self._met(chosen.rows.reshape(-1), generator), labels

    def joint(self) -> Learner:
        return learner_of(self.parameters, outputs=len(self.drawings.table))

    def start_of(self, joint: Weights) -> Weights:
        """The features of the joint network; the output layer of a new task begins at zero: all answers alike."""
        fresh = self.learner.initial()
        return {
            name: torch.zeros_like(fresh[name], device=value.device) if name.startswith(OUTPUT) else value
            for name, value in joint.items()
        }


def sinusoid_tasks(drawn: Sinusoids, shots: int, queries: int) -> Tasks:
    """The first points are the support set, the last ones the queries."""
    x, y = torch.from_numpy(drawn.x), torch.from_numpy(drawn.y)
    if shots + queries > x.shape[1]:
        raise ValueError(f"{shots} support and {queries} query points asked of tasks that hold {x.shape[1]}")
    first = x.shape[1] - queries
    return Tasks(x[:, :shots], y[:, :shots], x[:, first:], y[:, first:])


def character_tasks(pictures: Pictures, episodes: Episodes, shots: int, queries: int) -> Tasks:
    """The drawings of the episodes, with the place of a character in its episode as label.

    Args:
        pictures: rows of drawings (T, n) to pictures (T, n, 1, S, S).
        episodes: T tasks.
        shots, queries: drawings of each character in the support and in the query set.
    """
    support, query = (pictures(rows) for rows in episodes.split(shots, queries))
    tasks, ways, _ = episodes.rows.shape
    of_support, of_query = (
        torch.from_numpy(labels_of(ways, each)).to(support.device).expand(tasks, -1)
        for each in (shots, queries)
    )
    return Tasks(support, of_support, query, of_query)


def as_they_are(drawings: Drawings, device: torch.device = CPU) -> Pictures:
    """Rows to their pictures as the network takes them, (*rows.shape, 1, S, S), intensities in 0..1."""
    pictures = torch.tensor(drawings.pixels, device=device)[:, None].to(torch.float32).div_(255)
    return lambda rows: pictures[torch.from_numpy(rows).to(device)]
