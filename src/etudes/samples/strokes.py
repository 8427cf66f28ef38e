"""An embedded sample of handwritten characters: invented alphabets drawn with Bezier strokes by a seeded generator.

A character is one to four cubic curves between points of a coarse grid, some of them joined; an alphabet has habits of
its own (how many strokes, how bent, how many characters). A drawer has a slant, a size, a pen and an unsteady hand, so
two drawings of one character differ as much as two drawers do. Nothing is known of the best score that is possible.
The layout and the look (black ink on white paper) are Omniglot's (Lake et al. 2015), so one reader serves both.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from etudes.forms.raw import RawFolder

Floats = NDArray[np.float64]

PARTS = ("characters",)
GRID = 4  # strokes begin and end on GRID x GRID points
SAMPLES = 32  # points along a stroke
SHORTEST = 0.4  # distance of a stroke's ends, as a share of the character's side
MOST_STROKES = 4


def raw_file(part: str, alphabets: int, characters: int, drawers: int, size: int, seed: int) -> RawFolder:
    """``strokes/<alphabet>/<character>/<drawer>.png`` as PNG files in memory.

    Args:
        part: ``characters``.
        alphabets: at least 1; their names are ``alphabet01`` and so on.
        characters: of each alphabet, at least 1.
        drawers: drawings of each character, at least 1.
        size: pixels of a side, at least 16.
        seed: decides every draw; a part of a larger sample equals the smaller sample.

    Raises:
        ValueError: an unknown part, or a number out of its range.
    """
    from etudes.forms.pictures import png_bytes

    if part not in PARTS:
        raise ValueError(f"part = '{part}', expected {PARTS[0]}")
    if min(alphabets, characters, drawers) < 1 or size < 16:
        raise ValueError(
            f"alphabets = {alphabets}, characters = {characters}, drawers = {drawers}, size = {size}; expected at least "
            "1, 1, 1 and 16"
        )
    entries: dict[str, bytes] = {}
    for alphabet in range(alphabets):
        habits = np.random.default_rng([seed, alphabet])
        bend, strokes = habits.uniform(0.1, 0.4), habits.integers(2, MOST_STROKES)
        for character in range(characters):
            generator = np.random.default_rng([seed, alphabet, character])
            curves = draw_character(int(strokes), float(bend), generator)
            pixels = render(curves, drawers, size, generator)
            for drawer in range(drawers):
                name = f"strokes/alphabet{alphabet + 1:02d}/character{character + 1:02d}/{drawer + 1:02d}.png"
                entries[name] = png_bytes(pixels[drawer])
    name = f"embedded sample of invented characters (seed {seed})"
    return RawFolder(
        name, entries, {"embedded_sample": True, "source": "embedded sample of invented characters"}
    )


def draw_character(strokes: int, bend: float, generator: np.random.Generator) -> Floats:
    """Control points of a character (S, 4, 2), in 0..1: about ``strokes`` strokes, more bent where ``bend`` is large."""
    count = int(np.clip(strokes + generator.integers(-1, 2), 1, MOST_STROKES))
    curves = np.empty((count, 4, 2))
    for stroke in range(count):
        begin, end = _place(generator), _place(generator)
        if stroke and generator.random() < 0.5:
            begin = curves[stroke - 1, 3]  # the pen goes on where it stopped
        while np.hypot(*(end - begin)) < SHORTEST:
            end = _place(generator)
        direction = end - begin
        across = np.array([-direction[1], direction[0]])
        sway = generator.normal(0.0, bend, (2, 2))
        curves[stroke, 0], curves[stroke, 3] = begin, end
        curves[stroke, 1] = begin + direction / 3 + sway[0, 0] * across + sway[0, 1] * direction
        curves[stroke, 2] = begin + 2 * direction / 3 + sway[1, 0] * across + sway[1, 1] * direction
    path = along(curves, SAMPLES).reshape(-1, 2)
    low, high = path.min(0), path.max(0)
    return (curves - (low + high) / 2) / max(high - low) + 0.5


def render(curves: Floats, drawers: int, size: int, generator: np.random.Generator) -> NDArray[np.uint8]:
    """The character by ``drawers`` hands: (drawers, size, size), 255 is paper."""
    hand = curves + generator.normal(0.0, 0.045, (drawers, *curves.shape))  # an unsteady hand
    path = along(hand, SAMPLES).reshape(drawers, -1, 2) - 0.5
    angle = generator.normal(0.0, 0.12, drawers)
    slant = generator.normal(0.0, 0.15, drawers)
    scale = generator.uniform(0.62, 0.82, (drawers, 2))
    turn = np.stack([np.cos(angle), -np.sin(angle), np.sin(angle), np.cos(angle)], axis=1).reshape(-1, 2, 2)
    turn[:, 0] += slant[:, None] * turn[:, 1]
    path = np.einsum("dij,dpj->dpi", turn, path) * scale[:, None]
    path += 0.5 + generator.normal(0.0, 0.03, (drawers, 1, 2))
    ticks = (np.arange(size) + 0.5) / size
    # Squared distances split by axis: no array of the size of drawers x pixels x points x 2.
    along_x = (ticks - path[..., 0, None]) ** 2  # (drawers, points, size)
    along_y = (ticks - path[..., 1, None]) ** 2
    nearest = np.full((drawers, size, size), np.inf)
    for point in range(path.shape[1]):
        np.minimum(nearest, along_y[:, point, :, None] + along_x[:, point, None, :], out=nearest)
    width = generator.uniform(0.030, 0.050, (drawers, 1, 1))
    edge = 0.6 / size
    ink = 1 / (1 + np.exp(np.clip((np.sqrt(nearest) - width) / edge, -30, 30)))
    return np.round(255 * (1 - ink)).astype(np.uint8)


def _place(generator: np.random.Generator) -> Floats:
    """A point (2,) of the grid."""
    return generator.integers(0, GRID, 2) / (GRID - 1)


def along(curves: Floats, count: int) -> Floats:
    """Points along cubic Bezier curves: (..., 4, 2) -> (..., count, 2)."""
    t = np.linspace(0, 1, count)
    basis = np.stack([(1 - t) ** 3, 3 * t * (1 - t) ** 2, 3 * t**2 * (1 - t), t**3], axis=1)
    return basis @ curves
