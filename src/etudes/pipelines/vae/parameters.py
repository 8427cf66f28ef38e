"""What can be turned in this study. The values are in ``conf/<environment>/parameters/vae.yml``."""

from __future__ import annotations

from typing import Literal

from pydantic import Field, field_validator

from etudes.digits.parameters import (
    ConvolutionalVAEParameters,
    DigitSplitParameters,
    GeneratorScoresParameters,
    JudgeParameters,
)
from etudes.training.parameters import FitParameters, Strict

Variant = Literal["pixels", "mlp", "convolutional", "conditional", "manifold"]


class MLPParameters(Strict):
    """A variational autoencoder of dense layers."""

    latent: int = Field(ge=1, description="dimensions of z")
    hidden: tuple[int, ...] = Field(
        min_length=1, description="units of the encoder's layers; the decoder's in reverse"
    )
    beta: float = Field(gt=0, description="weight of the KL term; 1 is the evidence bound")
    fit: FitParameters


class ManifoldParameters(Strict):
    """The same with two latent dimensions, which can be drawn."""

    hidden: tuple[int, ...] = Field(min_length=1)
    beta: float = Field(gt=0)
    fit: FitParameters


class SweepParameters(Strict):
    """Small networks that differ in the weight of the KL term alone."""

    betas: tuple[float, ...] = Field(min_length=1, description="weights of the KL term")
    latent: int = Field(ge=1)
    hidden: tuple[int, ...] = Field(min_length=1)
    fit: FitParameters

    @field_validator("betas")
    @classmethod
    def _positive_and_different(cls, value: tuple[float, ...]) -> tuple[float, ...]:
        if min(value) <= 0 or len(set(value)) < len(value):
            raise ValueError("expected weights above 0, each once")
        return value


class PhotographParameters(Strict):
    """The network of colour photographs, and how they are split."""

    dev_fraction: float = Field(gt=0, lt=0.5, description="share of each class of the training pictures")
    seed: int = Field(ge=0, description="seed of the split, apart from run.seed")
    channels: int = Field(ge=1, description="numbers of the code at each of its (side / 4)² places")
    width: int = Field(ge=1, description="channels of the first convolution; the others have twice as many")
    draws: int = Field(ge=1, description="draws of each posterior: k of the importance-weighted bound")
    shown: int = Field(ge=1, le=40, description="test pictures, reconstructions and samples in the report")
    fit: FitParameters


class EvaluationParameters(Strict):
    """How the test split is scored."""

    draws: int = Field(ge=2, description="draws of each posterior: k of the importance-weighted bound")
    sweep_draws: int = Field(ge=1, description="the same for the networks of the sweep")
    latent_neighbours: int = Field(ge=1, description="neighbours that vote on a digit in latent space")
    reference_pictures: int = Field(
        ge=20, description="training pictures for the vote in latent space and for PCA"
    )
    scores: GeneratorScoresParameters


class Parameters(Strict):
    """The study's root group."""

    variants: list[Variant] = Field(min_length=1)
    split: DigitSplitParameters
    judge: JudgeParameters
    mlp: MLPParameters
    convolutional: ConvolutionalVAEParameters
    conditional: ConvolutionalVAEParameters
    manifold: ManifoldParameters
    sweep: SweepParameters
    photographs: PhotographParameters
    evaluation: EvaluationParameters
