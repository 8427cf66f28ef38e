"""An embedded sample of leaves: four classes of pictures by a seeded generator, near-duplicates among them.

A picture shows one large leaf or a plant of several small ones on brown soil, fresh or with spots. Place, turn, light, colour
and sharpness vary, spots may be faint or few, soil holds pale crumbs that look like spots, and a share of the pictures are altered
copies of others, as collections of field photographs have them. Nothing is known of the best score that is possible; only that the
faintest spots keep it below 1.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from etudes.forms.raw import RawFolder

PARTS = ("photographs",)
CLASSES = ("diseased leaf", "diseased plant", "fresh leaf", "fresh plant")
NOISE = 6.0  # standard deviation of the camera's noise, bytes
COPIES = 0.1  # share of pictures that are an altered copy of the one before


def raw_file(part: str, count: int, side: int, seed: int) -> RawFolder:
    """``train/<class>/<number>.png`` as PNG files in memory, ``count`` of each class.

    Args:
        part: ``photographs``.
        count: pictures of each class, at least 4.
        side: pixels of a side, at least 16.
        seed: decides every draw.

    Raises:
        ValueError: an unknown part, or a number out of its range.
    """
    from etudes.forms.pictures import png_bytes

    if part not in PARTS:
        raise ValueError(f"part = '{part}', expected {PARTS[0]}")
    if count < 4 or side < 16:
        raise ValueError(f"count = {count}, side = {side}; expected at least 4 and 16")
    entries: dict[str, bytes] = {}
    for place, name in enumerate(CLASSES):
        generator = np.random.default_rng([seed, place])
        pixels = photograph(name, side, generator)
        for number in range(count):
            if number and generator.random() < COPIES:
                pixels = altered(pixels, generator)
            else:
                pixels = photograph(name, side, generator)
            entries[f"train/{name}/{number:04d}.png"] = png_bytes(pixels)
    name = f"embedded sample of drawn leaves (seed {seed})"
    return RawFolder(name, entries, {"embedded_sample": True, "source": "embedded sample of drawn leaves"})


def photograph(name: str, side: int, generator: np.random.Generator) -> NDArray[np.uint8]:
    """One picture (side, side, 3) of a class."""
    y, x = (np.mgrid[:side, :side] + 0.5) / side
    soil = np.array([118, 92, 66]) * generator.uniform(0.6, 1.3)
    picture = np.broadcast_to(soil, (side, side, 3)).copy()
    for _ in range(generator.integers(0, 12)):
        _paint(
            picture,
            (x - generator.random()) ** 2 + (y - generator.random()) ** 2
            < generator.uniform(0.01, 0.03) ** 2,
            200,
        )
    diseased, plant = name.startswith("diseased"), name.endswith("plant")
    green = generator.uniform((40, 95, 25), (110, 190, 90))
    sick = generator.integers(0, 9, endpoint=True) if plant else 0
    for number in range(generator.integers(5, 10) if plant else 1):
        centre = generator.uniform(0.2, 0.8, 2) if plant else generator.uniform(0.4, 0.6, 2)
        size = generator.uniform(0.12, 0.26) if plant else generator.uniform(0.25, 0.45)
        angle, width = generator.uniform(0, 2 * np.pi), generator.uniform(0.55, 0.9)
        u = ((x - centre[0]) * np.cos(angle) + (y - centre[1]) * np.sin(angle)) / size
        v = ((y - centre[1]) * np.cos(angle) - (x - centre[0]) * np.sin(angle)) / (size * width)
        inside = u**2 + v**2 * (1.3 + u) < 1
        shade = (1 - 0.25 * np.abs(v) + 0.1 * u).clip(0.3, 1.3)
        picture[inside] = (green * generator.uniform(0.85, 1.15) * shade[..., None])[inside]
        if diseased and (not plant or number % 2 == sick % 2):
            strength = generator.uniform(0.15, 1.0)
            for _ in range(generator.integers(2, 8)):
                where = generator.uniform(-0.7, 0.7, 2)
                spot = (u - where[0]) ** 2 + (v - where[1]) ** 2 < generator.uniform(0.1, 0.3) ** 2
                _paint(picture, spot & inside, 215, strength)
    light = generator.uniform(0.7, 1.25) + generator.uniform(-0.25, 0.25) * (x - 0.5)
    noise = generator.normal(0, NOISE, picture.shape)
    return np.round(picture * light[..., None] + noise).clip(0, 255).astype(np.uint8)


def altered(pixels: NDArray[np.uint8], generator: np.random.Generator) -> NDArray[np.uint8]:
    """A near-duplicate: turned by quarters, perhaps mirrored, in another light, with noise of its own."""
    turned = np.rot90(pixels, int(generator.integers(4)))[:, :: generator.choice([1, -1])]
    noise = generator.normal(0, NOISE / 2, pixels.shape)
    return np.round(turned * generator.uniform(0.9, 1.1) + noise).clip(0, 255).astype(np.uint8)


def _paint(
    picture: NDArray[np.float64], where: NDArray[np.bool_], level: float, strength: float = 1.0
) -> None:
    picture[where] = (1 - strength) * picture[where] + strength * np.array(
        [level, level * 0.95, level * 0.75]
    )
