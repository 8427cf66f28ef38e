"""Real pictures that ship inside scikit-learn: 1,797 handwritten digits of 8 x 8 pixels.

Source: E. Alpaydin and C. Kaynak, "Optical Recognition of Handwritten Digits", UCI Machine Learning Repository (1998,
CC BY 4.0), its test part, as `sklearn.datasets.load_digits` gives it. Nothing is generated: a seed would change nothing.
"""

from __future__ import annotations

from functools import cache

import numpy as np
from numpy.typing import NDArray

from etudes.forms.raw import RawFolder

NAMES = ("zero", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine")
PARTS = ("pictures",)
INK = 16  # scikit-learn's value of the darkest pixel


@cache
def digits() -> tuple[NDArray[np.uint8], NDArray[np.int64]]:
    """All digits in scikit-learn's order: pixels (1797, 8, 8), uint8, ink bright on dark, and labels (1797,)."""
    from sklearn.datasets import load_digits

    bunch = load_digits()
    pixels = np.round(bunch.images * (255 / INK)).astype(np.uint8)
    labels = bunch.target.astype(np.int64)
    pixels.setflags(write=False)
    labels.setflags(write=False)
    return pixels, labels


def raw_file(part: str, n: int | None = None) -> RawFolder:
    """The digits as PNG files ``<label>_<name>_<number>.png``, so that one reader serves them and a folder of photos.

    Args:
        part: ``pictures``.
        n: take the first ``n``, in which the ten digits are about as frequent as in all; null takes all.

    Raises:
        ValueError: an unknown part, or more digits than there are.
    """
    from etudes.forms.pictures import png_bytes

    if part not in PARTS:
        raise ValueError(f"part = '{part}', expected one of {', '.join(PARTS)}")
    pixels, labels = digits()
    count = len(pixels) if n is None else n
    if not 1 <= count <= len(pixels):
        raise ValueError(f"n = {n}, expected 1 to {len(pixels):,} digits")
    entries = {
        f"{label}_{NAMES[label]}_{number:04d}.png": png_bytes(pixels[number])
        for number, label in enumerate(labels[:count])
    }
    facts = {"embedded_sample": True, "source": "scikit-learn's digits"}
    return RawFolder(f"embedded sample of {count:,} handwritten digits", entries, facts)
