"""Which photographs are copies of each other? Perceptual hashes that turning and mirroring do not change."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

GRID = 9  # cells of a side: 8 differences in each row and in each column of eight
BITS = 128


def difference_hash(pixels: NDArray[np.uint8]) -> NDArray[np.bool_]:
    """Whether brightness rises from cell to cell of a 9 x 9 grid, to the right and downwards: (128,).

    The difference hash (Krawetz 2013) in both directions. Size, light and compression hardly change it.

    Args:
        pixels: (H, W, 3), uint8.
    """
    from PIL import Image

    grey = Image.fromarray(pixels).convert("L").resize((GRID, GRID), Image.Resampling.BOX)
    return _bits(np.asarray(grey, dtype=np.int64))


def _bits(grid: NDArray[np.int64]) -> NDArray[np.bool_]:
    right, down = grid[:-1, 1:] > grid[:-1, :-1], grid[1:, :-1] > grid[:-1, :-1]
    return np.concatenate([right.ravel(), down.ravel()])


def hash_distances(pictures: Sequence[NDArray[np.uint8]]) -> NDArray[np.int64]:
    """Bits (N, N) in which the hashes of N pictures differ, the least over the eight ways to turn and mirror the one.

    Args:
        pictures: (H, W, 3) each, uint8; sizes may differ.
    """
    plain = np.stack([difference_hash(picture) for picture in pictures]).astype(np.int64)
    least = np.full((len(pictures), len(pictures)), BITS)
    for quarters in range(4):
        for mirrored in (False, True):
            turned = [np.rot90(picture, quarters) for picture in pictures]
            turned = [np.ascontiguousarray(t[:, ::-1] if mirrored else t) for t in turned]
            other = np.stack([difference_hash(picture) for picture in turned]).astype(np.int64)
            least = np.minimum(least, plain @ (1 - other).T + (1 - plain) @ other.T)
    return np.minimum(least, least.T)  # cells of a side that nine does not divide are cut a little otherwise


def near_duplicates(pictures: Sequence[NDArray[np.uint8]], bits: int) -> NDArray[np.int64]:
    """The group (N,) of each picture: pictures whose hashes differ in at most ``bits`` of 128 are one, and so are theirs.

    Unlike pictures differ in about half of the bits. A group is called after its first picture's place.
    """
    close = hash_distances(pictures) <= bits
    group = np.arange(len(pictures))
    while True:  # each takes the least name among those close to it, until none changes
        least = np.where(close, group, len(group)).min(axis=1)
        if (least == group).all():
            return group
        group = least
