"""Parameter groups that studies on one bench share. Light: a study's graph is built from them."""

from __future__ import annotations

from typing import Any, Generic, Literal, Self, TypeVar

from pydantic import Field, field_validator, model_validator

from etudes.training.parameters import DevSplitParameters, Strict

Settings = TypeVar("Settings", bound=Strict)


class ScoringParameters(Strict):
    """How the test split of a classifier is scored."""

    resamples: int = Field(ge=100, description="bootstrap resamples behind every interval")
    bins: int = Field(ge=2, description="bins of the calibration error")


class TreesParameters(Strict):
    """Gradient boosting of histogram trees (`etudes.benches.regressors.Trees`)."""

    trees: int = Field(ge=1, description="most trees")
    learning_rate: float = Field(gt=0, le=1)
    leaves: int = Field(ge=2, description="most leaves of a tree")
    min_leaf: int = Field(ge=1, description="fewest training rows in a leaf")
    feature_share: float = Field(
        gt=0, le=1, description="share of the columns that each split may choose from"
    )
    bins: int = Field(ge=2, le=255, description="values of a column that a split can tell apart")


class TableSplitParameters(DevSplitParameters):
    """How dev and test are cut from a table."""

    test_fraction: float = Field(gt=0, lt=0.5, description="share of each class for test, at least one row")


class TableFormParameters(Strict):
    """Which columns of a table's file are read."""

    label: str = Field(min_length=1, description="the column that holds the class")
    leave_out: tuple[str, ...] = Field(description="columns that are not read")
    missing: tuple[str, ...] = Field(
        description="what stands in an empty cell (NA); its row is left out and counted. None: such a cell is refused"
    )


class FewLabelsParameters(Strict):
    """Which rows of a table are tested on, and how many of the others have a label."""

    test_fraction: float = Field(gt=0, lt=1, description="share of each class for test, at least one row")
    labels: int = Field(ge=4, description="labelled rows of train, at least two of each class")
    seed: int = Field(ge=0, description="seed of the split, apart from run.seed so that seeds share a split")


class AlphabetSplitParameters(Strict):
    """Which alphabets are held out; the others are trained on."""

    dev: tuple[str, ...] = Field(min_length=1, description="alphabets of the dev tasks")
    test: tuple[tuple[str, ...], ...] = Field(
        min_length=1,
        description="groups of alphabets of the test tasks, or the names of one: the run with seed s holds out group s "
        "modulo their number and trains on the others, so that seeds are a cross-validation over alphabets",
    )

    @field_validator("test", mode="before")
    @classmethod
    def _one_group(cls, value: Any) -> Any:
        names = isinstance(value, (list, tuple)) and bool(value) and all(isinstance(v, str) for v in value)
        return [value] if names else value

    @model_validator(mode="after")
    def _apart(self) -> Self:
        if not all(self.test):
            raise ValueError("test holds an empty group; expected one alphabet or more in each")
        first: dict[str, str] = {}
        parts = {"dev": self.dev, **{f"test group {n}": names for n, names in enumerate(self.test, 1)}}
        for place, name in ((place, name) for place, names in parts.items() for name in names):
            if name in first:
                raise ValueError(
                    f"{name} stands in {first[name]} and in {place}; expected an alphabet in one of them"
                )
            first[name] = place
        return self


class EpisodesParameters(Strict):
    """How many episodes are for what: seeds of episodes are the rows of the splits."""

    curve_episodes: int = Field(ge=1, description="dev episodes of each point of the learning curve")
    choice_episodes: int = Field(ge=1, description="further dev episodes, on which variants are compared")
    test_episodes: int = Field(ge=2, description="episodes of the final score, the same for all agents")
    seed: int = Field(ge=0, description="seed of dev and test, apart from run.seed so that runs share them")


class EpisodeSplitParameters(EpisodesParameters):
    """The same, for agents that step environments of Gymnasium."""

    environments: int = Field(ge=1, description="environments that one agent steps side by side")


class AgentsParameters(Strict):
    """How many agents each variant trains, each from a seed of its own."""

    agents: int = Field(
        ge=1, description="of every variant, so that none is measured more closely than another"
    )


class AgentRunsParameters(AgentsParameters):
    """The same, and in how many processes."""

    processes: int | None = Field(
        ge=1,
        description="among which the agents are shared out; null: one a core; 1: the process of the run itself",
    )


class ByEnvironment(Strict, Generic[Settings]):
    """What agents learn with in each environment, as gymnasium calls it."""

    environments: dict[str, Settings] = Field(min_length=1)

    def of(self, name: str) -> Settings:
        """The settings of one environment.

        Raises:
            ValueError: there are none.
        """
        if name not in self.environments:
            raise ValueError(
                f"training.environments says nothing of '{name}'; it has {', '.join(self.environments)}"
            )
        return self.environments[name]


class EpisodePlayParameters(Strict):
    """How the test episodes are played, and how sure their scores are."""

    parallel: int = Field(
        ge=1,
        description="episodes played side by side; all of them where the environment is simulated as arrays",
    )
    resamples: int = Field(ge=100, description="bootstrap resamples behind every interval")
    frames: int = Field(ge=2, description="pictures of a filmstrip")


class EpisodeScoringParameters(EpisodePlayParameters):
    """The same, with returns to be reached."""

    thresholds: tuple[float, ...] = Field(
        min_length=1,
        description="returns whose first crossing, and the share of episodes above, are recorded",
    )


class AttackSplitParameters(Strict):
    """Which pictures the networks learn from, which choose settings, and which are attacked for the numbers."""

    dev_fraction: float = Field(
        gt=0, lt=0.5, description="share of each class of the training pictures kept for dev"
    )
    train: int = Field(ge=10, description="training pictures of the networks and of the defence, at most")
    dev: int = Field(ge=4, description="dev pictures, at most")
    test: int = Field(ge=4, description="test pictures, at most")
    photos: int = Field(ge=4, description="photos that are attacked; the others are left to their networks")
    seed: int = Field(ge=0, description="apart from run.seed, so that seeds share one split")


class PhotoSplitParameters(Strict):
    """Which photos choose settings and which the numbers are of; the others are left to networks (`photo_splits`)."""

    dev: int = Field(ge=2, description="photos on which settings are chosen, the same with every run.seed")
    test: int = Field(
        ge=4,
        description="photos of the numbers; the run with another seed takes others as long as there are enough",
    )
    seed: int = Field(ge=0, description="of the order in which photos are taken")


class TaggedFormParameters(Strict):
    """What is read of CoNLL-U files."""

    column: Literal["upos", "xpos"] = Field(description="the universal tags, or those of the language")


class DocumentSplitParameters(Strict):
    """How dev is cut from train."""

    dev_fraction: float = Field(gt=0, lt=0.5, description="share of the sentences for dev, whole documents")
    seed: int = Field(ge=0, description="seed of the split, apart from run.seed so that seeds share a split")


class ResamplingParameters(Strict):
    """How answers are scored."""

    resamples: int = Field(ge=100, description="bootstrap resamples of sentences behind every interval")
