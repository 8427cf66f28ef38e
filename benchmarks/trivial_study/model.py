"""The model that is stored."""

from __future__ import annotations

from typing import Self

from etudes.models import ModelState, register_model


@register_model("bench_trivial.constant")
class Constant:
    """A number."""

    registered_name: str

    def __init__(self, value: float) -> None:
        self.value = value

    def state(self) -> ModelState:
        return ModelState({"value": self.value})

    @classmethod
    def from_state(cls, state: ModelState) -> Self:
        return cls(state.config["value"])
