"""An embedded sample for anomaly detection: two categories in the layout of MVTec AD, drawn by a seeded generator.

``fabric`` is a plain weave whose threads lie anywhere (a texture), ``board`` a chip on a printed board that lies where it
always lies (an object). Pictures of both vary in light, colour, noise and position, as real ones do, and some defects
are faint against that. A mask is exact: the pixels that the defect changed, by comparison with the same picture
without it, holes filled. Nothing is known of the best score that is possible; only that faint defects keep it below 1.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from etudes.forms.raw import RawFolder
from etudes.samples.textures_categories import CATEGORIES, Floats, Grid, each

Pixels = NDArray[np.uint8]
Mask = NDArray[np.bool_]

PARTS = ("images",)
NOISE = 0.025  # standard deviation of a pixel's noise, intensities in 0..1
VISIBLE = 0.03  # a pixel belongs to a defect if an intensity differs by more: about the noise
GOOD = "good"


@dataclass(frozen=True)
class Drawn:
    """N pictures of one category: (N, S, S, 3) uint8 with their defect and without, and the masks (N, S, S)."""

    pixels: Pixels
    without: Pixels
    masks: Mask


def raw_file(part: str, size: int, train: int, good: int, defective: int, seed: int) -> RawFolder:
    """``<category>/train/good``, ``test/<good or defect>`` and ``ground_truth/<defect>`` as PNG files in memory.

    Args:
        part: ``images``.
        size: pixels of a side, at least 48.
        train: good training pictures of a category, at least 2.
        good: good test pictures of a category, at least 1.
        defective: test pictures of each kind of defect, at least 1.
        seed: decides every draw.

    Raises:
        ValueError: an unknown part, or a number out of its range.
    """
    from etudes.forms.pictures import png_bytes

    if part not in PARTS:
        raise ValueError(f"part = '{part}', expected {PARTS[0]}")
    if size < 48 or train < 2 or good < 1 or defective < 1:
        raise ValueError(
            f"size = {size}, train = {train}, good = {good}, defective = {defective}; expected at least 48, 2, 1 and 1"
        )
    entries: dict[str, bytes] = {}
    for number, (category, (_, defects)) in enumerate(CATEGORIES.items()):
        generator = np.random.default_rng([seed, number])
        wanted = [("train", GOOD, train), ("test", GOOD, good)]
        wanted += [("test", kind, defective) for kind in defects]
        for folder, kind, count in wanted:
            drawn = draw(category, kind, count, size, generator)
            for index in range(count):
                name = f"{category}/{folder}/{kind}/{index:03d}.png"
                entries[name] = png_bytes(drawn.pixels[index])
                if kind != GOOD:
                    mask = (drawn.masks[index] * 255).astype(np.uint8)
                    entries[f"{category}/ground_truth/{kind}/{index:03d}_mask.png"] = png_bytes(mask)
    name = f"embedded sample of textures (seed {seed})"
    return RawFolder(name, entries, {"embedded_sample": True, "source": "embedded sample"})


def draw(category: str, kind: str, count: int, size: int, generator: np.random.Generator) -> Drawn:
    """``count`` pictures of one category with a defect of one kind, or ``good``.

    Raises:
        ValueError: an unknown category or kind.
    """
    from scipy.ndimage import binary_fill_holes

    if category not in CATEGORIES:
        raise ValueError(f"category = '{category}', expected one of {', '.join(CATEGORIES)}")
    make, defects = CATEGORIES[category]
    if kind != GOOD and kind not in defects:
        raise ValueError(f"{category}: kind = '{kind}', expected good or one of {', '.join(defects)}")
    clean, changed = make(kind, count, Grid(size), generator)
    different = np.abs(changed - clean).max(-1) > VISIBLE
    masks = np.stack([binary_fill_holes(mask) for mask in different])
    nuisance = _light(count, Grid(size), generator)
    noise = generator.normal(0.0, NOISE, clean.shape)
    pixels, without = ((picture * nuisance + noise).clip(0, 1) for picture in (changed, clean))
    return Drawn(_eight_bit(pixels), _eight_bit(without), masks)


def _light(count: int, grid: Grid, generator: np.random.Generator) -> Floats:
    """Light whose brightness and tint differ between pictures and that falls across each: (N, S, S, 3)."""
    level = each(generator, 0.85, 1.15, count)
    slope_x, slope_y = (each(generator, -0.2, 0.2, count) for _ in range(2))
    tint = generator.uniform(0.95, 1.05, (count, 1, 1, 3))
    return (level + slope_x * (grid.x - 0.5) + slope_y * (grid.y - 0.5))[..., None] * tint


def _eight_bit(intensities: Floats) -> Pixels:
    return np.round(intensities * 255).astype(np.uint8)
