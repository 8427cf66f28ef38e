"""Parameter groups that studies of photos and of the networks that see them share."""

from __future__ import annotations

import re
from typing import Any, Literal

from pydantic import Field, field_validator, model_validator

from etudes.training.parameters import FitParameters, Strict
from etudes.vision.pretrained import NETWORKS as PRETRAINED

SMALL = ("cnn", "deep_cnn", "mlp")  # trained here, on small pictures
SIDES = range(32, 1025)  # of resized photos, in pixels


class PhotoParameters(Strict):
    """The size at which photos are shown to the networks."""

    size: int = Field(
        ge=8, le=1024, description="shorter side of a photo after it is resized, in pixels (Lanczos)"
    )
    crop: int = Field(ge=8, le=1024, description="side of the square that is cut from its middle, in pixels")

    @model_validator(mode="after")
    def _fits(self) -> PhotoParameters:
        if self.crop > self.size:
            raise ValueError(f"crop = {self.crop} is larger than size = {self.size}")
        return self


class StepsParameters(Strict):
    """An attack in a ball around each picture (`bounded.perturbed`)."""

    norm: Literal["linf", "l2"] = Field(description="of the ball: largest change of a pixel, or Euclidean")
    steps: int = Field(ge=0, description="gradients of each picture; 0 leaves the start")
    step: float = Field(gt=0, le=4, description="length of a step as a share of the ball's radius")
    momentum: float = Field(ge=0, le=1, description="weight of earlier gradients")
    start: Literal["picture", "uniform", "corner"] = Field(
        description="the picture itself, a point drawn from the ball, or a corner (random signs)"
    )
    loss: Literal["cross_entropy", "lead"]
    rounded: bool = Field(description="whether each gradient is that of the picture rounded to 8 bits")
    enough: float | None = Field(
        ge=0, description="lead in logits beyond which a picture is done; null: every picture takes all steps"
    )


class NetworksParameters(Strict):
    """The networks: the first is the victim, all of them make the transfer matrix."""

    names: tuple[str, ...] = Field(
        min_length=1,
        description="cnn, deep_cnn, mlp (trained here) or a pretrained network; NAME@PIXELS shows it resized photos",
    )
    dev_fraction: float = Field(
        gt=0, lt=0.5, description="share of their photos that stops the training of cnn, deep_cnn and mlp"
    )
    fit: FitParameters

    @field_validator("names", mode="before")
    @classmethod
    def _from_text(cls, value: Any) -> Any:
        """``a+b+c``, as it can be written after ``--params``, where a comma ends the parameter."""
        return value.split("+") if isinstance(value, str) else value

    @field_validator("names")
    @classmethod
    def _known_and_different(cls, value: tuple[str, ...]) -> tuple[str, ...]:
        for text in value:
            parse_view(text)
        if len(set(value)) < len(value):
            raise ValueError("expected different networks")
        return value


class SmallNetworkParameters(Strict):
    """A small residual network (`cifar_networks.CifarResNet`) and how it learns from small pictures."""

    blocks: int = Field(ge=1, description="of each of the three stages")
    width: int = Field(ge=1, description="channels of the first stage")
    stride: int = Field(
        ge=1, le=2, description="of the first convolution; 2 halves the picture and quarters the cost"
    )
    shift: int = Field(ge=0, le=16, description="training pictures are moved by up to this many pixels")
    mirror: bool = Field(description="training pictures are mirrored with a chance of one half")
    fit: FitParameters


class ViewParameters(Strict):
    """How far an altered view of a picture may lie from it; each is drawn uniformly up to its limit, to either side."""

    shift: float = Field(ge=0, lt=1, description="share of a side")
    turn: float = Field(ge=0, le=3.1416, description="angle in radians")
    zoom: float = Field(ge=0, lt=1, description="share of the size")
    shear: float = Field(ge=0, lt=1)
    light: float = Field(ge=0, lt=1, description="share of the brightness")
    mirror: bool = Field(description="mirrored with a chance of one half")


class ViewsParameters(Strict):
    """Views of a picture."""

    count: int = Field(ge=1, description="weak views of each picture, and as many strong ones")
    weak: ViewParameters
    strong: ViewParameters


class FolderParameters(Strict):
    """How pictures in folders of their classes are cut, and which are held out."""

    side: int = Field(ge=32, le=512, description="of the square that is cut from a picture, pixels")
    duplicate_bits: int = Field(
        ge=0, lt=64, description="pictures whose hashes differ in at most so many of 128 bits stay together"
    )
    dev_fraction: float = Field(gt=0, lt=0.5, description="share of each class's training pictures for dev")
    test_fraction: float = Field(
        gt=0,
        lt=0.5,
        description="share of each class for test: in repeated splits, and where there is no folder test",
    )
    seed: int = Field(ge=0, description="seed of the split, apart from run.seed so that seeds share a split")


class BackboneParameters(Strict):
    """A pretrained network, or one that is trained here."""

    network: str = Field(
        description="of etudes.vision.pretrained; 'textures': a small one that is trained here, as the rest says"
    )
    crops: int = Field(ge=24, description="generated textures")
    size: int = Field(ge=16, description="pixels of a texture's side")
    dev_fraction: float = Field(gt=0, lt=0.5, description="share of the textures that chooses the epoch")
    width: int = Field(ge=1, description="channels of the first stage")
    fit: FitParameters


def parse_view(text: str) -> tuple[str, int | None]:
    """``name`` or ``name@pixels``.

    Raises:
        ValueError: an unknown network, or a side that is no number, too small, or not for this network.
    """
    match = re.fullmatch(r"([^@]+)(?:@(\d+))?", text)
    name = match[1] if match else text
    if match is None or name not in (*SMALL, *PRETRAINED):
        raise ValueError(
            f"'{text}' is no network; expected one of {', '.join((*SMALL, *PRETRAINED))}, "
            "with @PIXELS behind it to show it resized photos"
        )
    side = int(match[2]) if match[2] else None
    if side is not None and side not in SIDES:
        raise ValueError(
            f"'{text}' asks for photos of {side} pixels; expected {SIDES.start} to {SIDES.stop - 1}"
        )
    if name == "mlp" and side is not None:
        raise ValueError("mlp sees photos of one size; leave its @PIXELS out")
    return name, side


class KeptViewsParameters(Strict):
    """Altered copies of the training pictures, of which teachers are asked once, before any student learns."""

    count: int = Field(ge=1, description="of each picture, the picture itself among them")
    shift: int = Field(ge=0, le=16, description="most pixels by which one is moved")
    mirror: bool = Field(description="mirrored with a chance of one half")
