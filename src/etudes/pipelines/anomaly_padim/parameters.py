"""What can be turned in this study. The values are in ``conf/<environment>/parameters/anomaly_padim.yml``."""

from __future__ import annotations

from typing import Literal

from pydantic import Field, field_validator, model_validator

from etudes.training.parameters import FitParameters, Strict

Variant = Literal["mean_image", "padim", "pca", "random", "best", "worst"]


class ImagesParameters(Strict):
    """Which categories are read and what of their pictures."""

    categories: list[str] = Field(min_length=1, description="folders of the data set, modelled apart")
    resize: int = Field(ge=16, le=2048, description="pixels of the shorter side after resizing")
    crop: int = Field(ge=16, le=2048, description="pixels of the square cut from the middle")

    @field_validator("categories")
    @classmethod
    def _names(cls, value: list[str]) -> list[str]:
        wrong = [name for name in value if not name.isidentifier()]
        if wrong or len(set(value)) < len(value):
            raise ValueError("expected names of folders (letters, digits and _), each once")
        return value

    @model_validator(mode="after")
    def _crop_fits(self) -> ImagesParameters:
        if self.crop > self.resize:
            raise ValueError(f"crop = {self.crop} is larger than resize = {self.resize}")
        return self


class SplitParameters(Strict):
    """How the official test images are divided into dev (choices) and test (scores)."""

    dev_fraction: float = Field(gt=0, lt=1, description="share of each kind of image that goes to dev")
    seed: int = Field(ge=0, description="of the split, apart from run.seed so that seeds share one split")


class BackboneParameters(Strict):
    """The network whose features are modelled: pretrained on ImageNet by name, or ``textures``, trained here."""

    network: Literal["textures", "squeezenet1_1_caffe", "squeezenet1_1", "resnet18", "wide_resnet50_2"]
    crops: int = Field(ge=24, description="generated pictures that `textures` learns from, dev included")
    size: int = Field(ge=16, le=256, description="pixels of a side of a generated picture")
    dev_fraction: float = Field(gt=0, lt=0.5, description="share of the generated pictures kept for dev")
    width: int = Field(ge=4, le=256, description="channels of the first stage; others: 2 and 4 times as many")
    fit: FitParameters


class GaussianParameters(Strict):
    """The Gaussians of the patches."""

    channels: int = Field(ge=2, description="drawn at random from all of the network; all if it has fewer")
    epsilon: float = Field(gt=0, description="added to the diagonal of every covariance; 0.01 in the paper")
    batch_size: int = Field(ge=1, description="images of one pass through the network; changes no result")
    precision: Literal["float64", "float32"] = Field(description="of the running mean and covariance")


class MapsParameters(Strict):
    """From distances to heat maps and decisions."""

    sigma: float = Field(gt=0, description="pixels: blur of a heat map; 4 in the paper, at 224 x 224")
    quantile: float = Field(gt=0, le=1, description="of the scores of good dev images: the threshold")


class ImportanceParameters(Strict):
    """Permutation importance of the channels."""

    repeats: int = Field(ge=5, description="shuffles of each channel")
    shuffle: Literal["images", "positions"] = Field(
        description="images: a channel's map comes from another image; positions: its values move within the image"
    )
    resamples: int = Field(ge=100, description="bootstrap resamples of dev images behind the interval")


class SubsetsParameters(Strict):
    """The small subsets of channels that are compared."""

    size: int = Field(ge=1, description="channels of `best`, `worst`, `random` and axes of `pca`")
    draws: int = Field(ge=10, description="random subsets")


class EvaluationParameters(Strict):
    """How the test half is scored."""

    resamples: int = Field(ge=100, description="bootstrap resamples of images behind every interval")
    fpr_limit: float = Field(gt=0, le=1, description="false positive rate up to which PRO is integrated")


class Parameters(Strict):
    """The study's root group."""

    variants: list[Variant] = Field(min_length=1)
    images: ImagesParameters
    split: SplitParameters
    backbone: BackboneParameters
    gaussian: GaussianParameters
    maps: MapsParameters
    importance: ImportanceParameters
    subsets: SubsetsParameters
    evaluation: EvaluationParameters
