"""What can be turned in this study. The values are in ``conf/<environment>/parameters/lunar_lander_bbf.yml``."""

from __future__ import annotations

from typing import Literal

from pydantic import Field, model_validator

from etudes.benches.parameters import AgentRunsParameters, EpisodeScoringParameters, EpisodeSplitParameters
from etudes.training.parameters import Strict

Variant = Literal["random", "heuristic", "dqn", "n_step", "discount", "resets", "bbf"]


class TrainingParameters(Strict):
    """DQN; every learning variant starts from these."""

    steps: int = Field(ge=1, description="environment steps of one agent")
    warmup_steps: int = Field(ge=1, description="steps before the first update")
    replay_ratio: float = Field(gt=0, description="updates for each environment step")
    batch_size: int = Field(ge=1, description="transitions of one update")
    capacity: int = Field(ge=1, description="transitions in the replay buffer")
    hidden: tuple[int, ...] = Field(min_length=1, description="units of the hidden layers")
    layer_norm: bool = Field(description="layer normalisation in front of each activation")
    learning_rate: float = Field(gt=0)
    learning_rate_end: float = Field(gt=0, description="where it is after the last update; it moves linearly")
    adam_epsilon: float = Field(gt=0)
    weight_decay: float = Field(ge=0, description="decoupled (AdamW)")
    gradient_clip: float = Field(gt=0, description="largest L2 norm of the gradient")
    huber: float = Field(gt=0, description="error, in units of return, from which the loss grows linearly")
    target_rate: float = Field(gt=0, le=1, description="share of the online weights taken over each update")
    act_with: Literal["online", "target"] = Field(description="the network that plays")
    epsilon_start: float = Field(ge=0, le=1, description="share of random actions at the start")
    epsilon_end: float = Field(ge=0, le=1)
    epsilon_share: float = Field(gt=0, le=1, description="share of the steps over which it falls")
    double_q: bool = Field(
        description="the online network chooses the action of a target and the target network says what it is worth; "
        "else the target network does both"
    )
    n_step: int = Field(ge=1, description="rewards of a target")
    discount: float = Field(gt=0, lt=1)
    evaluate_every: int = Field(ge=1, description="environment steps between two points of the curve")
    checkpoint_points: int = Field(ge=1, description="points of the curve between two checkpoints")
    keep: Literal["best", "last"] = Field(
        description="weights an agent ends with: of its best point on dev, or the last ones"
    )

    @model_validator(mode="after")
    def _consistent(self) -> TrainingParameters:
        if self.warmup_steps >= self.steps:
            raise ValueError("warmup_steps must be fewer than steps: there would be no update")
        return self


class AnnealingParameters(Strict):
    """n-step and discount annealing, from the start and anew from each reset."""

    n_start: int = Field(ge=1)
    n_end: int = Field(ge=1)
    discount_start: float = Field(gt=0, lt=1)
    discount_end: float = Field(gt=0, lt=1)
    updates: int = Field(ge=1, description="updates over which both move")


class ResetParameters(Strict):
    """Shrink and perturb the hidden layers, draw the head anew."""

    every: int = Field(
        ge=1, description="updates between resets; none is made when fewer than these are left"
    )
    shrink: float = Field(ge=0, le=1, description="share of a hidden weight that is kept; the rest is fresh")


class Parameters(Strict):
    """The study's root group."""

    variants: list[Variant] = Field(min_length=1)
    split: EpisodeSplitParameters
    runs: AgentRunsParameters
    training: TrainingParameters
    annealing: AnnealingParameters
    resets: ResetParameters
    evaluation: EpisodeScoringParameters
