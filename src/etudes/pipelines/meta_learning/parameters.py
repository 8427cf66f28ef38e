"""What can be turned in this study. The values are in ``conf/<environment>/parameters/meta_learning.yml``.

Every variant has two parts, one for each family of tasks: ``sinusoids`` and ``characters``.
"""

from __future__ import annotations

from typing import Any, Literal, Self

from pydantic import Field, field_validator, model_validator

from etudes.training.parameters import Strict

Variant = Literal["random", "pretrained", "reptile", "maml_first_order", "anil", "maml"]
Normalisation = Literal["support", "query", "layer"]


def _ordered(value: tuple[float, float]) -> tuple[float, float]:
    if not value[0] < value[1]:
        raise ValueError("expected the lower end first")
    return value


class SplitParameters(Strict):
    """Which alphabets are held out; the others are trained on."""

    dev: tuple[str, ...] = Field(min_length=1, description="alphabets of the dev tasks")
    test: tuple[tuple[str, ...], ...] = Field(
        min_length=1,
        description="groups of alphabets of the test tasks: the run with seed s holds out group s modulo their number "
        "and trains on the others, so that as many seeds as groups are a cross-validation over alphabets; names alone "
        "are one group",
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
        places = [("dev", name) for name in self.dev]
        places += [
            (f"test group {number}", name) for number, group in enumerate(self.test, 1) for name in group
        ]
        first: dict[str, str] = {}
        for place, name in places:
            if name in first:
                raise ValueError(
                    f"{name} stands in {first[name]} and in {place}; expected an alphabet in one of them"
                )
            first[name] = place
        return self

    def group(self, seed: int) -> int:
        """The place in ``test`` of the group that a run with this seed holds out."""
        return seed % len(self.test)


class SinusoidParameters(Strict):
    """The family of tasks y = a sin(x + b) and the network that answers them."""

    amplitude: tuple[float, float] = Field(description="a is drawn evenly from here")
    phase: tuple[float, float] = Field(description="b is drawn evenly from here, radians")
    range: tuple[float, float] = Field(description="x is drawn evenly from here")
    hidden: tuple[int, ...] = Field(min_length=1, description="units of each hidden layer")
    queries: int = Field(ge=1, description="query points of a dev or test task")
    dev_tasks: int = Field(ge=2)
    test_tasks: int = Field(ge=2)

    _ends = field_validator("amplitude", "phase", "range")(_ordered)


class DistortionParameters(Strict):
    """How far a training drawing is changed at most, to either side, each time it is met; 0 leaves it as it is."""

    turn: float = Field(ge=0, le=45, description="degrees")
    stretch: float = Field(ge=0, lt=1, description="of width and of height, each by itself")
    shear: float = Field(ge=0, lt=1, description="of the width, over the height")
    move: float = Field(ge=0, lt=0.5, description="to the side and up or down, as a share of the side")

    @property
    def any(self) -> bool:
        return any((self.turn, self.stretch, self.shear, self.move))


class CharacterParameters(Strict):
    """The family of tasks "which of these N characters is it?" and the network that answers them."""

    side: int = Field(ge=16, le=105, description="pixels of a picture's side")
    ways: int = Field(ge=2, description="N, the characters of a task")
    rotations: bool = Field(
        description="training characters turned by 90, 180, 270 degrees are new characters"
    )
    one_alphabet: float = Field(
        ge=0,
        le=1,
        description="share of the training tasks whose characters come from one alphabet, turned alike",
    )
    distortion: DistortionParameters
    filters: int = Field(ge=1, description="filters of each of the four convolutions")
    normalisation: Normalisation = Field(
        description="whose statistics normalise the filters of a query in training: those of the support set, of all "
        "queries of the task (as MAML's reference code has it), or of the picture alone"
    )
    queries: int = Field(ge=1, description="query drawings of each character in a dev or test task")
    dev_tasks: int = Field(ge=2)
    test_tasks: int = Field(ge=2)

    def answering(self) -> Self:
        """The settings under which dev and test queries are answered: each as if it came alone.

        Statistics of all queries would let the queries of a task help each other; those of the support set take their place.
        """
        if self.normalisation != "query":
            return self
        return self.model_copy(update={"normalisation": "support"})


class OuterParameters(Strict):
    """What all loops over tasks share."""

    steps: int = Field(ge=1, description="updates of the start")
    tasks: int = Field(ge=1, description="tasks of one update")
    learning_rate: float = Field(gt=0, description="at the start; falls to zero as a half cosine")
    gradient_clip: float = Field(gt=0, description="largest L2 norm of the gradient")
    watch_steps: int = Field(
        ge=1, description="updates between two looks at the dev tasks, and two checkpoints"
    )


class MamlPart(OuterParameters):
    """MAML or ANIL in one family of tasks. Order, and which weights a task changes, belong to the variant."""

    inner_steps: int = Field(ge=1, description="gradient steps inside a training task")
    inner_rate: float = Field(gt=0, description="their size")
    rates: tuple[float, ...] = Field(
        min_length=1, description="step sizes in dev and test tasks, chosen on dev"
    )
    shots: tuple[int, ...] = Field(
        min_length=1, description="support examples (of each character); updates take them in turn"
    )
    queries: int = Field(ge=1, description="query examples (of each character) of a training task")


class ReptilePart(OuterParameters):
    """Reptile in one family of tasks; ``learning_rate`` is the share of the way to the adapted weights."""

    inner_steps: int = Field(
        ge=2, description="gradient steps inside a training task; one would be joint training"
    )
    inner_rate: float = Field(gt=0)
    batch: int = Field(ge=1, description="examples (of each character) of an inner step")
    shots: int = Field(ge=1, description="examples (of each character) of a training task")
    rates: tuple[float, ...] = Field(
        min_length=1, description="step sizes in dev and test tasks, chosen on dev"
    )

    @model_validator(mode="after")
    def _batch_fits(self) -> Self:
        if self.batch > self.shots:
            raise ValueError(
                f"batch = {self.batch} examples of shots = {self.shots}; expected batch <= shots"
            )
        return self


class PretrainedPart(OuterParameters):
    """Training on all tasks pooled, in one family of tasks; ``tasks`` is the number of tasks mixed in a batch."""

    examples: int = Field(ge=1, description="examples of each task (of each character) in a batch")
    rates: tuple[float, ...] = Field(
        min_length=1, description="step sizes in dev and test tasks, chosen on dev"
    )


class RandomPart(Strict):
    """No training at all."""

    rates: tuple[float, ...] = Field(
        min_length=1, description="step sizes in dev and test tasks, chosen on dev"
    )


class RandomParameters(Strict):
    """The initial weights themselves."""

    sinusoids: RandomPart
    characters: RandomPart


class PretrainedParameters(Strict):
    """One network for all training tasks at once."""

    sinusoids: PretrainedPart
    characters: PretrainedPart


class ReptileParameters(Strict):
    """Reptile (Nichol et al. 2018)."""

    sinusoids: ReptilePart
    characters: ReptilePart


class MamlParameters(Strict):
    """MAML (Finn et al. 2017) or ANIL (Raghu et al. 2020)."""

    sinusoids: MamlPart
    characters: MamlPart


class EvaluationParameters(Strict):
    """How test tasks are scored and shown."""

    seed: int = Field(
        ge=0, description="seed of the test tasks, apart from run.seed so that seeds share them"
    )
    alphabet_tasks: int = Field(
        ge=2, description="further tasks whose characters come from one alphabet, for each test alphabet"
    )
    many_ways: int = Field(
        ge=2,
        description="characters in each of some further tasks, or as many as dev and every test group hold; where that is "
        "no more than `characters.ways` there are no such tasks",
    )
    many_ways_dev_tasks: int = Field(ge=2, description="such tasks that choose step sizes")
    many_ways_tasks: int = Field(ge=2, description="such test tasks")
    resamples: int = Field(ge=100, description="bootstrap resamples of tasks behind every interval")
    shown: int = Field(ge=1, le=6, description="test tasks that the report draws")


class Parameters(Strict):
    """The study's root group."""

    variants: list[Variant] = Field(min_length=1)
    split: SplitParameters
    sinusoids: SinusoidParameters
    characters: CharacterParameters
    random: RandomParameters
    pretrained: PretrainedParameters
    reptile: ReptileParameters
    maml_first_order: MamlParameters
    anil: MamlParameters
    maml: MamlParameters
    evaluation: EvaluationParameters
