"""What can be turned in this study; the values are in ``conf/<environment>/parameters``, in a file of its name."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field

from etudes.benches.parameters import ScoringParameters
from etudes.training.parameters import FitParameters, Strict
from etudes.vision.parameters import BackboneParameters, FolderParameters, ViewParameters

Scratch = Literal["cnn", "batch_norm", "augmented", "half_depth", "dense"]
Variant = Literal["most_frequent", "histograms", "logistic", Scratch, "transfer"]
Count = Annotated[int, Field(ge=1)]


class LinearParameters(Strict):
    """Logistic regression on features that do not learn."""

    components: int = Field(ge=2, description="principal components of the features")
    penalties: list[Annotated[float, Field(gt=0)]] = Field(
        min_length=1, description="L2 penalties, to choose from by cross-validation of the training pictures"
    )
    folds: int = Field(ge=2, description="of the training pictures")


class ScratchParameters(Strict):
    """The networks that begin with drawn weights; all have about as many weights as `cnn`."""

    side: int = Field(ge=16, le=256, description="pixels of the pictures that they see")
    widths: tuple[Count, ...] = Field(
        min_length=2, description="channels of the convolutions, each of which is followed by pooling"
    )
    hidden: int = Field(ge=1, description="units of the dense layer")
    view: ViewParameters
    fit: FitParameters


class TransferParameters(Strict):
    """The pretrained network's last stage, which learns on."""

    views: int = Field(ge=0, description="altered views of each training picture, made once")
    view: ViewParameters
    fit: FitParameters


class NoiseParameters(Strict):
    """The search for wrong labels."""

    folds: int = Field(ge=2, description="of the pictures whose labels are doubted")
    planted: float = Field(
        gt=0, lt=0.5, description="share of the labels that are made wrong, to measure the rule by"
    )
    repeats: int = Field(
        ge=2, description="times that they are, and splits on which dropping suspects is measured"
    )


class RepeatsParameters(Strict):
    """Repeated splits of all pictures."""

    splits: int = Field(ge=2, description="stratified splits, on each of which everything is trained anew")


class Parameters(Strict):
    """The study's root group."""

    variants: list[Variant] = Field(min_length=1)
    pictures: FolderParameters
    backbone: BackboneParameters
    linear: LinearParameters
    scratch: ScratchParameters
    transfer: TransferParameters
    noise: NoiseParameters
    repeats: RepeatsParameters
    evaluation: ScoringParameters
