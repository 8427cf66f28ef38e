"""What can be turned in this study. The values are in ``conf/<environment>/parameters/fgsm_attack.yml``."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field, field_validator, model_validator

from etudes.benches.parameters import AttackSplitParameters
from etudes.training.parameters import FitParameters, Strict
from etudes.vision.parameters import NetworksParameters, PhotoParameters

Variant = Literal["noise", "fgsm", "ifgsm", "mifgsm", "pgd"]
Levels = Annotated[int, Field(ge=1, le=128)]
Step = Annotated[float, Field(gt=0, le=2)]
Quality = Annotated[int, Field(ge=1, le=95)]
Sigma = Annotated[float, Field(gt=0, le=5)]


class BoardParameters(Strict):
    """How far one kind of pictures is moved: largest changes of a pixel, in levels of 255."""

    levels: tuple[Levels, ...] = Field(min_length=1, description="of the curve")
    main: Levels = Field(description="the one that variants are compared at")

    @field_validator("levels")
    @classmethod
    def _rising(cls, value: tuple[int, ...]) -> tuple[int, ...]:
        if list(value) != sorted(set(value)):
            raise ValueError("expected rising numbers, each once")
        return value

    @model_validator(mode="after")
    def _main_is_among_them(self) -> BoardParameters:
        if self.main not in self.levels:
            raise ValueError(f"main = {self.main} is none of levels = {list(self.levels)}")
        return self


class AttackParameters(Strict):
    """The variants, and what dev chooses among for each."""

    steps: int = Field(ge=2, description="gradients of ifgsm, mifgsm and pgd")
    momentum: float = Field(gt=0, le=1, description="weight of earlier gradients in mifgsm")
    one_step: tuple[Step, ...] = Field(
        min_length=1, description="step of fgsm, shares of the radius to try on dev"
    )
    many_steps: tuple[Step, ...] = Field(
        min_length=1, description="steps of the others, shares to try on dev"
    )


class HardeningParameters(Strict):
    """Adversarial training of one of the networks."""

    network: str = Field(description="which of networks.names; what it can do without is scored beside it")
    levels: Levels = Field(description="radius of the attack in training, levels of 255")
    step: Step = Field(description="its one step, as a share of the radius")
    fit: FitParameters


class EvaluationParameters(Strict):
    """How attacks and defences are scored and shown."""

    level: float = Field(gt=0, lt=1, description="coverage of the intervals")
    resamples: int = Field(ge=100, description="bootstrap resamples behind the intervals of differences")
    batch_size: int = Field(ge=1, description="pictures of one pass")
    transfer_levels: Levels = Field(description="radius of what is shown to other networks")
    defence_levels: Levels = Field(
        description="radius of what defences stand against, and of targeted attacks"
    )
    jpeg: tuple[Quality, ...] = Field(description="qualities of JPEG compression before the network")
    blur: tuple[Sigma, ...] = Field(
        min_length=1, description="Gaussian blurs before the network, sigma in pixels"
    )
    shown: int = Field(ge=1, le=24, description="photos in the gallery, and failures at most")


class Parameters(Strict):
    """The study's root group."""

    variants: list[Variant] = Field(min_length=1)
    split: AttackSplitParameters
    photos: PhotoParameters
    networks: NetworksParameters
    photo_networks: NetworksParameters
    pictures_board: BoardParameters
    photos_board: BoardParameters
    attack: AttackParameters
    hardened: HardeningParameters
    evaluation: EvaluationParameters

    @model_validator(mode="after")
    def _hardened_is_a_network(self) -> Parameters:
        if self.hardened.network not in self.networks.names:
            raise ValueError(
                f"hardened.network = '{self.hardened.network}' is none of networks.names = {list(self.networks.names)}"
            )
        return self
