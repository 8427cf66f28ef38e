"""What can be turned in this study; the values are in ``conf/<environment>/parameters``, in a file of its name."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field

from etudes.benches.parameters import FewLabelsParameters, TableFormParameters
from etudes.training.parameters import Strict

Clusterings = Literal["kmeans_vote", "guided", "seeded", "constrained"]
Variant = Literal["most_frequent", Clusterings, "nearest_neighbours", "logistic", "label_spreading"]
Positive = Annotated[float, Field(gt=0)]
Count = Annotated[int, Field(ge=1)]


class TableParameters(TableFormParameters):
    """The table in question."""

    name: str = Field(min_length=1, description="what figures call it")


class KMeansParameters(Strict):
    """k-means and vote."""

    per_class: list[Count] = Field(min_length=1, description="clusters for each class to choose from")


class GuidedParameters(KMeansParameters):
    """Guided k-means."""

    alphas: list[Annotated[float, Field(ge=0)]] = Field(
        min_length=1, description="weights of impurity to choose from"
    )


class MethodsParameters(Strict):
    """What the methods choose their settings from; of several the first where there are too few labels to choose."""

    folds: int = Field(ge=2, description="most folds of the labelled rows")
    starts: int = Field(ge=1, description="starts of k-means, free or guided; the least objective is kept")
    sweeps: int = Field(ge=2, description="most sweeps of a descent")
    kmeans: KMeansParameters
    guided: GuidedParameters
    neighbours: list[Count] = Field(min_length=1, description="labelled rows that are asked")
    penalties: list[Positive] = Field(min_length=1, description="L2 penalties of logistic regression")
    widths: list[Positive] = Field(
        min_length=1, description="widths of label spreading's kernel, as a difference in each measurement"
    )
    retain: float = Field(
        gt=0, lt=1, description="share of its own label that a row keeps in label spreading"
    )


class SweepParameters(Strict):
    """Repeated splits of all tables."""

    splits: int = Field(ge=2, description="independent splits into train and test, and orders of labelling")
    labels: list[Count] = Field(min_length=1, description="numbers of labelled rows")
    one_unit: list[str] = Field(description="tables whose measurements have one unit and keep it")
    alphas: list[Positive] = Field(min_length=1, description="weights of impurity beside 0")
    alpha_labels: int = Field(ge=2, description="labelled rows of the sweep over alpha")
    pair_labels: int = Field(ge=2, description="labelled rows where two measurements are compared with all")
    most_pairs: int = Field(ge=0, description="most pairs of measurements; a table that has more has none")


class Parameters(Strict):
    """The study's root group."""

    variants: list[Variant] = Field(min_length=1)
    table: TableParameters
    split: FewLabelsParameters
    methods: MethodsParameters
    sweep: SweepParameters
