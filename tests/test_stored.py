"""Models that are what their attributes are."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from pydantic import BaseModel

from etudes.models import load_model, register_model, save_model
from etudes.stored import Stored


@register_model("stored_part.made")
@dataclass(frozen=True)
class Part(Stored):
    values: np.ndarray
    count: int
    columns: np.ndarray | None = None


@register_model("stored_whole.made")
@dataclass
class Whole(Stored):
    name: str
    parts: dict[str, list[Part]]
    limits: dict[str, float]
    first: Part


def test_arrays_values_and_nested_parts_travel_through_a_folder(tmp_path: Path) -> None:
    first, second = Part(np.arange(3.0), 3), Part(np.ones((2, 2)), 2, np.array([1, 0]))
    whole = Whole("made", {"a": [first, second], "name": [second]}, {"a": 0.5}, first)
    save_model(whole, tmp_path / "model")
    again: Any = load_model(tmp_path / "model")
    assert isinstance(again, Whole) and (again.name, again.limits) == ("made", {"a": 0.5})
    assert [len(found) for found in again.parts.values()] == [2, 1] and list(again.parts) == ["a", "name"]
    assert np.array_equal(again.parts["a"][1].values, second.values) and again.parts["a"][1].count == 2
    assert again.parts["name"][0].columns.tolist() == [1, 0] and again.first.columns is None


class Settings(BaseModel):
    width: int


@register_model("stored_declared.made")
@dataclass
class Declared(Stored):
    settings: Settings

    def __post_init__(self) -> None:
        self._found_again = np.zeros(3)


def test_parameters_come_back_as_their_model_and_private_attributes_are_left_out() -> None:
    state = Declared(Settings(width=3)).state()
    assert not state.arrays and state.config["attributes"] == {"settings": {"width": 3}}
    assert Declared.from_state(state).settings == Settings(width=3)
