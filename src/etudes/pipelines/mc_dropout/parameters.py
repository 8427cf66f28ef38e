"""What can be turned in this study. The values are in ``conf/<environment>/parameters/mc_dropout.yml``."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field, field_validator

from etudes.benches.parameters import ScoringParameters
from etudes.digits.parameters import DigitSplitParameters
from etudes.training.parameters import FitParameters, Strict

Variant = Literal[
    "majority",
    "plain",
    "temperature",
    "dropout",
    "dropout_temperature",
    "mc_dropout",
    "mc_temperature",
    "ensemble",
]
Place = Literal["dense", "everywhere"]
Count = Annotated[int, Field(ge=1)]
Share = Annotated[float, Field(gt=0, le=1)]
Angle = Annotated[float, Field(ge=-360, le=360)]


class NetworkParameters(Strict):
    """A convolutional network without dropout."""

    width: int = Field(ge=1, description="channels of the first convolution; the second has twice as many")
    hidden: int = Field(ge=1, description="units of the dense layer")
    shift: int = Field(ge=0, le=4, description="training pictures are shifted by up to this many pixels")
    fit: FitParameters


class EnsembleParameters(NetworkParameters):
    """Several of them."""

    networks: int = Field(ge=2, description="networks, of which `plain` is the first")


class DropoutParameters(NetworkParameters):
    """Networks with dropout, one for each rate and place; dev chooses among them."""

    rates: tuple[float, ...] = Field(min_length=1, description="shares of units that are dropped")
    places: tuple[Place, ...] = Field(
        min_length=1,
        description="before the dense layers, or everywhere: before the second convolution as well",
    )
    trial_passes: int = Field(ge=2, description="passes with which networks are compared")

    @field_validator("rates")
    @classmethod
    def _shares(cls, rates: tuple[float, ...]) -> tuple[float, ...]:
        if not all(0 <= rate < 1 for rate in rates) or not any(rates) or len({*rates}) < len(rates):
            raise ValueError("rates: expected different shares from 0 to below 1, one of them above 0")
        return rates

    @field_validator("places")
    @classmethod
    def _once(cls, places: tuple[Place, ...]) -> tuple[Place, ...]:
        if len({*places}) < len(places):
            raise ValueError(f"places: expected each once, found {', '.join(places)}")
        return places


class FewParameters(DropoutParameters):
    """The same with few training pictures."""

    pictures: int = Field(ge=20, description="training pictures, the digits in the shares that they have")


class PassesParameters(Strict):
    """Dropout that stays on."""

    passes: int = Field(ge=2, description="thinned networks that are asked")


class StrangersParameters(Strict):
    """Drawn pictures: letters, which are no digits, and digits by the same pen."""

    letters: int = Field(ge=15)
    digits: int = Field(ge=10)
    detail: int = Field(
        ge=8, description="pixels of a side that are drawn; fewer than there are are enlarged"
    )
    seed: int = Field(ge=0)


class UncertaintyParameters(ScoringParameters):
    """How the test split is scored."""

    passes: tuple[Count, ...] = Field(min_length=1, description="numbers of passes of the curve")
    repeats: int = Field(
        ge=1,
        description="most groups of passes, without a pass in common, whose mean a point of the curve is",
    )
    kept: tuple[Share, ...] = Field(min_length=1, description="shares of test that are still answered")


class RotationParameters(Strict):
    """Test pictures that are turned."""

    pictures: int = Field(ge=1, description="test pictures, the first ones")
    angles: tuple[Angle, ...] = Field(min_length=2, description="degrees, against the clock")
    shown: int = Field(ge=1, description="passes that are shown one by one")


class Parameters(Strict):
    """The study's root group."""

    variants: list[Variant] = Field(min_length=1)
    split: DigitSplitParameters
    strangers: StrangersParameters
    plain: NetworkParameters
    dropout: DropoutParameters
    mc_dropout: PassesParameters
    ensemble: EnsembleParameters
    few: FewParameters
    evaluation: UncertaintyParameters
    rotation: RotationParameters
