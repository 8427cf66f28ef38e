"""The strip: how large it is, how it is pasted and how it is kept. Needs numpy alone."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from etudes.models import register_model
from etudes.stored import Stored

Pixels = NDArray[np.uint8]


def strip_rows(height: float, side: int) -> int:
    """Rows of a strip that covers the share ``height`` of photos with ``side`` rows: the nearest whole number.

    Raises:
        ValueError: not a single row, or no row of the photo is left.
    """
    rows = round(height * side)
    if not 1 <= rows < side:
        raise ValueError(
            f"a strip of {height:g} of the height is {rows} of {side} rows; expected 1 to {side - 1} rows. "
            "Change attack.height or sweep.heights, or show larger photos."
        )
    return rows


def paste(photos: Pixels, strip: Pixels, top: int = 0) -> Pixels:
    """Photos (N, H, W, 3) with the strip (h, W, 3) over the rows ``top`` .. ``top + h - 1``; all uint8, copied.

    Raises:
        ValueError: another type or shape, or a strip that leaves the photo.
    """
    if {photos.dtype, strip.dtype} != {np.dtype(np.uint8)} or photos.shape[2:] != strip.shape[1:]:
        raise ValueError(
            f"a strip of shape {strip.shape} and type {strip.dtype} does not fit photos of shape {photos.shape} and type "
            f"{photos.dtype}; expected (h, W, 3) and (N, H, W, 3) with the same width, both rounded to uint8"
        )
    if top < 0 or top + len(strip) > photos.shape[1]:
        raise ValueError(f"a strip of {len(strip)} rows at row {top} leaves photos of {photos.shape[1]} rows")
    patched = np.array(photos)
    patched[:, top : top + len(strip)] = strip
    return patched


@register_model("adversarial_strip.strips")
@dataclass
class Strips(Stored):
    """Strips by name, each (draws, h, W, 3), uint8: one for each height, or for each network; of a variant one alone.

    There is one draw where a strip was learned, several where it was drawn. ``card`` says what the strips are for:
    ``target`` (class index), and of a variant ``network`` and ``network_fingerprint``.
    """

    pixels: dict[str, Pixels]
    card: dict[str, Any]

    @property
    def draws(self) -> Pixels:
        """The draws of the only strip."""
        (pixels,) = self.pixels.values()
        return pixels

    def attacked(self, photos: Pixels) -> Pixels:
        """Photos (N, H, W, 3) under the first draw."""
        return paste(photos, self.draws[0])
