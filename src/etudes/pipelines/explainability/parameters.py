"""What can be turned in this study. The values are in ``conf/<environment>/parameters/explainability.yml``."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field, model_validator

from etudes.benches.parameters import PhotoSplitParameters
from etudes.training.parameters import Strict
from etudes.vision.parameters import NetworksParameters, PhotoParameters, parse_view

Variant = Literal[
    "random",
    "centre",
    "edges",
    "saliency",
    "smoothgrad",
    "integrated_gradients",
    "grad_cam",
    "occlusion",
    "lime",
]
Share = Annotated[float, Field(gt=0, le=1)]
SomeSide = Annotated[float, Field(ge=0, le=0.25)]
Window = Annotated[float, Field(gt=0, le=0.5)]
Noise = Annotated[float, Field(gt=0, le=1)]
Parts = Annotated[int, Field(ge=4, le=400)]


class MapsParameters(Strict):
    """The maps, and what dev chooses among for each; shares are of the photo's side."""

    blur: tuple[SomeSide, ...] = Field(
        min_length=1, description="deviations of the Gaussian that smooths a finished map; 0 leaves it"
    )
    score: tuple[Literal["logit", "probability"], ...] = Field(
        min_length=1, description="what saliency takes the gradient of"
    )
    noise: tuple[Noise, ...] = Field(
        min_length=1, description="deviations of SmoothGrad's noise, shares of a photo's range of intensities"
    )
    copies: int = Field(ge=1, description="noisy copies of SmoothGrad")
    channels: tuple[Literal["signed", "absolute"], ...] = Field(
        min_length=1, description="the sum of integrated gradients over the channels, or its size"
    )
    steps: int = Field(ge=1, description="points on the path of integrated gradients")
    depth: tuple[Share, ...] = Field(
        min_length=1, description="layers of Grad-CAM, shares of the layers that see neighbourhoods"
    )
    window: tuple[Window, ...] = Field(
        min_length=1, description="sides of the covered square; it moves by half"
    )
    parts: tuple[Parts, ...] = Field(min_length=1, description="superpixels of LIME")
    samples: int = Field(ge=8, description="pictures that LIME shows")
    batch_size: int = Field(ge=1, description="pictures of one pass")


class ScoringParameters(Strict):
    """Deletion and insertion."""

    steps: int = Field(ge=2, description="equal parts in which pixels are taken or given")
    veil: float = Field(
        gt=0, le=0.3, description="deviation of the Gaussian behind which insertion begins, share of the side"
    )
    square: int = Field(ge=2, description="side of the squares that are taken as a whole, pixels")
    batch_size: int = Field(ge=1, description="pictures of one pass")


class EvaluationParameters(Strict):
    """What is asked of the maps besides deletion and insertion, and how sure the answers are."""

    level: float = Field(gt=0, lt=1, description="coverage of the intervals")
    resamples: int = Field(ge=100, description="bootstrap resamples behind every interval")
    mosaics: int = Field(ge=1, description="mosaics of four photos")
    mosaic_side: int = Field(ge=8, description="side of a photo in a mosaic, pixels")
    randomised_photos: int = Field(ge=1, description="photos that randomised networks are asked about")
    randomised_levels: int = Field(
        ge=1, description="points at which a network is randomised further, besides its last layer"
    )
    timed: int = Field(ge=1, description="photos that are explained one by one for the time of one")
    shown: int = Field(ge=1, le=12, description="right and wrong answers that the page shows, at most")


class FiltersParameters(Strict):
    """Pictures that excite a channel of a layer."""

    depth: tuple[Share, ...] = Field(
        min_length=1, description="layers, shares of those that see neighbourhoods"
    )
    channels: int = Field(ge=1, le=8, description="of each layer, evenly spaced")
    steps: int = Field(ge=1)
    rate: float = Field(gt=0, description="learning rate of Adam")
    shift: int = Field(ge=0, description="farthest random shift in a step, pixels")
    roughness: float = Field(
        ge=0, description="weight of the mean difference of neighbouring pixels beside an activation of 1"
    )


class Parameters(Strict):
    """The study's root group."""

    variants: list[Variant] = Field(min_length=1)
    split: PhotoSplitParameters
    photos: PhotoParameters
    networks: NetworksParameters
    maps: MapsParameters
    scoring: ScoringParameters
    evaluation: EvaluationParameters
    filters: FiltersParameters

    @model_validator(mode="after")
    def _one_network_of_convolutions(self) -> Parameters:
        if len(self.networks.names) > 1 or parse_view(self.networks.names[0])[0] == "mlp":
            raise ValueError(
                f"networks.names = {list(self.networks.names)}; expected one network that has convolutions (Grad-CAM asks them)"
            )
        return self

    @model_validator(mode="after")
    def _squares_fit(self) -> Parameters:
        if self.photos.crop % self.scoring.square:
            raise ValueError(
                f"scoring.square = {self.scoring.square} does not divide photos.crop = {self.photos.crop}"
            )
        if self.evaluation.mosaic_side > self.photos.crop:
            raise ValueError(
                f"evaluation.mosaic_side = {self.evaluation.mosaic_side} is larger than photos.crop = {self.photos.crop}"
            )
        return self
