"""What can be turned in this study. The values are in ``conf/<environment>/parameters/gan_digits.yml``."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from etudes.digits.parameters import (
    ConvolutionalVAEParameters,
    DigitSplitParameters,
    GeneratorScoresParameters,
    JudgeParameters,
)
from etudes.training.parameters import Strict

Variant = Literal["class_pixels", "gan", "vae"]


class GANParameters(Strict):
    """A conditional generator and a discriminator that play against each other."""

    latent: int = Field(ge=1, description="dimensions of the noise")
    width: int = Field(
        ge=1, description="channels of the generator's and the discriminator's widest planes, halved"
    )
    epochs: int = Field(ge=1)
    batch_size: int = Field(ge=2, description="real and as many generated pictures of one step")
    generator_rate: float = Field(gt=0, description="Adam's learning rate of the generator")
    discriminator_rate: float = Field(gt=0, description="Adam's learning rate of the discriminator")
    average: float = Field(ge=0, lt=1, description="decay of the running average of the generator's weights")
    checkpoint_steps: int = Field(ge=1, description="steps between two checkpoints")


class EvaluationParameters(Strict):
    """How the test split is scored."""

    scores: GeneratorScoresParameters


class Parameters(Strict):
    """The study's root group."""

    variants: list[Variant] = Field(min_length=1)
    split: DigitSplitParameters
    judge: JudgeParameters
    examiner: JudgeParameters
    gan: GANParameters
    vae: ConvolutionalVAEParameters
    evaluation: EvaluationParameters
