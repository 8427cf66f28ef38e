"""The strip itself: geometry and pasting."""

from __future__ import annotations

import numpy as np
import pytest

from attack_toys import photos
from etudes.pipelines.adversarial_strip.strip import paste, strip_rows


def noise(rows: int, side: int = 16) -> np.ndarray:
    return np.random.default_rng(1).integers(0, 256, size=(rows, side, 3), dtype=np.uint8)


def test_a_tenth_of_224_rows_are_22_and_no_rows_or_all_are_refused() -> None:
    assert strip_rows(0.1, 224) == 22 and strip_rows(0.05, 224) == 11
    for height in (0.01, 0.99):
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
    for wrong in ((noise(4) / 255).astype(np.float32), noise(4, side=8)):
        with pytest.raises(ValueError, match="with the same width, both rounded to uint8"):
            paste(pixels, wrong)  # type: ignore[arg-type]
    with pytest.raises(ValueError, match="leaves photos of 16 rows"):
        paste(pixels, noise(4), 13)
