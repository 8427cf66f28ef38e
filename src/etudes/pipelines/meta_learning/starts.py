"""What a variant gives: a start for each family of tasks, with its step size."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal, Self

import numpy as np
import torch

from etudes.models import ModelState, register_model
from etudes.pipelines.meta_learning.adaptation import Learner, Tasks, Weights, adaptation_curve, answers
from etudes.pipelines.meta_learning.families import character_learner, sinusoid_learner
from etudes.pipelines.meta_learning.networks import OUTPUT
from etudes.pipelines.meta_learning.parameters import CharacterParameters, SinusoidParameters

Kind = Literal["sinusoids", "characters"]


@register_model("meta_learning.start")
class Start:
    """Weights to begin a task with, the size of the gradient steps from there, and which weights they change (`Learner`)."""

    registered_name: str

    def __init__(
        self,
        parameters: SinusoidParameters | CharacterParameters,
        weights: Weights,
        rate: float,
        adapts: str = "",
    ) -> None:
        self.parameters, self.weights, self.rate, self.adapts = parameters, weights, rate, adapts

    @property
    def kind(self) -> Kind:
        return "sinusoids" if isinstance(self.parameters, SinusoidParameters) else "characters"

    @property
    def normalises_by_support(self) -> bool:
        return getattr(self.parameters, "normalisation", None) == "support"

    @property
    def learner(self) -> Learner:
        if isinstance(self.parameters, SinusoidParameters):
            return sinusoid_learner(self.parameters, self.adapts)
        return character_learner(self.parameters, self.adapts)

    def transductive(self) -> Start:
        """The same start, with the queries of a task normalised by their own common statistics (MAML's reference code).

        Raises:
            ValueError: a start of sinusoids, whose network normalises nothing.
        """
        if isinstance(self.parameters, SinusoidParameters):
            raise ValueError(
                "the network of the sinusoids normalises nothing; expected a start of characters"
            )
        return Start(
            self.parameters.model_copy(update={"normalisation": "query"}),
            self.weights,
            self.rate,
            self.adapts,
        )

    def for_ways(self, ways: int, rate: float) -> Start:
        """The same start for tasks of another number of characters.

        Every output begins at the mean of the outputs that were learned: a character gets its place in a task by chance, so
        no place should count. Ye and Chao 2022 train one vector for all outputs; here training did not ask for that. The
        first step changes the outputs alone, because equal outputs send no gradient to the features.

        Raises:
            ValueError: a start of sinusoids, whose network has one output.
        """
        if isinstance(self.parameters, SinusoidParameters):
            raise ValueError("the network of the sinusoids has one output; expected a start of characters")
        weights = {
            name: value.mean(0, keepdim=True).expand(ways, *value.shape[1:]).contiguous()
            if name.startswith(OUTPUT)
            else value
            for name, value in self.weights.items()
        }
        return Start(self.parameters.model_copy(update={"ways": ways}), weights, rate, self.adapts)

    def scores(self, tasks: Tasks, steps: Sequence[int]) -> np.ndarray:
        """Score of each task's queries after the given numbers of steps: (T, len(steps)), float64."""
        return adaptation_curve(self.learner, self.weights, tasks, steps, self.rate).double().numpy()

    def answers(self, tasks: Tasks, steps: Sequence[int]) -> np.ndarray:
        """Answers to the queries after the given numbers of steps: (T, len(steps), n, outputs), float32."""
        return answers(self.learner, self.weights, tasks, steps, self.rate).numpy()

    def state(self) -> ModelState:
        config = {
            "kind": self.kind,
            "parameters": self.parameters.model_dump(mode="json"),
            "rate": self.rate,
            "adapts": self.adapts,
        }
        return ModelState(config, {name: value.cpu().numpy() for name, value in self.weights.items()})

    @classmethod
    def from_state(cls, state: ModelState) -> Self:
        shapes = SinusoidParameters if state.config["kind"] == "sinusoids" else CharacterParameters
        weights = {name: torch.from_numpy(value) for name, value in state.arrays.items()}
        parameters = shapes.model_validate(state.config["parameters"])
        # Starts stored before there was ANIL adapt all their weights.
        return cls(parameters, weights, state.config["rate"], state.config.get("adapts", ""))


@register_model("meta_learning.starts")
class Starts:
    """The starts of one variant."""

    registered_name: str

    def __init__(self, sinusoids: Start, characters: Start) -> None:
        self.sinusoids, self.characters = sinusoids, characters

    def state(self) -> ModelState:
        state = ModelState()
        state.nest("sinusoids", self.sinusoids.state())
        state.nest("characters", self.characters.state())
        return state

    @classmethod
    def from_state(cls, state: ModelState) -> Self:
        return cls(*(Start.from_state(state.nested(kind)) for kind in ("sinusoids", "characters")))
