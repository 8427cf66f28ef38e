"""Models that are what their attributes are: saved and loaded without a line of their own."""

from __future__ import annotations

import typing
from collections.abc import Mapping
from typing import Any, Self

import numpy as np
from pydantic import BaseModel

from etudes.models import ModelState, as_declared, registered_class

ARRAY, PART = "array of this state", "part of this state"  # keys that stand for what JSON cannot hold


class Stored:
    """A model, or a part of one, whose constructor takes all its attributes by name; a dataclass is one.

    Attributes are arrays, JSON values, other registered models, and mappings (by text) and lists of all these. Lists and
    tuples come back as lists, parameters as the pydantic model that the class annotates. Attributes whose names begin
    with ``_`` are not kept.
    """

    registered_name: str

    def state(self) -> ModelState:
        state = ModelState()
        kept = {name: value for name, value in vars(self).items() if not name.startswith("_")}
        state.config["attributes"] = {name: _packed(value, name, state) for name, value in kept.items()}
        return state

    @classmethod
    def from_state(cls, state: ModelState) -> Self:
        hints, kept = typing.get_type_hints(cls), _unpacked(state.config["attributes"], state)
        return cls(**{name: as_declared(value, hints.get(name)) for name, value in kept.items()})


def _packed(value: Any, path: str, state: ModelState) -> Any:
    """The value as JSON; arrays and models go into the state under ``path``."""
    if isinstance(value, np.ndarray):
        state.arrays[path] = value
        return {ARRAY: path}
    if hasattr(value, "registered_name"):
        state.nest(path, value.state())
        return {PART: path, "class": value.registered_name}
    if isinstance(value, BaseModel):
        return value.model_dump(mode="json")
    if isinstance(value, Mapping):
        return {name: _packed(inner, f"{path}/{name}", state) for name, inner in value.items()}
    if isinstance(value, list | tuple):
        return [_packed(inner, f"{path}/{place}", state) for place, inner in enumerate(value)]
    return value


def _unpacked(value: Any, state: ModelState) -> Any:
    if isinstance(value, list):
        return [_unpacked(inner, state) for inner in value]
    if not isinstance(value, dict):
        return value
    if ARRAY in value:
        return state.arrays[value[ARRAY]]
    if PART in value:
        return registered_class(value["class"]).from_state(state.nested(value[PART]))
    return {name: _unpacked(inner, state) for name, inner in value.items()}
