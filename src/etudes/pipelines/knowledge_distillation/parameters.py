"""What can be turned in this study. The values are in ``conf/<environment>/parameters/knowledge_distillation.yml``."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field

from etudes.benches.parameters import ScoringParameters
from etudes.training.parameters import DevSplitParameters, FitParameters, Strict
from etudes.vision.parameters import KeptViewsParameters

Variant = Literal[
    "majority",
    "teacher",
    "own_teacher",
    "student",
    "label_smoothing",
    "distilled",
    "shuffled",
    "hinted",
    "own_distilled",
]


class NetworkParameters(Strict):
    """A residual network (`etudes.vision.cifar_networks.CifarResNet`) and how it learns."""

    blocks: int = Field(ge=1, description="of each of the three stages")
    width: int = Field(ge=1, description="channels of the first stage")
    stride: int = Field(ge=1, le=2, description="of the first convolution; 2 halves the picture")
    precision: Literal["no", "bf16", "fp16"] | None = Field(
        description="of the products in training; null: what run.precision says"
    )
    fit: FitParameters


class TeacherParameters(NetworkParameters):
    """The teacher: trained here, or read from a file."""

    weights: Literal["resnet20_cifar10"] | None = Field(
        description="pretrained weights, for which nothing else here counts; null: it is trained here"
    )


class GridParameters(Strict):
    """All pairs of a temperature and a share; dev chooses one."""

    temperatures: tuple[Annotated[float, Field(gt=0)], ...] = Field(
        min_length=1, description="by which the logits of teacher and student are divided"
    )
    shares: tuple[Annotated[float, Field(gt=0, le=1)], ...] = Field(
        min_length=1, description="of the teacher's answers in the loss; the rest is the labels'"
    )


class SmoothingParameters(Strict):
    """Label smoothing."""

    share: float = Field(gt=0, lt=1, description="of the target that is spread over all classes alike")


class HintParameters(Strict):
    """Distillation with a hint."""

    weight: float = Field(gt=0, description="of the hint's squared error in the loss")


class EvaluationParameters(ScoringParameters):
    """How the test split is scored."""

    rounds: int = Field(ge=1, description="measured answers behind each time")
    batch: int = Field(ge=2, description="pictures that are asked at once for the second time")
    shown: int = Field(ge=1, description="pictures on the page with what the teacher says of them")


class Parameters(Strict):
    """The study's root group."""

    variants: list[Variant] = Field(min_length=1)
    split: DevSplitParameters
    views: KeptViewsParameters
    teacher: TeacherParameters
    own_teacher: NetworkParameters
    student: NetworkParameters
    grid: GridParameters
    label_smoothing: SmoothingParameters
    hinted: HintParameters
    evaluation: EvaluationParameters
