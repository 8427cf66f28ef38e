"""The strip itself: geometry, pasting, rounding."""

from __future__ import annotations

import numpy as np
import pytest

from attack_toys import photos
from etudes.pipelines.adversarial_strip.strip import paste, strip_rows, to_uint8


def noise(rows: int, side: int = 16) -> np.ndarray:
    return np.random.default_rng(1).integers(0, 256, size=(rows, side, 3), dtype=np.uint8)


def test_a_tenth_of_224_rows_are_22() -> None:
    assert strip_rows(0.1, 224) == 22
    assert strip_rows(0.05, 224) == 11


@pytest.mark.parametrize("height", [0.01, 0.99])
def test_a_strip_of_no_rows_or_of_all_is_refused(height: float) -> None:
    with pytest.raises(ValueError, match="expected 1 to 15 rows"):
        strip_rows(height, 16)


@pytest.mark.parametrize("top", [0, 5, 12])
def test_only_the_rows_of_the_strip_differ(top: int) -> None:
    pixels, strip = photos(6)["pixels"], noise(4)
    before = pixels.copy()
    patched = paste(pixels, strip, top)
    assert np.array_equal(pixels, before), "the photos themselves are left alone"
    assert (patched[:, top : top + 4] == strip).all()
    outside = np.delete(np.arange(16), np.arange(top, top + 4))
    assert np.array_equal(patched[:, outside], before[:, outside])


def test_pasting_refuses_what_does_not_fit() -> None:
    pixels = photos(2)["pixels"]
    for wrong in (noise(4) / 255, noise(4, side=8)):
        with pytest.raises(ValueError, match="with the same width, both rounded to uint8"):
            paste(pixels, wrong)
    with pytest.raises(ValueError, match="leaves photos of 16 rows"):
        paste(pixels, noise(4), 13)


def test_rounding_keeps_pixels_in_range_and_within_half_a_step() -> None:
    values = np.random.default_rng(0).random((4, 16, 3)).astype(np.float32)
    assert np.abs(to_uint8(values) / 255 - values).max() <= 0.5 / 255 + 1e-6
    assert to_uint8(np.array([[[0.0, 0.5, 1.0]]])).tolist() == [[[0, 128, 255]]]


@pytest.mark.parametrize("wrong", [-0.01, 1.01, np.nan])
def test_a_strip_that_is_no_picture_is_refused(wrong: float) -> None:
    with pytest.raises(ValueError, match=r"outside 0\.\.1"):
        to_uint8(np.array([[[wrong, 0.5, 0.5]]]))
