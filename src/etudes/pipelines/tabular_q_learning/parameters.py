"""What can be turned in this study. The values are in ``conf/<environment>/parameters/tabular_q_learning.yml``."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from etudes.benches.parameters import (
    AgentsParameters,
    ByEnvironment,
    EpisodePlayParameters,
    EpisodesParameters,
)
from etudes.training.parameters import Strict

Variant = Literal["random", "expert", "q_learning", "sarsa", "expected_sarsa", "double_q"]


class ArmParameters(Strict):
    """One way to explore and to see: what is tried on dev, alike for every method."""

    bins: tuple[int, ...] = Field(
        description="intervals of each number of an observation; none where a state is a number already"
    )
    epsilon: float = Field(ge=0, le=1, description="share of random actions in the first episode")
    epsilon_decay: float = Field(gt=0, le=1, description="what it is multiplied with after each episode")
    epsilon_end: float = Field(ge=0, le=1, description="where it stops falling")
    initial: float = Field(description="value of every action before anything is learned")
    learning_rate: float = Field(gt=0, le=1)
    learning_rate_end: float = Field(
        gt=0, le=1, description="where it is at the last step; it moves evenly in ratio"
    )


class TrainingParameters(Strict):
    """What every agent learns with in one environment."""

    steps: int = Field(ge=1, description="environment steps of one agent")
    discount: float = Field(gt=0, lt=1)
    reaches: tuple[float, ...] = Field(
        description="how far bins reach to both sides of 0, for each number of an observation"
    )
    evaluate_every: int = Field(ge=1, description="steps between two points of the learning curve")
    checkpoint_points: int = Field(ge=1, description="points of the curve between two checkpoints")
    keep: Literal["best", "last"] = Field(
        description="values an agent ends with: of its best point on dev, or the last"
    )
    arms: dict[str, ArmParameters] = Field(min_length=1)


TrainingsParameters = ByEnvironment[TrainingParameters]


class EvaluationParameters(EpisodePlayParameters):
    """How agents are scored, and what counts as learned."""

    gaps: dict[str, float] = Field(
        description="by environment, points below the expert within which a greedy policy counts as learned"
    )


class Parameters(Strict):
    """The study's root group."""

    variants: list[Variant] = Field(min_length=1)
    split: EpisodesParameters
    runs: AgentsParameters
    training: TrainingsParameters
    evaluation: EvaluationParameters
