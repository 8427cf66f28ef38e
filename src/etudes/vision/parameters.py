"""Parameter groups that studies of photos and of the networks that see them share."""

from __future__ import annotations

from typing import Any

from pydantic import Field, field_validator, model_validator

from etudes.training.parameters import FitParameters, Strict


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
    def _different(cls, value: tuple[str, ...]) -> tuple[str, ...]:
        if len(set(value)) < len(value):
            raise ValueError("expected different networks")
        return value
