"""What can be turned in this study. The values are in ``conf/<environment>/parameters/revnet.yml``."""

from __future__ import annotations

from typing import Literal

from pydantic import Field, field_validator

from etudes.benches.parameters import ScoringParameters
from etudes.digits.parameters import DigitSplitParameters
from etudes.training.parameters import FitParameters, Strict

Variant = Literal["majority", "neighbours", "plain", "stored", "reversible", "convolutional"]


class NeighboursParameters(Strict):
    """Nearest neighbours in principal components; the best pair on dev is taken."""

    components: tuple[int, ...] = Field(min_length=1, description="numbers of principal components to try")
    neighbours: tuple[int, ...] = Field(min_length=1, description="numbers of neighbours to try")


class DescentParameters(Strict):
    """Gradient descent of the networks in numpy."""

    width: int = Field(ge=2, multiple_of=2, description="numbers in a state")
    blocks: int = Field(
        ge=1,
        description="reversible blocks; of the plain network half as many layers, which have as many weights",
    )
    epochs: int = Field(ge=1)
    batch_size: int = Field(ge=1)
    learning_rate: float = Field(gt=0, description="step at its largest")
    momentum: float = Field(ge=0, lt=1)
    weight_decay: float = Field(ge=0, description="share of a matrix that a step of size 1 takes away")


class ConvolutionalParameters(Strict):
    """The convolutional network."""

    width: int = Field(
        ge=2, multiple_of=2, description="channels of the first stage; the second has twice as many"
    )
    depth: int = Field(ge=1, description="reversible blocks of each stage")
    shift: int = Field(ge=0, le=4, description="training pictures are shifted by up to this many pixels")
    fit: FitParameters


class MemoryParameters(Strict):
    """What is measured of one step of training, each in a fresh process."""

    depths: tuple[int, ...] = Field(min_length=2, description="reversible blocks of the networks in numpy")
    convolutional_depths: tuple[int, ...] = Field(
        description="blocks of each stage of the convolutional network"
    )
    width: int = Field(ge=2, multiple_of=2, description="numbers in a state")
    batch_size: int = Field(ge=1)
    repeats: int = Field(ge=1, description="steps whose fastest is told")

    @field_validator("depths")
    @classmethod
    def _even(cls, depths: tuple[int, ...]) -> tuple[int, ...]:
        if any(depth < 2 or depth % 2 for depth in depths):
            raise ValueError("depths: expected even numbers, the plain network has half as many layers")
        return depths


class Parameters(Strict):
    """The study's root group."""

    variants: list[Variant] = Field(min_length=1)
    split: DigitSplitParameters
    neighbours: NeighboursParameters
    plain: DescentParameters
    stored: DescentParameters
    reversible: DescentParameters
    convolutional: ConvolutionalParameters
    evaluation: ScoringParameters
    memory: MemoryParameters
