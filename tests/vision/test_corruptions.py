"""Corruptions do what their names say, the more the severer."""

from __future__ import annotations

import io

import numpy as np
import pytest
from PIL import Image

from etudes.vision.corruptions import AMOUNTS, SEVERITIES, corrupted

Y, X = np.mgrid[:32, :32]
WAVES = np.stack([128 + 90 * np.sin(X / 3), 128 + 90 * np.sin(Y / 4), 128 + 60 * np.sin((X + Y) / 5)], axis=2)
PIXELS = np.stack([WAVES, WAVES[::-1]]).astype(np.uint8)


@pytest.mark.parametrize("kind", AMOUNTS)
def test_a_severer_corruption_is_further_from_the_picture(kind: str) -> None:
    errors = []
    for severity in SEVERITIES:
        found = corrupted(PIXELS, kind, severity, seed=0)
        assert found.shape == PIXELS.shape and found.dtype == np.uint8
        errors.append(np.abs(found.astype(float) - PIXELS).mean())
    assert 0 < errors[0] < errors[2] < errors[4]


def test_noise_has_its_deviation_and_follows_from_its_seed() -> None:
    grey = np.full((4, 32, 32, 3), 128, np.uint8)
    found = corrupted(grey, "noise", 5, seed=1)
    assert found.std() == pytest.approx(25.5, rel=0.05) and found.mean() == pytest.approx(128, abs=1)
    np.testing.assert_array_equal(found, corrupted(grey, "noise", 5, seed=1))
    assert (found != corrupted(grey, "noise", 5, seed=2)).any()
    assert (found[0] != found[1]).any(), "a picture has noise of its own"


def test_contrast_keeps_the_mean_of_each_colour_and_shrinks_the_rest() -> None:
    found = corrupted(PIXELS, "contrast", 4, seed=0).astype(float)
    np.testing.assert_allclose(found.mean((1, 2)), PIXELS.mean((1, 2)), atol=0.5)
    np.testing.assert_allclose(found.std((1, 2)), 0.3 * PIXELS.std((1, 2)), rtol=0.03)


def test_blur_is_of_every_picture_and_colour_alone() -> None:
    dot = np.zeros((2, 9, 9, 3), np.uint8)
    dot[0, 4, 4, 1] = 255
    found = corrupted(dot, "blur", 5, seed=0)
    assert found[0, 4, 3, 1] == found[0, 5, 4, 1] > 0 and not found[1].any() and not found[..., 0].any()


def test_pixels_become_boxes_and_jpeg_is_jpeg() -> None:
    found = corrupted(PIXELS, "pixelate", 5, seed=0)
    assert len({tuple(row) for row in found[0, :, :, 0]}) <= 20  # 0.65 * 32 rows
    buffer = io.BytesIO()
    Image.fromarray(PIXELS[1]).save(buffer, "JPEG", quality=58)
    np.testing.assert_array_equal(corrupted(PIXELS, "jpeg", 3, seed=0)[1], np.asarray(Image.open(buffer)))


def test_what_is_no_corruption_or_no_picture_is_refused() -> None:
    for kind, severity in (("rain", 1), ("noise", 0), ("noise", 6)):
        with pytest.raises(ValueError, match=f"corruption '{kind}' of severity {severity}; expected one of"):
            corrupted(PIXELS, kind, severity, seed=0)
    with pytest.raises(ValueError, match=r"expected pixels \(N, H, W, 3\)"):
        corrupted(PIXELS[0], "noise", 1, seed=0)
