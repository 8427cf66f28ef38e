"""What can be turned in this study. The values are in ``conf/<environment>/parameters/meta_learning.yml``."""

from __future__ import annotations

from typing import Generic, Literal, Self, TypeVar

from pydantic import Field, field_validator, model_validator

from etudes.benches.parameters import AlphabetSplitParameters
from etudes.training.parameters import Strict

Variant = Literal["random", "pretrained", "reptile", "maml_first_order", "anil", "maml"]


class SinusoidParameters(Strict):
    """The family of tasks y = a sin(x + b) and the network that answers them."""

    amplitude: tuple[float, float] = Field(description="a is drawn evenly from here")
    phase: tuple[float, float] = Field(description="b is drawn evenly from here, radians")
    range: tuple[float, float] = Field(description="x is drawn evenly from here")
    hidden: tuple[int, ...] = Field(min_length=1, description="units of each hidden layer")
    queries: int = Field(ge=1, description="query points of a dev or test task")
    dev_tasks: int = Field(ge=2)
    test_tasks: int = Field(ge=2)

    @field_validator("amplitude", "phase", "range")
    @classmethod
    def _ordered(cls, value: tuple[float, float]) -> tuple[float, float]:
        if not value[0] < value[1]:
            raise ValueError("expected the lower end first")
        return value


class DistortionParameters(Strict):
    """How far a training drawing is changed at most, to either side, each time it is met; 0 leaves it as it is."""

    turn: float = Field(ge=0, le=45, description="degrees")
    stretch: float = Field(ge=0, lt=1, description="of width and of height, each by itself")
    shear: float = Field(ge=0, lt=1, description="of the width, over the height")
    move: float = Field(ge=0, lt=0.5, description="to the side and up or down, as a share of the side")


class CharacterParameters(Strict):
    """The family of tasks "which of these N characters is it?" and the network that answers them."""

    side: int = Field(ge=16, le=105, description="pixels of a picture's side")
    ways: int = Field(ge=2, description="N, the characters of a task")
    rotations: bool = Field(description="training characters in quarter turns are new characters")
    one_alphabet: float = Field(ge=0, le=1, description="share of training tasks inside one alphabet")
    distortion: DistortionParameters
    filters: int = Field(ge=1, description="filters of each of the four convolutions")
    normalisation: Literal["support", "query"] = Field(
        description="whose statistics normalise the filters of a query in training: all queries' is MAML's reference code"
    )
    queries: int = Field(ge=1, description="query drawings of each character in a dev or test task")
    dev_tasks: int = Field(ge=2)
    test_tasks: int = Field(ge=2)

    def answering(self) -> Self:
        """The settings under which dev and test queries are answered: each as if it came alone, by the support set."""
        return self.model_copy(update={"normalisation": "support"})


class Part(Strict):
    """A variant in one family of tasks."""

    rates: tuple[float, ...] = Field(min_length=1, description="step sizes in new tasks, chosen on dev")


class OuterPart(Part):
    """What all loops over tasks share."""

    steps: int = Field(ge=1, description="updates of the start")
    tasks: int = Field(ge=1, description="tasks of one update")
    learning_rate: float = Field(gt=0, description="at the start; falls to zero as a half cosine")
    gradient_clip: float = Field(gt=0, description="largest L2 norm of the gradient")
    watch_steps: int = Field(ge=1, description="updates between two looks at the dev tasks, and checkpoints")


class PretrainedPart(OuterPart):
    """Training on all tasks pooled; ``tasks`` are mixed in a batch."""

    examples: int = Field(ge=1, description="examples of each task (of each character) in a batch")


class ReptilePart(OuterPart):
    """Reptile (Nichol et al. 2018); ``learning_rate`` is the share of the way to the adapted weights."""

    inner_steps: int = Field(ge=2, description="gradient steps inside a task; one would be joint training")
    inner_rate: float = Field(gt=0)
    batch: int = Field(ge=1, description="examples (of each character) of an inner step")
    shots: int = Field(ge=1, description="examples (of each character) of a training task")

    @model_validator(mode="after")
    def _batch_fits(self) -> Self:
        if self.batch > self.shots:
            raise ValueError(f"batch = {self.batch} of shots = {self.shots}; expected batch <= shots")
        return self


class MamlPart(OuterPart):
    """MAML (Finn et al. 2017) or ANIL (Raghu et al. 2020)."""

    inner_steps: int = Field(ge=1, description="gradient steps inside a training task")
    inner_rate: float = Field(gt=0, description="their size")
    shots: tuple[int, ...] = Field(min_length=1, description="support examples; updates take them in turn")
    queries: int = Field(ge=1, description="query examples (of each character) of a training task")


Settings = TypeVar("Settings", bound=Part)


class Both(Strict, Generic[Settings]):
    """A variant in both families of tasks."""

    sinusoids: Settings
    characters: Settings


class EvaluationParameters(Strict):
    """How test tasks are scored and shown."""

    seed: int = Field(ge=0, description="of the test tasks, apart from run.seed so that seeds share them")
    alphabet_tasks: int = Field(ge=2, description="further tasks inside each test alphabet")
    many_ways: int = Field(
        ge=2,
        description="characters in each of some further tasks, or as many as dev and every test group hold; none unless "
        "that is more than characters.ways",
    )
    many_ways_dev_tasks: int = Field(ge=2, description="such tasks that choose step sizes")
    many_ways_tasks: int = Field(ge=2, description="such test tasks")
    resamples: int = Field(ge=100, description="bootstrap resamples of tasks behind every interval")
    shown: int = Field(ge=1, le=6, description="test tasks that the report draws")


class Parameters(Strict):
    """The study's root group."""

    variants: list[Variant] = Field(min_length=1)
    split: AlphabetSplitParameters
    sinusoids: SinusoidParameters
    characters: CharacterParameters
    random: Both[Part]
    pretrained: Both[PretrainedPart]
    reptile: Both[ReptilePart]
    maml_first_order: Both[MamlPart]
    anil: Both[MamlPart]
    maml: Both[MamlPart]
    evaluation: EvaluationParameters
