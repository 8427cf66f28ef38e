"""Small pictures of which a small network learns much in seconds, and settings of the distillation study for it."""

from __future__ import annotations

from typing import Any

from digit_toys import fit_settings, settings
from mimo_toys import CARD, DEV, RUN, TEST, TRAIN

__all__ = ["CARD", "DEV", "RUN", "TEST", "TRAIN", "group", "network"]
FIT = fit_settings(epochs=10, batch_size=16, learning_rate=0.02, checkpoint_steps=1000)


def group(name: str, **changes: Any) -> Any:
    """A group of the study's `test` parameters, changed."""
    return settings("knowledge_distillation", name, **changes)


def network(name: str = "student", **changes: Any) -> Any:
    """Settings of a network."""
    return group(name, **{"width": 6, "stride": 2, "fit": FIT.model_dump(), **changes})
