"""The strip itself: geometry, pasting, rounding, files."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from etudes.examples import Examples
from etudes.pipelines.adversarial_strip.strip import Strip, Strips, paste, strip_rows, to_uint8

CARD = {"target": 2, "target_name": "shark", "network": "cnn", "network_fingerprint": "cafe"}


def noise(rows: int, draws: int = 1, side: int = 16) -> np.ndarray:
    return np.random.default_rng(1).integers(0, 256, size=(draws, rows, side, 3), dtype=np.uint8)


def test_a_tenth_of_224_rows_are_22() -> None:
    assert strip_rows(0.1, 224) == 22
    assert strip_rows(0.05, 224) == 11


@pytest.mark.parametrize("height", [0.01, 0.99])
def test_a_strip_of_no_rows_or_of_all_is_refused(height: float) -> None:
    with pytest.raises(ValueError, match="expected 1 to 15 rows"):
        strip_rows(height, 16)


@pytest.mark.parametrize("top", [0, 5, 12])
def test_only_the_rows_of_the_strip_differ(photos: Callable[..., Examples], top: int) -> None:
    pixels, strip = photos(6)["pixels"], noise(4)[0]
    before = pixels.copy()
    patched = paste(pixels, strip, top)
    assert np.array_equal(pixels, before), "the photos themselves are left alone"
    assert (patched[:, top : top + 4] == strip).all()
    outside = np.delete(np.arange(16), np.arange(top, top + 4))
    assert np.array_equal(patched[:, outside], before[:, outside])


def test_pasting_refuses_what_does_not_fit(photos: Callable[..., Examples]) -> None:
    pixels = photos(2)["pixels"]
    with pytest.raises(ValueError, match="rounded to uint8"):
        paste(pixels, noise(4)[0] / 255)
    with pytest.raises(ValueError, match="same width"):
        paste(pixels, noise(4, side=8)[0])
    with pytest.raises(ValueError, match="leaves photos of 16 rows"):
        paste(pixels, noise(4)[0], 13)


def test_rounding_keeps_pixels_in_range_and_within_half_a_step() -> None:
    values = np.random.default_rng(0).random((4, 16, 3)).astype(np.float32)
    rounded = to_uint8(values)
    assert np.abs(rounded / 255 - values).max() <= 0.5 / 255 + 1e-6
    assert to_uint8(np.array([[[0.0, 0.5, 1.0]]])).tolist() == [[[0, 128, 255]]]


@pytest.mark.parametrize("wrong", [-0.01, 1.01, np.nan])
def test_a_strip_that_is_no_picture_is_refused(wrong: float) -> None:
    with pytest.raises(ValueError, match=r"outside 0\.\.1"):
        to_uint8(np.array([[[wrong, 0.5, 0.5]]]))


def test_strips_survive_saving(reloaded: Callable[[Any], Any]) -> None:
    strip = Strip(noise(4, draws=3), CARD)
    again = reloaded(strip)
    assert np.array_equal(again.pixels, strip.pixels) and again.pixels.dtype == np.uint8
    assert again.card == CARD and again.rows == 4
    several = reloaded(Strips({"0.1": strip, "0.05": Strip(noise(2), CARD)}))
    assert list(several.strips) == ["0.1", "0.05"] and several.strips["0.05"].rows == 2
    assert reloaded(Strips({})).strips == {}


def test_a_strip_of_another_shape_is_refused() -> None:
    with pytest.raises(ValueError, match=r"expected \(draws, h, W, 3\), uint8"):
        Strip(noise(4)[0], CARD)
