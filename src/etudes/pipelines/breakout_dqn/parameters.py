"""What can be turned in this study. The values are in ``conf/<environment>/parameters/breakout_dqn.yml``."""

from __future__ import annotations

from typing import Literal

from pydantic import Field, model_validator

from etudes.benches.parameters import AgentsParameters, EpisodeScoringParameters, EpisodeSplitParameters
from etudes.training.parameters import Strict

Yardstick = Literal["random", "follower"]
ArmName = Literal["dqn", "double", "dueling", "double_dueling", "n_step"]
Layer = tuple[int, int, int]


class NetworkParameters(Strict):
    """The network of every arm."""

    convolutions: tuple[Layer, ...] = Field(
        min_length=1, description="channels, side of the kernel and stride of each layer"
    )
    hidden: int = Field(ge=2, description="units of the hidden layer; a dueling head has two of half as many")

    @model_validator(mode="after")
    def _positive(self) -> NetworkParameters:
        if any(number < 1 for layer in self.convolutions for number in layer) or self.hidden % 2:
            raise ValueError(
                f"convolutions {self.convolutions}, hidden {self.hidden}: expected numbers of 1 or more, and an even number of units"
            )
        return self


class TrainingParameters(Strict):
    """What every arm learns with."""

    steps: int = Field(ge=1, description="steps of one agent, of four frames each in Atari games")
    warmup_steps: int = Field(ge=1, description="random steps before the first update")
    train_every: int = Field(ge=1, description="steps between two updates")
    batch_size: int = Field(ge=1, description="transitions of one update")
    capacity: int = Field(ge=1, description="transitions in the replay buffer")
    learning_rate: float = Field(gt=0, description="of Adam")
    adam_epsilon: float = Field(gt=0)
    gradient_clip: float = Field(gt=0, description="largest L2 norm of the gradient")
    huber: float = Field(gt=0, description="error, in units of return, from which the loss grows linearly")
    discount: float = Field(gt=0, lt=1)
    target_every: int = Field(ge=1, description="updates between two copies into the target network")
    n_step: int = Field(ge=1, description="rewards of a target of the arm n_step; the others have one")
    epsilon_start: float = Field(ge=0, le=1, description="share of random actions after the warm-up")
    epsilon_end: float = Field(ge=0, le=1)
    epsilon_share: float = Field(gt=0, le=1, description="share of the steps over which it falls")
    evaluate_every: int = Field(ge=1, description="steps between two points of the curve")
    checkpoint_points: int = Field(ge=1, description="points of the curve between two checkpoints")
    keep: Literal["best", "last"] = Field(
        description="weights an agent ends with: of its best point on dev, or the last ones"
    )

    @model_validator(mode="after")
    def _consistent(self) -> TrainingParameters:
        if self.warmup_steps >= self.steps:
            raise ValueError("warmup_steps must be fewer than steps: there would be no update")
        return self


class Parameters(Strict):
    """The study's root group."""

    variants: list[Yardstick | ArmName] = Field(min_length=1)
    split: EpisodeSplitParameters
    runs: AgentsParameters
    network: NetworkParameters
    training: TrainingParameters
    evaluation: EpisodeScoringParameters
