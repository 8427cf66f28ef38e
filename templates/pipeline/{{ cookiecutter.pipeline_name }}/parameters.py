"""What can be turned in this study; the values are in ``conf/<environment>/parameters``, in a file of its name."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from etudes.benches.parameters import ScoringParameters, TableSplitParameters
from etudes.training.parameters import Strict


class CentroidParameters(Strict):
    """The nearest centroid."""

    standardise: bool = Field(description="measure distances in standard deviations of the training rows")


class Parameters(Strict):
    """The study's root group."""

    variants: list[Literal["most_frequent", "nearest_centroid"]] = Field(min_length=1)
    split: TableSplitParameters
    centroid: CentroidParameters
    evaluation: ScoringParameters
