"""What a variant gives: a start for each family of tasks, with its step size."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, ClassVar, Self

import numpy as np
import torch

from etudes.models import ModelState, register_model
from etudes.pipelines.meta_learning.adaptation import Learner, Loss, Tasks, Weights, adaptation_curve
from etudes.pipelines.meta_learning.networks import OUTPUT, learner_of
from etudes.pipelines.meta_learning.parameters import CharacterParameters, SinusoidParameters


class Start:
    """Weights to begin a task with, the size of the gradient steps from there, and which weights they change (`Learner`)."""

    registered_name: str
    shape: ClassVar[type[SinusoidParameters | CharacterParameters]]

    def __init__(self, parameters: Any, weights: Weights, rate: float, adapts: str = "") -> None:
        self.parameters, self.weights, self.rate, self.adapts = parameters, weights, rate, adapts

    @property
    def learner(self) -> Learner:
        return learner_of(self.parameters, self.adapts)

    def scores(self, tasks: Tasks, steps: Sequence[int], see: Loss | None = None) -> np.ndarray:
        """Score of each task's queries after the given numbers of steps: (T, len(steps)), float64."""
        curve = adaptation_curve(self.learner, self.weights, tasks, steps, self.rate, see)
        return curve.double().numpy()

    def answers(self, tasks: Tasks, steps: Sequence[int]) -> np.ndarray:
        """Answers to the queries after the given numbers of steps: (T, len(steps), n, outputs), float32."""
        return self.scores(tasks, steps, lambda answer, _: answer).astype(np.float32)

    def state(self) -> ModelState:
        config = {
            "parameters": self.parameters.model_dump(mode="json"),
            "rate": self.rate,
            "adapts": self.adapts,
        }
        return ModelState(config, {name: value.numpy() for name, value in self.weights.items()})

    @classmethod
    def from_state(cls, state: ModelState) -> Self:
        weights = {name: torch.from_numpy(value) for name, value in state.arrays.items()}
        parameters = cls.shape.model_validate(state.config["parameters"])
        return cls(parameters, weights, state.config["rate"], state.config["adapts"])


@register_model("meta_learning.sinusoids")
class SinusoidStart(Start):
    """A start for sinusoids."""

    shape = SinusoidParameters


@register_model("meta_learning.characters")
class CharacterStart(Start):
    """A start for characters."""

    shape = CharacterParameters

    def transductive(self) -> CharacterStart:
        """The same start, with the queries of a task normalised by their own common statistics (MAML's reference code)."""
        parameters = self.parameters.model_copy(update={"normalisation": "query"})
        return CharacterStart(parameters, self.weights, self.rate, self.adapts)

    def for_ways(self, ways: int, rate: float) -> CharacterStart:
        """The same start for tasks of another number of characters.

        Every output begins at the mean of the outputs that were learned: a character gets its place in a task by chance, so
        no place should count. Ye and Chao 2022 train one vector for all outputs; here training did not ask for that. The
        first step changes the outputs alone, because equal outputs send no gradient to the features.
        """
        weights = {
            name: value.mean(0, keepdim=True).expand(ways, *value.shape[1:]).contiguous()
            if name.startswith(OUTPUT)
            else value
            for name, value in self.weights.items()
        }
        return CharacterStart(self.parameters.model_copy(update={"ways": ways}), weights, rate, self.adapts)


@register_model("meta_learning.starts")
class Starts:
    """The starts of one variant."""

    registered_name: str

    def __init__(self, sinusoids: SinusoidStart, characters: CharacterStart) -> None:
        self.sinusoids, self.characters = sinusoids, characters

    def state(self) -> ModelState:
        state = ModelState()
        state.nest("sinusoids", self.sinusoids.state())
        state.nest("characters", self.characters.state())
        return state

    @classmethod
    def from_state(cls, state: ModelState) -> Self:
        parts = state.nested("sinusoids"), state.nested("characters")
        return cls(SinusoidStart.from_state(parts[0]), CharacterStart.from_state(parts[1]))
