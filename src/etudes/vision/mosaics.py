"""Four photos in one picture, of which one shows what is asked about (Böhle et al. 2021, arXiv:2104.00032)."""

from __future__ import annotations

import numpy as np
import torch
from numpy.typing import NDArray
from torch import nn

from etudes.vision.victims import intensities, to_uint8

Pixels = NDArray[np.uint8]


def shrunk(pixels: Pixels, side: int, device: torch.device | str = "cpu") -> Pixels:
    """Photos (N, H, W, 3) of a side, bilinear with antialiasing."""
    if pixels.shape[1] == side:
        return pixels
    found = nn.functional.interpolate(
        intensities(pixels, device), (side, side), mode="bilinear", antialias=True
    )
    return to_uint8(found.clamp(0, 1).permute(0, 2, 3, 1).cpu().numpy())


def mosaics(
    photos: Pixels, labels: NDArray[np.int64], asked: NDArray[np.intp], generator: np.random.Generator
) -> tuple[Pixels, NDArray[np.bool_]]:
    """Each of some photos with three others of other classes, in the four quarters in turn.

    Args:
        photos: (N, s, s, 3).
        labels: (N,) their classes.
        asked: (M,) which of them.
        generator: of the others.

    Returns:
        Pictures (M, 2 s, 2 s, 3), and where in each the photo is that is asked about, (M, 2 s, 2 s).

    Raises:
        ValueError: all photos are of one class.
    """
    side, pictures, inside = photos.shape[1], [], []
    for number, place in enumerate(asked):
        others = np.flatnonzero(labels != labels[place])
        if not len(others):
            raise ValueError(
                f"all {len(labels)} photos are of class {labels[place]}; expected some of other classes to show beside it"
            )
        around = list(generator.choice(others, 3, replace=len(others) < 3))
        around.insert(number % 4, place)
        top, bottom = (np.concatenate(photos[around[start : start + 2]], axis=1) for start in (0, 2))
        pictures.append(np.concatenate([top, bottom]))
        quarter = np.zeros((2, 2), dtype=bool)
        quarter[divmod(number % 4, 2)] = True
        inside.append(quarter.repeat(side, 0).repeat(side, 1))
    return np.stack(pictures), np.stack(inside)
