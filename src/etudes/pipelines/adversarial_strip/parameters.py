"""What can be turned in this study. The values are in ``conf/<environment>/parameters/adversarial_strip.yml``."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field, field_validator, model_validator

from etudes.training.parameters import Strict
from etudes.vision.parameters import NetworksParameters, PhotoParameters

Variant = Literal["black", "random", "natural", "cross_entropy", "margin", "related"]
Loss = Literal["cross_entropy", "margin"]
Share = Annotated[float, Field(gt=0, lt=1)]
Quality = Annotated[int, Field(ge=1, le=95)]
Factor = Annotated[float, Field(ge=0.1, le=4)]


class SplitParameters(Strict):
    """Which photos the strip is learned on and which it is scored on; all other photos are left to the networks."""

    target: int = Field(ge=0, description="index of the class that the strip shall make the network answer")
    related: tuple[int, ...] = Field(min_length=1, description="classes that `related` is learned on")
    train: int = Field(ge=2, description="photos a strip is learned on")
    dev: int = Field(ge=2, description="photos that choose the iteration and the registered variant")
    test: int = Field(ge=2, description="held-out photos")
    seed: int = Field(ge=0, description="apart from run.seed, so that seeds share one split")

    @model_validator(mode="after")
    def _target_is_not_related(self) -> SplitParameters:
        if self.target in self.related:
            raise ValueError(f"related holds the target {self.target}; expected other classes")
        return self


class LearningParameters(Strict):
    """How one strip is learned (`learning.Learning`)."""

    iterations: int = Field(ge=1, description="most steps")
    batch_size: int = Field(ge=1, description="photos of one step")
    step: float = Field(gt=0, le=1, description="change of every pixel in the first step, intensity 0..1")
    momentum: float = Field(ge=0, lt=1, description="weight of earlier gradients")
    confidence: float = Field(ge=0, description="margin to reach before a photo counts as done, in logits")
    score_every: int = Field(ge=1, description="steps between two looks at dev, and between two checkpoints")
    patience: int = Field(ge=1, description="looks at dev without a higher success before learning stops")


class AttackParameters(Strict):
    """The strips that are compared."""

    height: Share = Field(description="share of the photo's height that the strip covers")
    draws: int = Field(ge=1, description="strips of the variants random and natural")
    learning: LearningParameters


class TransferParameters(Strict):
    """Strips of the same height against each of the other networks."""

    loss: Loss
    learning: LearningParameters


class SweepParameters(TransferParameters):
    """Strips of other heights against the same network."""

    heights: tuple[Share, ...] = Field(min_length=1, description="shares of the photo's height")

    @field_validator("heights")
    @classmethod
    def _rising(cls, value: tuple[float, ...]) -> tuple[float, ...]:
        if list(value) != sorted(set(value)):
            raise ValueError("expected rising shares, each once")
        return value


class EvaluationParameters(Strict):
    """How strips are scored and shown."""

    level: Share = Field(description="coverage of the intervals")
    batch_size: int = Field(ge=1, description="photos of one forward pass")
    jpeg: tuple[Quality, ...] = Field(description="qualities of the patched photo's JPEG compression")
    resize: tuple[Factor, ...] = Field(description="factors by which it is scaled, and back again")
    shifts: tuple[int, ...] = Field(description="pixels by which the strip is moved down, and sideways")
    shown: int = Field(ge=1, le=64, description="photos in the gallery, and failures at most")


class Parameters(Strict):
    """The study's root group."""

    variants: list[Variant] = Field(min_length=1)
    photos: PhotoParameters
    split: SplitParameters
    networks: NetworksParameters
    attack: AttackParameters
    sweep: SweepParameters
    transfer: TransferParameters
    evaluation: EvaluationParameters

    @model_validator(mode="after")
    def _height_is_in_the_sweep(self) -> Parameters:
        if self.attack.height not in self.sweep.heights:
            raise ValueError(
                f"sweep.heights lacks attack.height = {self.attack.height}: the transfer matrix takes the victim's "
                "strip from the sweep"
            )
        return self
