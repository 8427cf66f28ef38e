"""What can be turned in this study. The values are in ``conf/<environment>/parameters/approximate_q_learning.yml``."""

from __future__ import annotations

from typing import Literal

from pydantic import Field, model_validator

from etudes.benches.parameters import AgentsParameters, EpisodeScoringParameters, EpisodeSplitParameters
from etudes.training.parameters import Strict

Yardstick = Literal["random", "expert", "linear_search"]
Arm = Literal["online", "double", "target", "target_double", "replay", "replay_double", "dqn", "double_dqn"]


class TrainingParameters(Strict):
    """What every arm learns with."""

    steps: int = Field(ge=1, description="environment steps of one agent")
    warmup_steps: int = Field(ge=0, description="steps before the first update; every later step has one")
    hidden: tuple[int, ...] = Field(min_length=1, description="units of the hidden layers")
    learning_rates: tuple[float, ...] = Field(
        min_length=1, description="each is tried by all agents of every arm; dev chooses one for each arm"
    )
    adam_epsilon: float = Field(gt=0)
    huber: float = Field(gt=0, description="error, in units of return, from which the loss grows linearly")
    discount: float = Field(gt=0, lt=1)
    batch_size: int = Field(ge=1, description="transitions of one update from the memory")
    capacity: int = Field(ge=1, description="latest transitions that the memory holds")
    target_every: int = Field(ge=1, description="updates between two copies into the target network")
    epsilon_start: float = Field(ge=0, le=1, description="share of random actions at the start")
    epsilon_end: float = Field(ge=0, le=1)
    epsilon_share: float = Field(gt=0, le=1, description="share of the steps over which it falls")
    evaluate_every: int = Field(ge=1, description="environment steps between two points of the curve")
    checkpoint_points: int = Field(ge=1, description="points of the curve between two checkpoints")
    keep: Literal["best", "last"] = Field(
        description="weights an agent ends with: of its best point on dev, or the last ones"
    )

    @model_validator(mode="after")
    def _consistent(self) -> TrainingParameters:
        if self.warmup_steps >= self.steps:
            raise ValueError("warmup_steps must be fewer than steps: there would be no update")
        if self.steps < 2 * self.evaluate_every:
            raise ValueError("evaluate_every must be at most half of steps: a share of evaluations needs two")
        if any(rate <= 0 for rate in self.learning_rates):
            raise ValueError(f"learning_rates = {self.learning_rates}: expected positive numbers")
        if len({*self.learning_rates}) < len(self.learning_rates):
            raise ValueError(f"learning_rates = {self.learning_rates}: expected each once")
        return self


class SearchParameters(Strict):
    """The cross-entropy method over linear policies, in as many environment steps as an agent learns in."""

    candidates: int = Field(ge=4, description="policies drawn in each round")
    elite_share: float = Field(
        gt=0, le=0.5, description="share of them, the best, that the next round is drawn around"
    )
    episodes: int = Field(ge=1, description="episodes that each of them plays")
    deviation: float = Field(gt=0, description="standard deviation of every weight in the first round")
    floor: float = Field(ge=0, description="least standard deviation of a weight in later rounds")


class Parameters(Strict):
    """The study's root group."""

    variants: list[Yardstick | Arm] = Field(min_length=1)
    split: EpisodeSplitParameters
    runs: AgentsParameters
    training: TrainingParameters
    search: SearchParameters
    evaluation: EpisodeScoringParameters

    @model_validator(mode="after")
    def _one_environment(self) -> Parameters:
        if self.split.environments != 1:
            raise ValueError(
                f"split.environments = {self.split.environments}: expected 1, each agent plays one"
            )
        return self
