"""An embedded sample of dishes on plates: six classes of pictures by a seeded generator, some of them under a wrong name.

Plate, table, light, place, size, turn and colours vary without regard to the class; dishes share colours, so that a mean colour does
not tell them. A share of the training pictures lies in the folder of another dish, as collections from the web have it; test pictures are
rightly named. Nothing is known of the best score that is possible, except that no picture hides its dish.
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray

from etudes.forms.raw import RawFolder

PARTS = ("photographs",)
CLASSES = ("cake", "dumplings", "noodles", "pancakes", "salad", "soup")
NOISE = 6.0  # standard deviation of the camera's noise, bytes
Floats = NDArray[np.float64]


def raw_file(part: str, train: int, test: int, side: int, wrong: float, seed: int) -> RawFolder:
    """``<train or test>/<class>/<number>.png`` as PNG files in memory.

    Args:
        part: ``photographs``.
        train, test: pictures of each class, at least 4.
        side: pixels of a side, at least 24.
        wrong: share of the training pictures that lie in the folder of another dish, below 1.
        seed: decides every draw.

    Raises:
        ValueError: an unknown part, or a number out of its range.
    """
    from etudes.forms.pictures import png_bytes

    if part not in PARTS:
        raise ValueError(f"part = '{part}', expected {PARTS[0]}")
    if min(train, test) < 4 or side < 24 or not 0 <= wrong < 1:
        raise ValueError(
            f"train = {train}, test = {test}, side = {side}, wrong = {wrong}; expected at least 4, 4, 24, and 0 <= wrong < 1"
        )
    entries: dict[str, bytes] = {}
    mistakes = 0
    for place, (name, count) in enumerate((("train", train), ("test", test))):
        for label, folder in enumerate(CLASSES):
            generator = np.random.default_rng([seed, place, label])
            mistaken = generator.permutation(count) < round(wrong * count) * (name == "train")
            mistakes += int(mistaken.sum())
            for number in range(count):
                step = int(generator.integers(1, len(CLASSES))) if mistaken[number] else 0
                pixels = dish(CLASSES[(label + step) % len(CLASSES)], side, generator)
                entries[f"{name}/{folder}/{number:04d}.png"] = png_bytes(pixels)
    source = "embedded sample of drawn dishes"
    facts = {"embedded_sample": True, "source": source, "wrong_labels": mistakes}
    return RawFolder(f"{source} (seed {seed})", entries, facts)


def dish(name: str, side: int, generator: np.random.Generator) -> NDArray[np.uint8]:
    """One picture (side, side, 3) of a class."""
    y, x = (np.mgrid[:side, :side] + 0.5) / side
    picture = np.broadcast_to(generator.uniform(40, 190, 3), (side, side, 3)).copy()
    centre, size = generator.uniform(0.42, 0.58, 2), generator.uniform(0.34, 0.46)
    u, v = (x - centre[0]) / size, (y - centre[1]) / size
    plate = generator.uniform(190, 250) * generator.uniform(0.9, 1.0, 3)
    _paint(picture, np.hypot(u, v) < 1, plate)
    _paint(picture, np.abs(np.hypot(u, v) - 0.8) < 0.02, plate * 0.85)
    angle = generator.uniform(0, 2 * np.pi)
    a, b = u * np.cos(angle) + v * np.sin(angle), v * np.cos(angle) - u * np.sin(angle)
    for inside, colour in _shapes(name, a, b, generator):
        _paint(picture, inside, colour)
    for _ in range(generator.integers(0, 5)):  # herbs, on whatever it is
        where = generator.uniform(-0.6, 0.6, 2)
        _paint(picture, np.hypot(u - where[0], v - where[1]) < 0.05, np.array([60.0, 130.0, 50.0]))
    light = generator.uniform(0.65, 1.2) + generator.uniform(-0.3, 0.3) * (x - 0.5)
    noise = generator.normal(0, NOISE, picture.shape)
    return np.round(picture * light[..., None] + noise).clip(0, 255).astype(np.uint8)


def _shapes(
    name: str, a: Floats, b: Floats, generator: np.random.Generator
) -> Iterator[tuple[NDArray[np.bool_], Floats]]:
    """Where each part of a dish lies and its colour; (a, b) are plate coordinates, 1 at its rim."""
    warm = generator.uniform((150, 90, 40), (235, 190, 110))
    if name == "cake":  # a wedge with a glaze and layers
        wedge = (a > -0.5) & (a < 0.6) & (np.abs(b) < 0.42 * (a + 0.5))
        yield wedge, warm
        yield wedge & (a > 0.42), warm * generator.uniform(0.4, 0.8)
        yield wedge & (np.abs(a - 0.1) < 0.05), np.minimum(warm * 1.3, 255)
    elif name == "dumplings":  # a ring of small half-moons
        for turn in np.arange(count := generator.integers(4, 8)) * 2 * np.pi / count:
            c, d = a - 0.45 * np.cos(turn), b - 0.45 * np.sin(turn)
            yield (np.hypot(c, d) < 0.2) & (c * np.cos(turn) + d * np.sin(turn) > -0.07), warm
    elif name == "noodles":  # waves
        for shift in np.linspace(-0.5, 0.5, generator.integers(6, 10)):
            wave = shift + 0.08 * np.sin(a * generator.uniform(7, 11) + generator.uniform(0, 6))
            yield (np.abs(b - wave) < 0.035) & (np.hypot(a, b) < 0.72), warm * generator.uniform(0.85, 1.05)
    elif name == "pancakes":  # a stack
        for number in range(generator.integers(3, 6)):
            c, d = a - 0.04 * number, b - 0.07 * number + 0.15
            yield np.hypot(c, d) < 0.5, warm * 0.65
            yield np.hypot(c, d) < 0.46, warm
    elif name == "salad":  # leaves of all colours, warm ones too
        for _ in range(generator.integers(16, 28)):
            where, turn = generator.uniform(-0.5, 0.5, 2), generator.uniform(0, np.pi)
            c, d = a - where[0], b - where[1]
            along, across = c * np.cos(turn) + d * np.sin(turn), d * np.cos(turn) - c * np.sin(turn)
            colour = warm if generator.random() < 0.4 else generator.uniform((60, 110, 40), (140, 190, 90))
            yield (along / 0.24) ** 2 + (across / 0.09) ** 2 < 1, colour * generator.uniform(0.8, 1.1)
    else:  # soup: a smooth pond to the rim, with a few round bits
        yield np.hypot(a, b) < 0.78, warm
        for _ in range(generator.integers(2, 7)):
            where = generator.uniform(-0.45, 0.45, 2)
            yield np.hypot(a - where[0], b - where[1]) < 0.09, warm * generator.uniform(0.5, 0.8)


def _paint(picture: Floats, where: NDArray[np.bool_], colour: Floats) -> None:
    picture[where] = colour
