"""What can be turned in this study; the values are in ``conf/<environment>/parameters``, in a file of its name."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field, model_validator

from etudes.benches.parameters import TreesParameters
from etudes.training.parameters import Strict

Descents = Literal["descent_history", "descent_all", "descent_quadratic"]
Variant = Literal["persistence", "ols", Descents, "ridge", "boosting"]
Scheme = Literal["history", "all", "quadratic"]
Start = Literal["mean", "persistence", "ridge"]
Month = Annotated[int, Field(ge=1, le=12)]
Months = Annotated[tuple[Month, ...], Field(min_length=1)]
Count = Annotated[int, Field(ge=1)]


class WindowParameters(Strict):
    """What a forecast is made from, and for when."""

    hours: int = Field(ge=2, description="consecutive hours that a forecast sees")
    horizons: tuple[Count, ...] = Field(min_length=1, description="hours ahead; the first is the primary one")


class SplitParameters(Strict):
    """Which hours are for what; all others are trained on."""

    station_dev: Months = Field(description="months of the station for dev")
    station_test: Months = Field(description="months of the station for test")
    city_dev: int = Field(description="year of the city for dev")
    city_test: int = Field(description="year of the city for test")

    @model_validator(mode="after")
    def _apart(self) -> SplitParameters:
        if both := sorted({*self.station_dev} & {*self.station_test}):
            raise ValueError(
                f"month {both[0]} stands in station_dev and in station_test; expected it in one of them"
            )
        if self.city_dev >= self.city_test:
            raise ValueError(
                f"city_dev is {self.city_dev}; expected a year before city_test, {self.city_test}"
            )
        return self


class DescentParameters(Strict):
    """Gradient descent with momentum."""

    tolerance: float = Field(
        gt=0, description="largest entry of the gradient at the end, in ug/m3 of a standardised column"
    )
    steps: int = Field(ge=1, description="most steps")


class RidgeParameters(Strict):
    """Ridge regression; dev chooses among all combinations."""

    schemes: tuple[Scheme, ...] = Field(min_length=1)
    starts: tuple[Literal["mean", "persistence"], ...] = Field(
        min_length=1, description="what weights of zero answer: the mean of train, or the last reading"
    )
    penalties: tuple[Annotated[float, Field(gt=0)], ...] = Field(min_length=1)


class BoostingParameters(TreesParameters):
    """Gradient boosting of what a start leaves."""

    starts: tuple[Start, ...] = Field(
        min_length=1,
        description="what the trees correct; held-out windows choose one and how many trees are kept",
    )


class EvaluationParameters(Strict):
    """How the test split is scored."""

    resamples: int = Field(ge=100, description="bootstrap resamples behind every interval")
    station_block_days: int = Field(ge=1, description="consecutive days that are drawn together")
    city_block_days: int = Field(ge=1, description="the same in the city, whose days are more alike")
    folds: int = Field(ge=2, le=12, description="folds of the comparison of shuffled hours with whole months")
    few: tuple[Annotated[int, Field(ge=2)], ...] = Field(
        description="training windows, few to many, where it is shown what least squares does with them"
    )
    draws: int = Field(ge=2, description="independent draws of so many windows")


class Parameters(Strict):
    """The study's root group."""

    variants: list[Variant] = Field(min_length=1)
    windows: WindowParameters
    split: SplitParameters
    descent: DescentParameters
    ridge: RidgeParameters
    boosting: BoostingParameters
    evaluation: EvaluationParameters
