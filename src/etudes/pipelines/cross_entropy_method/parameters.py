"""What can be turned in this study. The values are in ``conf/<environment>/parameters/cross_entropy_method.yml``."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from etudes.benches.parameters import AgentsParameters, EpisodePlayParameters, EpisodesParameters
from etudes.training.parameters import Strict

Learner = Literal["notebook", "plain", "elite_buffer", "noise_floor", "same_starts", "combined", "weights"]
Variant = Literal[
    "random",
    "expert",
    "notebook",
    "plain",
    "elite_buffer",
    "noise_floor",
    "same_starts",
    "combined",
    "weights",
]


class NetworkParameters(Strict):
    """The network of observations that are numbers, and how it is fitted to the elite in every round."""

    hidden: int = Field(ge=0, description="tanh units of its hidden layer; 0 for a linear one")
    pairs: int = Field(ge=1, description="examples drawn from the elite of a round")
    batch: int = Field(ge=1, description="examples of an update")
    updates: int = Field(ge=1, description="updates of a round")
    learning_rate: float = Field(gt=0, description="of Adam")


class SearchParameters(Strict):
    """The search among weights of a linear network."""

    rounds: int = Field(ge=1)
    starts: int = Field(ge=1, description="first states of a round, the same for all candidates")
    candidates: int = Field(
        ge=2, description="weight vectors of a round; each plays one session of every start"
    )
    elite_share: float = Field(gt=0, lt=1)
    deviation: float = Field(gt=0, description="standard deviation of each weight to begin with")
    extra: float = Field(
        ge=0, description="variance added to each weight in the first round; it falls evenly to 0"
    )


class TrainingParameters(Strict):
    """What every agent learns with in one environment."""

    variants: tuple[Learner, ...] = Field(description="which variants learn here")
    rounds: int = Field(ge=1)
    sessions: int = Field(ge=2, description="of one agent in a round")
    tries: int = Field(ge=2, description="sessions of one start, where elites are chosen start by start")
    elite_share: float = Field(gt=0, lt=1)
    memory: int = Field(ge=2, description="rounds whose elites the buffer holds")
    floor: float = Field(
        ge=0,
        le=1,
        description="share of actions drawn from all alike in the first round; it falls evenly to 0",
    )
    horizon: int = Field(ge=1, description="steps after which a training session is cut off")
    smoothing: float = Field(gt=0, le=1, description="of tables: how far a round moves them")
    network: NetworkParameters | None = Field(description="none where states have numbers")
    search: SearchParameters | None = Field(description="none where nobody searches")
    evaluate_every: int = Field(ge=1, description="rounds between two points of the learning curve")
    keep: Literal["best", "last"] = Field(
        description="weights an agent ends with: of its best point on dev, or the last"
    )


class TrainingsParameters(Strict):
    """By environment, as gymnasium calls it; what is not named here nobody learns."""

    processes: int | None = Field(
        ge=1,
        description="among which the agents are shared out where the environment is no array; null: one a core",
    )
    environments: dict[str, TrainingParameters] = Field(min_length=1)


class EvaluationParameters(EpisodePlayParameters):
    """How agents are scored, and what counts as learned."""

    targets: dict[str, float] = Field(
        description="by environment, the dev return from which a greedy policy counts as learned"
    )


class Parameters(Strict):
    """The study's root group."""

    variants: list[Variant] = Field(min_length=1)
    split: EpisodesParameters
    runs: AgentsParameters
    training: TrainingsParameters
    evaluation: EvaluationParameters
