"""What can be turned in this study; the values are in ``conf/<environment>/parameters``, in a file of its name."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from etudes.training.parameters import Strict

Variant = Literal["most_frequent", "nearest_centroid"]


class SplitParameters(Strict):
    """How dev and test are cut from the table."""

    dev_fraction: float = Field(gt=0, lt=0.5, description="share of each class for dev, at least one row")
    test_fraction: float = Field(gt=0, lt=0.5, description="share of each class for test, at least one row")
    seed: int = Field(ge=0, description="seed of the split, apart from run.seed so that seeds share a split")


class CentroidParameters(Strict):
    """The nearest centroid."""

    standardise: bool = Field(description="measure distances in standard deviations of the training rows")


class EvaluationParameters(Strict):
    """How the test split is scored."""

    resamples: int = Field(ge=100, description="bootstrap resamples behind every interval")
    bins: int = Field(ge=2, description="bins of the calibration error")


class Parameters(Strict):
    """The study's root group."""

    variants: list[Variant] = Field(min_length=1)
    split: SplitParameters
    centroid: CentroidParameters
    evaluation: EvaluationParameters
