"""What can be turned in this study. The values are in ``conf/<environment>/parameters/network_compression.yml``."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field

from etudes.benches.parameters import ScoringParameters
from etudes.training.parameters import DevSplitParameters, FitParameters, Strict
from etudes.vision.parameters import KeptViewsParameters

Variant = Literal[
    "majority",
    "uncompressed",
    "int8",
    "integer",
    "int4",
    "int4_tuned",
    "pruned",
    "slimmed",
    "combined",
    "small",
    "distilled",
    "grouped",
    "separable",
]
Rate = Annotated[float, Field(gt=0, lt=1)]
Precision = Literal["no", "bf16", "fp16"]
PRECISION = Field(description="of the products in training; null: what run.precision says")


class FileParameters(Strict):
    """What a file may take, and what is measured to write one."""

    limit: float = Field(gt=0, description="kilobytes; a model that takes more is never the registered one")
    calibration: int = Field(ge=1, description="training pictures that set the scales of integer arithmetic")


class NetworkParameters(Strict):
    """The network that is made smaller: read from a file, or trained here."""

    weights: Literal["resnet20_cifar10"] | None = Field(
        description="pretrained weights, for which nothing else here counts; null: it is trained here"
    )
    blocks: int = Field(ge=1, description="of each of the three stages")
    width: int = Field(ge=1, description="channels of the first stage")
    precision: Precision | None = PRECISION
    fit: FitParameters


class TuningParameters(Strict):
    """How a network that lost something learns again, from the answers of the one that did not."""

    temperature: float = Field(gt=0, description="by which the logits of both are divided")
    share: float = Field(gt=0, le=1, description="of these answers in the loss; the rest is the labels'")
    precision: Precision | None = PRECISION
    fit: FitParameters


class PruningParameters(Strict):
    """How much goes, from little to much; the variants are the first whose file fits."""

    magnitude: tuple[Rate, ...] = Field(min_length=1, description="shares of the weights in blocks")
    channels: tuple[Rate, ...] = Field(min_length=1, description="shares of the channels inside of blocks")
    bits: Literal[32, 16, 8, 4] = Field(description="of each weight that is left")
    fit: FitParameters = Field(description="of those that lost channels; the others learn as `tuning` says")


class SmallParameters(Strict):
    """A small network that learns from nothing, in three designs of about as many weights."""

    blocks: int = Field(ge=1, description="of each of the three stages")
    stride: int = Field(ge=1, le=2, description="of the first convolution; 2 halves the picture")
    dense: int = Field(ge=1, description="channels of the first stage, of ordinary convolutions")
    grouped: int = Field(ge=4, multiple_of=4, description="the same, of convolutions in four groups")
    separable: int = Field(ge=1, description="the same, of filters by channel and 1 x 1 convolutions")
    bits: Literal[32, 16, 8, 4] = Field(description="of each weight")
    fit: FitParameters


class EvaluationParameters(ScoringParameters):
    """How the test split is scored."""

    rounds: int = Field(ge=1, description="measured answers behind each time")
    batch: int = Field(ge=2, description="pictures that are asked at once for the second time")
    bits: tuple[Literal[32, 16, 8, 4], ...] = Field(min_length=1, description="of weights, of every network")
    shown: int = Field(ge=1, description="pictures on the page that the smallest file gets wrong")


class Parameters(Strict):
    """The study's root group."""

    variants: list[Variant] = Field(min_length=1)
    file: FileParameters
    split: DevSplitParameters
    views: KeptViewsParameters
    network: NetworkParameters
    tuning: TuningParameters
    pruning: PruningParameters
    small: SmallParameters
    evaluation: EvaluationParameters
