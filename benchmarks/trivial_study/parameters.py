"""What can be turned."""

from __future__ import annotations

from pydantic import Field

from etudes.training.parameters import Strict


class DataParameters(Strict):
    """The data that is not there."""

    rows: int = Field(ge=1)


class Parameters(Strict):
    """The study's root group."""

    variants: list[str] = Field(min_length=1)
    data: DataParameters
