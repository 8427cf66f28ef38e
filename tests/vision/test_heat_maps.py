"""Heat maps: blurred as scipy does, drawn on the scale of the threshold."""

from __future__ import annotations

import numpy as np
import torch
from scipy.ndimage import gaussian_filter

from etudes.vision.heat_maps import blurred, cut_out, heat_maps, outlined, overlay, overlay_of_ranks


def test_blur_is_that_of_scipy() -> None:
    maps = torch.rand(2, 40, 40)
    for sigma in (1.0, 2.5):
        expected = [gaussian_filter(one, sigma, mode="mirror", truncate=4.0) for one in maps.numpy()]
        np.testing.assert_allclose(blurred(maps, sigma).numpy(), np.stack(expected), atol=1e-5)


def test_a_heat_map_has_the_size_of_the_picture_and_keeps_a_constant() -> None:
    maps = heat_maps(torch.full((2, 7, 7), 3.0), 50, 2.0)
    torch.testing.assert_close(maps, torch.full((2, 50, 50), 3.0))


def test_a_picture_below_half_of_the_threshold_stays_clear() -> None:
    pixels = np.full((8, 8, 3), 90, dtype=np.uint8)
    heat = np.full((8, 8), 0.5)
    heat[2:4, 2:4] = 4.0
    drawn = overlay(pixels, heat, threshold=1.0)
    assert (drawn[5:] == 90).all() and (drawn[2, 2] != 90).any()
    most, twice = (overlay(pixels, np.full((8, 8), value), 1.0) for value in (50.0, 2.0))
    assert np.array_equal(most, twice)


def test_an_outline_lies_on_the_border_and_a_cut_out_keeps_the_inside() -> None:
    pixels = np.full((20, 20, 3), 90, dtype=np.uint8)
    mask = np.zeros((20, 20), dtype=bool)
    mask[3:15, 3:15] = True
    line = outlined(pixels, mask)
    assert (line[3:5, 3:15] == 255).all() and (line[8, 8] == 90).all() and (line[2, 8] == 0).all()
    assert (outlined(pixels, np.zeros_like(mask)) == 90).all()
    cut = cut_out(pixels, mask)
    assert (cut[mask] == 90).all() and (cut[~mask] == 22).all()


def test_ranks_colour_the_highest_pixels_whatever_the_scale_of_the_map() -> None:
    pixels = np.full((10, 10, 3), 90, dtype=np.uint8)
    drawn = overlay_of_ranks(pixels, np.linspace(0, 1, 100).reshape(10, 10))
    changed = (drawn != 90).any(2)
    assert not changed[:7].any() and changed[8:].all() and drawn[9, 9].tolist() != drawn[8, 0].tolist()
