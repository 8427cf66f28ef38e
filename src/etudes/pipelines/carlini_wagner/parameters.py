"""What can be turned in this study. The values are in ``conf/<environment>/parameters/carlini_wagner.yml``."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field, field_validator, model_validator

from etudes.benches.parameters import AttackSplitParameters
from etudes.training.parameters import Strict
from etudes.vision.parameters import NetworksParameters, PhotoParameters

Variant = Literal["noise", "fgm", "pgd", "deepfool", "carlini_wagner", "carlini_wagner_8bit"]
Radius = Annotated[float, Field(gt=0, le=100)]
Confidence = Annotated[float, Field(ge=0, le=100)]
Rate = Annotated[float, Field(gt=0, le=1)]


class AimParameters(Strict):
    """The photo that is shown, and the class that photos are moved to."""

    of: str = Field(description="class of the photo that is always among the attacked ones")
    to: str = Field(description="class that every photo is moved to")

    @model_validator(mode="after")
    def _differ(self) -> AimParameters:
        if self.of == self.to:
            raise ValueError(f"of = to = '{self.of}'; expected two classes")
        return self


class BallsParameters(Strict):
    """The search for the smallest ball in which an attack succeeds; radii are Euclidean, of intensities in 0..1."""

    narrowest: Radius
    widest: Radius = Field(description="also what a picture counts that withstands, where dev chooses")
    halvings: int = Field(ge=1, le=30)
    steps: int = Field(ge=2, description="gradients of pgd in each ball")
    tried: tuple[Rate, ...] = Field(
        min_length=1, description="steps of pgd, shares of the radius to try on dev"
    )

    @model_validator(mode="after")
    def _rising(self) -> BallsParameters:
        if self.narrowest >= self.widest:
            raise ValueError(f"narrowest = {self.narrowest}, widest = {self.widest}; expected a narrower one")
        return self


class DeepfoolParameters(Strict):
    """DeepFool."""

    steps: int = Field(ge=1, description="steps at most")
    rivals: int = Field(ge=1, description="likeliest other classes whose boundaries are looked at")
    tried: tuple[Annotated[float, Field(gt=0, le=1)], ...] = Field(
        min_length=1, description="how far over the boundary, shares of the way to try on dev"
    )


class MarginParameters(Strict):
    """The attack of Carlini and Wagner (`margins.nearest`)."""

    confidence: Confidence = Field(description="lead in logits that is asked (kappa)")
    constant: float = Field(gt=0, description="weight of the margin beside the squared distance (c) at first")
    factor: float = Field(gt=1, description="by which c rises and falls until both ends are known")
    searches: int = Field(ge=1, le=30, description="constants tried for each picture")
    steps: int = Field(ge=1, description="of Adam for each constant, at most")
    check: int = Field(ge=1, description="steps after which a run ends that came no further")
    progress: float = Field(gt=0, description="share of the objective above which it did not")
    decay: Rate = Field(description="learning rate in the last step, as a share of the first")
    rates: tuple[Rate, ...] = Field(min_length=1, description="learning rates to try on dev")


class EvaluationParameters(Strict):
    """How attacks are scored and shown."""

    level: float = Field(gt=0, lt=1, description="coverage of the intervals")
    resamples: int = Field(ge=100, description="bootstrap resamples behind the intervals of differences")
    batch_size: int = Field(ge=1, description="pictures of one pass")
    photo_batch_size: int = Field(ge=1, description="photos of one pass")
    radii: tuple[Radius, ...] = Field(min_length=1, description="of the curve, Euclidean")
    main: Radius = Field(description="the one that variants are compared at")
    confidences: tuple[Confidence, ...] = Field(description="kappas of the sweep, above 0")
    some: int = Field(ge=2, description="pictures of the sweep and of each kind of target, at most")
    shown: int = Field(ge=1, le=24, description="photos in the gallery, and failures at most")

    @field_validator("radii", "confidences")
    @classmethod
    def _rising(cls, value: tuple[float, ...]) -> tuple[float, ...]:
        if list(value) != sorted(set(value)):
            raise ValueError("expected rising numbers, each once")
        return value

    @model_validator(mode="after")
    def _main_is_among_them(self) -> EvaluationParameters:
        if self.main not in self.radii:
            raise ValueError(f"main = {self.main} is none of radii = {list(self.radii)}")
        return self


class Parameters(Strict):
    """The study's root group."""

    variants: list[Variant] = Field(min_length=1)
    split: AttackSplitParameters
    aim: AimParameters
    photos: PhotoParameters
    networks: NetworksParameters
    photo_networks: NetworksParameters
    balls: BallsParameters
    fooling: DeepfoolParameters
    margin: MarginParameters
    evaluation: EvaluationParameters
