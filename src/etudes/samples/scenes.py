"""An embedded sample of colour photographs: small scenes of one lit object before a graded sky, by a seeded generator.

A scene has a sky, a ground, a ball, box or cone in a colour of its own, light from one side, and the noise of a cheap
camera. Neighbouring pixels are alike, colours go together, objects move about: enough for a model of pictures to find
more than independent bytes hold. Nothing is known of the best likelihood that is possible. The layout is that of CIFAR-10
as PNG files, so one reader serves both.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from etudes.forms.raw import RawFolder

PARTS = ("photographs", "photos")
KINDS = ("ball", "box", "cone")
NOISE = 4.0  # standard deviation of the camera's noise, bytes


def raw_file(part: str, train: int, test: int, side: int, seed: int) -> RawFolder:
    """PNG files in memory, kinds in turn: ``<train or test>/<kind>/<number>.png``, or the same scenes in one folder.

    Args:
        part: ``photographs``; ``photos`` are called ``<index of the kind>_<kind>_<number>.png``, those of test last.
        train, test: pictures of each part, at least 1.
        side: pixels of a side, at least 8.
        seed: decides every draw; a part of a larger sample equals the smaller sample.

    Raises:
        ValueError: an unknown part, or a number out of its range.
    """
    from etudes.forms.pictures import png_bytes

    if part not in PARTS:
        raise ValueError(f"part = '{part}', expected {' or '.join(PARTS)}")
    if min(train, test) < 1 or side < 8:
        raise ValueError(f"train = {train}, test = {test}, side = {side}; expected at least 1, 1 and 8")
    entries: dict[str, bytes] = {}
    for place, (name, count) in enumerate((("train", train), ("test", test))):
        for number in range(count):
            kind = KINDS[number % len(KINDS)]
            pixels = scene(kind, side, np.random.default_rng([seed, place, number]))
            file = f"{name}/{kind}/{number:05d}.png"
            if part == "photos":
                file = f"{number % len(KINDS)}_{kind}_{place * train + number:05d}.png"
            entries[file] = png_bytes(pixels)
    name = f"embedded sample of drawn scenes (seed {seed})"
    return RawFolder(name, entries, {"embedded_sample": True, "source": "embedded sample of drawn scenes"})


def scene(kind: str, side: int, generator: np.random.Generator) -> NDArray[np.uint8]:
    """One picture (side, side, 3)."""
    y, x = (np.mgrid[:side, :side] + 0.5) / side
    horizon = generator.uniform(0.45, 0.75)
    top, bottom, ground, colour = generator.uniform((40, 60, 110), (160, 190, 255), (4, 3)).reshape(4, 3)
    ground = ground[::-1]  # the sky is bluish, the ground reddish
    above = (y / horizon).clip(0, 1)[..., None]
    picture = np.where(
        y[..., None] < horizon, top * (1 - above) + bottom * above, ground * (1.3 - 0.5 * y[..., None])
    )
    size, centre = generator.uniform(0.14, 0.26), generator.uniform(0.3, 0.7)
    foot = generator.uniform(horizon, min(0.95, horizon + 0.25))
    dx, dy = (x - centre) / size, (y - (foot - size)) / size  # the object stands on its foot
    inside = {
        "ball": dx**2 + dy**2 < 1,
        "box": np.maximum(abs(dx), abs(dy)) < 0.9,
        "cone": (abs(dx) < (dy + 1) / 2) & (dy < 1),
    }[kind]
    light = generator.uniform(-1, 1)
    shade = (0.75 + 0.35 * light * dx - 0.15 * dy).clip(0.25, 1.25)
    picture = np.where(inside[..., None], generator.permutation(colour) * shade[..., None], picture)
    return np.round(picture + generator.normal(0, NOISE, picture.shape)).clip(0, 255).astype(np.uint8)
