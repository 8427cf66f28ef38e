"""Near-duplicates: found however a copy was turned, lit or saved; unlike pictures stay apart."""

from __future__ import annotations

import io

import numpy as np
import pytest
from numpy.typing import NDArray

from etudes.vision.duplicates import BITS, difference_hash, hash_distances, near_duplicates

Pixels = NDArray[np.uint8]


def picture(seed: int, side: int = 72) -> Pixels:
    """Smooth colours in blocks of eight pixels."""
    blocks = np.random.default_rng(seed).integers(30, 220, (side // 8, side // 8, 3))
    return np.kron(blocks, np.ones((8, 8, 1))).astype(np.uint8)


def test_hash_is_the_rise_from_cell_to_cell() -> None:
    pixels = picture(0)
    grey = (pixels[::8, ::8] @ np.array([299, 587, 114])) / 1000  # one block a cell, ITU-R 601 luma
    right = grey[:-1, 1:] > grey[:-1, :-1]
    down = grey[1:, :-1] > grey[:-1, :-1]
    np.testing.assert_array_equal(difference_hash(pixels), np.concatenate([right.ravel(), down.ravel()]))


@pytest.mark.parametrize("quarters", range(4))
@pytest.mark.parametrize("mirrored", [False, True])
def test_a_copy_turned_mirrored_darkened_shrunk_and_compressed_is_found(
    quarters: int, mirrored: bool
) -> None:
    from PIL import Image

    copy = np.rot90(picture(1), quarters)[:, :: -1 if mirrored else 1]
    stream = io.BytesIO()
    Image.fromarray((copy * 0.8).astype(np.uint8)).resize((54, 54)).save(stream, "JPEG", quality=70)
    again = np.asarray(Image.open(stream))
    distances = hash_distances([picture(1), again, picture(2)])
    assert distances[0, 1] <= 12
    assert distances[0, 2] > 30
    np.testing.assert_array_equal(distances, distances.T)
    assert not distances.diagonal().any()


def test_unlike_pictures_differ_in_about_half_of_the_bits() -> None:
    distances = hash_distances([picture(seed) for seed in range(20)])[np.triu_indices(20, 1)]
    assert BITS * 0.3 < distances.mean() < BITS * 0.5  # the least of eight


def test_copies_of_copies_are_one_group_named_after_its_first() -> None:
    first, last = picture(3), picture(4)
    middle = np.where(
        np.arange(72)[:, None, None] < 36, first, last
    )  # near to both, which are far from each other
    near = hash_distances([first, middle, last])
    reach = int(max(near[0, 1], near[1, 2]))
    if near[0, 2] <= reach:
        raise AssertionError("the ends are near; choose other pictures")
    np.testing.assert_array_equal(near_duplicates([picture(9), first, last, middle], reach), [0, 1, 1, 1])
    np.testing.assert_array_equal(near_duplicates([first, last, middle], 0), [0, 1, 2])
