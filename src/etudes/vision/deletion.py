"""Deletion and insertion of maps of photos: what a network says as pixels go or come in their order (Petsiuk et al. 2018,
arXiv:1806.07421)."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Protocol

import numpy as np
import torch
from numpy.typing import NDArray

from etudes.evaluation.faithfulness import areas, curves, order_of
from etudes.vision.bounded import GaussianBlur
from etudes.vision.imagenet import IMAGENET_MEAN
from etudes.vision.victims import View, intensities

Pixels = NDArray[np.uint8]
Labels = NDArray[np.int64]
CURVES = ("deletion", "insertion")
BETTER = {"deletion": -1.0, "insertion": 1.0}  # which way is better


class Covering(Protocol):
    """Equal parts in which pixels go or come, the deviation of the Gaussian behind which insertion begins (share of the
    side), and the pictures of one pass."""

    steps: int
    veil: float
    batch_size: int


def score_curves(
    view: View,
    pixels: Pixels,
    classes: Labels,
    heats: Sequence[NDArray[np.floating]],
    how: Covering,
    seed: int,
    side: int = 1,
    device: torch.device | str = "cpu",
) -> dict[str, NDArray[np.float64]]:
    """Probabilities of each photo's class, ``deletion`` and ``insertion``, each (M, N, steps + 1).

    Deletion covers the photo with ImageNet's mean colour, insertion lays it over a blurred copy of itself.

    Args:
        view: gives logits.
        pixels: (N, H, W, 3).
        classes: (N,).
        heats: M arrays of maps (N, H, W).
        how: a `Covering`.
        seed: of the order among equal pixels.
        side: of squares that go or come as a whole, pixels.
        device: where to compute.
    """
    photos = intensities(pixels, device)
    veil = GaussianBlur(how.veil * min(photos.shape[2:])).to(device)
    covered = photos.new_tensor(IMAGENET_MEAN).view(3, 1, 1).expand_as(photos[0])
    found: dict[str, list[NDArray[np.float64]]] = {name: [] for name in CURVES}
    for place, (photo, label) in enumerate(zip(photos, classes.tolist(), strict=True)):
        orders = np.stack(
            [order_of(heat[place], np.random.default_rng([seed, place]), side) for heat in heats]
        )
        ends = {"deletion": (photo, covered), "insertion": (veil(photo[None])[0].clamp(0, 1), photo)}
        for name, (start, end) in ends.items():
            found[name].append(
                curves(lambda x: view(x).softmax(1), start, end, label, orders, how.steps, how.batch_size)
            )
    return {name: np.stack(rows, axis=1) for name, rows in found.items()}


def areas_of(found: dict[str, NDArray[np.float64]]) -> dict[str, NDArray[np.float64]]:
    """Areas under `score_curves`, each (M, N), and ``faithfulness``, insertion minus deletion (Zhang et al. 2021)."""
    values: dict[str, Any] = {
        name: np.stack([areas(of_map) for of_map in scores]) for name, scores in found.items()
    }
    return values | {"faithfulness": values["insertion"] - values["deletion"]}
