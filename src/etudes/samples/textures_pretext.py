"""Generated textures of several families, for a network to learn what textures are made of.

The families are not those of `etudes.samples.textures`: there is no weave and no board among them. Colour, contrast,
scale, phase and light are drawn without regard to the family, so that only structure tells them apart.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]
BLOCK = 256  # pictures that are drawn at once

FAMILIES = (
    "horizontal",
    "vertical",
    "rising",
    "falling",
    "checks",
    "dots",
    "rings",
    "bricks",
    "crosses",
    "coarse_noise",
    "fine_noise",
    "edge",
)


def texture_crops(n: int, size: int, seed: int) -> tuple[NDArray[np.uint8], NDArray[np.int64]]:
    """Draw ``n`` textures in random order, each family as often as any other (within one).

    Args:
        n: number of pictures, at least one of each family.
        size: pixels of a side.
        seed: decides every draw.

    Returns:
        Pixels (n, size, size, 3), uint8, and the index of each picture's family (n,).

    Raises:
        ValueError: ``n`` is smaller than the number of families.
    """
    if n < len(FAMILIES):
        raise ValueError(f"n = {n}, expected at least {len(FAMILIES)}, one picture of each family")
    generator = np.random.default_rng(seed)
    labels = generator.permutation(np.arange(n) % len(FAMILIES))
    pattern = np.empty((n, size, size), dtype=np.float32)
    for label, family in enumerate(FAMILIES):
        members = np.flatnonzero(labels == label)
        pattern[members] = _pattern(family, len(members), size, generator)
    pixels = np.empty((n, size, size, 3), dtype=np.uint8)
    for start in range(0, n, BLOCK):
        pixels[start : start + BLOCK] = _coloured(pattern[start : start + BLOCK], generator)
    return pixels, labels.astype(np.int64)


def _coloured(pattern: NDArray[np.float32], generator: np.random.Generator) -> NDArray[np.uint8]:
    """Patterns (n, S, S) in 0..1 between two colours each, in slanting light, with noise: (n, S, S, 3)."""
    n, size, _ = pattern.shape
    dark, light = generator.uniform(0.0, 0.6, (n, 1, 1, 3)), generator.uniform(0.4, 1.0, (n, 1, 1, 3))
    swap = generator.random((n, 1, 1, 1)) < 0.5
    first, second = np.where(swap, light, dark), np.where(swap, dark, light)
    pictures = first + pattern[..., None] * (second - first)
    at = np.linspace(-0.5, 0.5, size)
    slopes = generator.uniform(-0.3, 0.3, (2, n, 1, 1))
    pictures *= (1 + slopes[0] * at[None, :, None] + slopes[1] * at[None, None, :])[..., None]
    pictures += generator.normal(0.0, generator.uniform(0.0, 0.06, (n, 1, 1, 1)), pictures.shape)
    return np.round(pictures.clip(0, 1) * 255).astype(np.uint8)


def _pattern(family: str, count: int, size: int, generator: np.random.Generator) -> Floats:
    """Patterns (count, size, size) in 0..1."""
    period = generator.uniform(5.0, 14.0, (count, 1, 1))
    at = np.arange(size, dtype=np.float64)
    x, y = at[None, None, :], at[None, :, None]
    u, v = ((axis + generator.uniform(0, 64, (count, 1, 1))) / period for axis in (x, y))
    turn = generator.normal(0.0, 0.12, (count, 1, 1))
    angles = {"vertical": 0.0, "rising": np.pi / 4, "horizontal": np.pi / 2, "falling": -np.pi / 4}
    if family in angles:
        along = u * np.cos(angles[family] + turn) + v * np.sin(angles[family] + turn)
        return _wave(along)
    if family == "checks":
        return ((np.floor(u) + np.floor(v)) % 2).astype(np.float64)
    if family == "dots":
        return (np.hypot(u % 1 - 0.5, v % 1 - 0.5) < 0.3).astype(np.float64)
    if family == "rings":
        centre = generator.uniform(0.2, 0.8, (2, count, 1, 1)) * size
        return _wave(np.hypot(x - centre[0], y - centre[1]) / period)
    if family == "bricks":
        row = np.floor(v)
        return ((v % 1 > 0.18) & ((u / 2 + 0.5 * (row % 2)) % 1 > 0.1)).astype(np.float64)
    if family == "crosses":
        return 0.5 * (_wave(u + v) + _wave(u - v))
    if family == "edge":
        angle = generator.uniform(0, np.pi, (count, 1, 1))
        offset = generator.uniform(-0.2, 0.2, (count, 1, 1)) * size
        side = (x - size / 2) * np.cos(angle) + (y - size / 2) * np.sin(angle) + offset
        return (side > 0).astype(np.float64)
    return _noise(count, size, 5.0 if family == "coarse_noise" else 1.5, generator)


def _wave(phase: Floats) -> Floats:
    return 0.5 + 0.5 * np.sin(2 * np.pi * phase)


def _noise(count: int, size: int, length: float, generator: np.random.Generator) -> Floats:
    """Noise with a correlation length in pixels, scaled to 0..1, made on a torus."""
    frequency = np.hypot(np.fft.fftfreq(size)[:, None], np.fft.rfftfreq(size)[None])
    spectrum = np.fft.rfft2(generator.normal(size=(count, size, size)))
    smooth = np.fft.irfft2(spectrum * np.exp(-2 * (np.pi * frequency * length) ** 2), s=(size, size))
    deviation = smooth.std(axis=(1, 2), keepdims=True)
    return (0.5 + 0.25 * smooth / deviation).clip(0, 1)
