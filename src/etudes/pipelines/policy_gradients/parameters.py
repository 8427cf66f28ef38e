"""What can be turned in this study. The values are in ``conf/<environment>/parameters/policy_gradients.yml``."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field

from etudes.benches.parameters import (
    AgentsParameters,
    ByEnvironment,
    EpisodePlayParameters,
    EpisodesParameters,
)
from etudes.training.parameters import Strict

Method = Literal["reinforce", "reward_to_go", "discount", "baseline", "a2c", "ppo"]
Variant = Literal["random", "controller", Method]


class RolloutParameters(Strict):
    """A batch that is a number of steps."""

    environments: int = Field(ge=1, description="environments that one agent steps side by side")
    window: int = Field(ge=1, description="steps of each of them in one batch")


class ProximalParameters(RolloutParameters):
    """A batch that PPO learns from more than once."""

    epochs: int = Field(ge=1, description="passes over a batch")
    minibatches: int = Field(ge=1, description="updates of one pass")
    clip: float = Field(
        gt=0, lt=1, description="ε: how far a probability may move until its gradient is cut off"
    )


class TrainingParameters(Strict):
    """What every method learns with in one environment."""

    steps: int = Field(ge=1, description="environment steps of one agent, the same for every method")
    agents: int | None = Field(ge=1, description="of the agents of runs, how many play here; null: all")
    hidden: tuple[int, ...] = Field(
        min_length=1, description="units of the hidden layers of policy and critic"
    )
    discount: float = Field(gt=0, lt=1, description="γ, from the third method on")
    trace: float = Field(ge=0, le=1, description="λ of the generalised advantages")
    entropy: float = Field(ge=0, description="weight of the policy's entropy beside the policy gradient")
    scale: float = Field(gt=0, description="points of return that are 1 to a critic")
    gradient_clip: float = Field(gt=0, description="largest L2 norm of the gradient of a network")
    learning_rates: dict[Method, Annotated[float, Field(gt=0)]] = Field(
        min_length=1,
        description="of each method at the first step, from where it falls linearly to 0; a method that is not named does not play here",
    )
    episodes: int = Field(ge=1, description="whole episodes in a batch of a method that needs them whole")
    a2c: RolloutParameters
    ppo: ProximalParameters
    evaluate_every: int = Field(ge=1, description="steps between two points of the learning curve")
    checkpoint_points: int = Field(ge=1, description="points of the curve between two checkpoints")
    keep: Literal["best", "last"] = Field(
        description="weights an agent ends with: of its best point on dev, or the last ones"
    )


TrainingsParameters = ByEnvironment[TrainingParameters]


class EvaluationParameters(EpisodePlayParameters):
    """How agents are scored, and how the noise of gradients is measured."""

    noise_episodes: int = Field(
        ge=2,
        description="training episodes of each agent whose gradients are compared, at each stage of its training",
    )


class Parameters(Strict):
    """The study's root group."""

    variants: list[Variant] = Field(min_length=1)
    split: EpisodesParameters
    runs: AgentsParameters
    training: TrainingsParameters
    evaluation: EvaluationParameters
