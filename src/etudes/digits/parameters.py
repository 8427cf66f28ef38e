"""Parameter groups that studies of pictures share."""

from __future__ import annotations

from pydantic import Field

from etudes.training.parameters import DevSplitParameters, FitParameters, Strict


class DigitSplitParameters(DevSplitParameters):
    """How dev is cut from train, and how pictures become bits."""

    binarisation_seed: int = Field(ge=0, description="seed of the bits of dev and test")


class JudgeParameters(Strict):
    """The digit classifier that judges generated pictures."""

    width: int = Field(ge=1, description="channels of the first convolution; the second has twice as many")
    features: int = Field(ge=2, description="units of the layer whose values are the features")
    dropout: float = Field(ge=0, lt=1)
    shift: int = Field(ge=0, le=4, description="training pictures are shifted by up to this many pixels")
    fit: FitParameters


class ConvolutionalVAEParameters(Strict):
    """A variational autoencoder of strided convolutions."""

    latent: int = Field(ge=1, description="dimensions of z")
    width: int = Field(ge=1, description="channels of the first convolution; the second has twice as many")
    hidden: int = Field(ge=1, description="units of the dense layers around z")
    beta: float = Field(gt=0, description="weight of the KL term; 1 is the evidence bound")
    fit: FitParameters


class GeneratorScoresParameters(Strict):
    """How generated pictures are scored."""

    neighbours: int = Field(ge=1, description="k of the balls of improved precision and recall")
    kid_block: int = Field(ge=4, description="pictures of one block of the kernel distance")
    resamples: int = Field(ge=20, description="bootstrap resamples behind the intervals of FID and novelty")
    novelty_images: int = Field(
        ge=2, description="generated and test pictures whose nearest training picture is found"
    )
