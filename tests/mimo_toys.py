"""Small pictures of which a small network learns much in seconds, and settings for it."""

from __future__ import annotations

from typing import Any

from attack_toys import photos
from digit_toys import fit_settings, settings
from etudes.examples import Examples
from etudes.training.parameters import RunParameters
from study_settings import run_parameters

CARD = {"classes": ["a", "b", "c", "d"], "side": 16}
RUN: RunParameters = run_parameters()


def part(count: int, seed: int) -> Examples:
    """Noise with a bright square whose place is the class."""
    found = photos(count, seed=seed)
    return Examples(found.rows.rename(columns={"name": "class"}), found.arrays)


TRAIN, DEV, TEST = part(160, 0), part(40, 1), part(60, 2)


def group(name: str, **changes: Any) -> Any:
    """A group of the study's `test` parameters, changed."""
    return settings("mimo_ensemble", name, **changes)


def network(**changes: Any) -> Any:
    """Settings of the network."""
    fit = fit_settings(epochs=10, batch_size=16, learning_rate=0.02, checkpoint_steps=1000)
    return group("network", **{"width": 6, "shift": 0, "mirror": False, "fit": fit.model_dump(), **changes})
