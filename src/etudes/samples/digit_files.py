"""scikit-learn's digits in the form of MNIST's files, so that one parser serves both.

1,797 pictures of 8 x 8 pixels with 17 grey values, by 43 writers (Alpaydin and Kaynak 1998), embedded in
scikit-learn. They are enlarged without new detail: the networks of the studies halve a side twice, and a side of 8
would leave them 2 x 2 pixels.
"""

from __future__ import annotations

from functools import cache

import numpy as np
from numpy.typing import NDArray

from etudes.forms.idx import idx_bytes
from etudes.forms.raw import RawFile

PARTS = ("train_images", "train_labels", "test_images", "test_labels")
BRIGHTEST = 16  # grey value of scikit-learn's pictures


def raw_file(part: str, n_train: int, n_test: int, side: int, seed: int) -> RawFile:
    """One of the four files: training or test, pictures or labels.

    Args:
        part: ``train_images``, ``train_labels``, ``test_images`` or ``test_labels``.
        n_train, n_test: pictures of the parts, drawn without replacement and the digits in equal shares as far as
            they go.
        side: of a picture after enlarging (cubic), in pixels: a multiple of 8.
        seed: decides which pictures go to which part.

    Raises:
        ValueError: an unknown part, more pictures than there are, a side that is no multiple of 8.
    """
    if part not in PARTS:
        raise ValueError(f"part = '{part}', expected one of {', '.join(PARTS)}")
    pixels, labels = _digits(side)
    if n_train < 1 or n_test < 1 or n_train + n_test > len(labels):
        raise ValueError(
            f"n_train + n_test = {n_train} + {n_test}; expected at least 1 each and {len(labels):,} in all"
        )
    order = _mixed(labels, seed)
    chosen = order[:n_test] if part.startswith("test") else order[n_test : n_test + n_train]
    name = f"embedded sample of scikit-learn's digits (seed {seed}), {part.replace('_', ' ')}"
    facts = {"embedded_sample": True, "source": "embedded sample: scikit-learn's digits"}
    return RawFile(name, idx_bytes((pixels if part.endswith("images") else labels)[chosen]), facts)


@cache
def _digits(side: int) -> tuple[NDArray[np.uint8], NDArray[np.uint8]]:
    """All pictures (1797, side, side) and their labels (1797,)."""
    from PIL import Image
    from sklearn.datasets import load_digits

    if side < 8 or side % 8:
        raise ValueError(f"side = {side}, expected a multiple of 8")
    digits = load_digits()
    small = np.round(digits.images * (255 / BRIGHTEST)).astype(np.uint8)
    resized = [Image.fromarray(picture).resize((side, side), Image.Resampling.BICUBIC) for picture in small]
    return np.stack([np.asarray(picture) for picture in resized]), digits.target.astype(np.uint8)


def _mixed(labels: NDArray[np.uint8], seed: int) -> NDArray[np.int64]:
    """All positions in a seeded order in which every ten neighbours are, as far as they go, ten digits."""
    generator = np.random.default_rng(seed)
    rank = np.empty(len(labels))
    for digit in range(10):
        rows = np.flatnonzero(labels == digit)
        rank[generator.permutation(rows)] = np.arange(len(rows))
    return np.lexsort((generator.random(len(labels)), rank))
