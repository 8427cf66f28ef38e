"""The two categories of `etudes.samples.textures`: how a good picture and one with a defect are drawn.

A category's function draws N pictures twice, without and with the defect, all else alike: intensities (N, S, S, 3).
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]


class Grid:
    """Pixel centres of a square of side 1: ``x`` and ``y`` (1, S, S)."""

    def __init__(self, size: int) -> None:
        at = (np.arange(size) + 0.5) / size
        self.size = size
        self.y, self.x = (axis[None] for axis in np.meshgrid(at, at, indexing="ij"))


def each(generator: np.random.Generator, low: float, high: float, count: int) -> Floats:
    """A number for each picture, uniform, (N, 1, 1)."""
    return generator.uniform(low, high, (count, 1, 1))


def soft(inside: Floats, width: float) -> Floats:
    """1 where a signed distance (in sides) is well above zero, 0 well below, a soft edge of ``width`` between."""
    return 1.0 / (1.0 + np.exp(-np.clip(4.0 * inside / width, -40, 40)))


def blend(below: Floats, colour: Floats, alpha: Floats) -> Floats:
    """A colour (..., 3) over a picture (N, S, S, 3) with the opacity ``alpha`` (N, S, S)."""
    return below + alpha[..., None] * (colour - below)


def colours(
    base: tuple[float, float, float], spread: float, count: int, generator: np.random.Generator
) -> Floats:
    """The colour of each picture, (N, 1, 1, 3)."""
    return np.array(base) + generator.normal(0.0, spread, (count, 1, 1, 3))


def ellipse(
    count: int, grid: Grid, radius: tuple[float, float], generator: np.random.Generator, edge: float = 0.02
) -> Floats:
    """A soft ellipse somewhere inside each picture: opacities (N, S, S)."""
    x, y = (each(generator, 0.2, 0.8, count) for _ in range(2))
    long, short = (each(generator, *radius, count) for _ in range(2))
    turn = each(generator, 0.0, np.pi, count)
    u = (grid.x - x) * np.cos(turn) + (grid.y - y) * np.sin(turn)
    v = (grid.y - y) * np.cos(turn) - (grid.x - x) * np.sin(turn)
    return soft((1 - np.hypot(u / long, v / short)) * np.minimum(long, short), edge)


def segment(
    count: int, grid: Grid, length: tuple[float, float], width: float, generator: np.random.Generator
) -> Floats:
    """A soft straight line somewhere inside each picture: opacities (N, S, S)."""
    x, y = (each(generator, 0.3, 0.7, count) for _ in range(2))
    half, turn = each(generator, *length, count) / 2, each(generator, 0.0, np.pi, count)
    u = (grid.x - x) * np.cos(turn) + (grid.y - y) * np.sin(turn)
    v = (grid.y - y) * np.cos(turn) - (grid.x - x) * np.sin(turn)
    return soft(width / 2 - np.hypot(np.maximum(np.abs(u) - half, 0.0), v), 0.01)


def _weave(
    grid: Grid, period: Floats | float, phase: tuple[Floats, Floats], turn: Floats
) -> tuple[Floats, Floats]:
    """A plain weave: which thread lies on top (warp 1, weft 0) and how round it looks there, both (N, S, S)."""
    x = grid.x * np.cos(turn) + grid.y * np.sin(turn) + phase[0]
    y = grid.y * np.cos(turn) - grid.x * np.sin(turn) + phase[1]
    u, v = x / period, y / period
    warp = ((np.floor(u) + np.floor(v)) % 2 == 0).astype(np.float64)
    roundness = np.where(warp > 0, np.abs(np.sin(np.pi * u)), np.abs(np.sin(np.pi * v)))
    return warp, roundness


def _fabric(kind: str, count: int, grid: Grid, generator: np.random.Generator) -> tuple[Floats, Floats]:
    period = 1 / 16
    phase = (each(generator, 0.0, 2 * period, count), each(generator, 0.0, 2 * period, count))
    turn = each(generator, -0.03, 0.03, count)
    warp_colour = colours((0.34, 0.45, 0.66), 0.015, count, generator)
    weft_colour = colours((0.62, 0.67, 0.75), 0.015, count, generator)

    def cloth(spacing: float, slip: Floats | float = 0.0) -> Floats:
        warp, roundness = _weave(grid, spacing, (phase[0] + slip, phase[1]), turn)
        colour = np.where(warp[..., None] > 0, warp_colour, weft_colour)
        return colour * (0.6 + 0.4 * roundness)[..., None]

    clean = cloth(period)
    if kind == "hole":
        alpha = ellipse(count, grid, (0.035, 0.065), generator)
        return clean, blend(clean, np.array((0.12, 0.12, 0.13)), alpha * 0.9)
    if kind == "stain":
        alpha = ellipse(count, grid, (0.07, 0.16), generator, edge=0.06) * each(generator, 0.2, 0.5, count)
        return clean, blend(clean, np.array((0.45, 0.34, 0.18)), alpha)
    if kind == "thread":  # one thread of another shade
        x = grid.x * np.cos(turn) + grid.y * np.sin(turn) + phase[0]
        chosen = np.floor(each(generator, 3, 9, count)) + np.ceil(phase[0] / period)
        start, length = each(generator, 0.1, 0.5, count), each(generator, 0.2, 0.4, count)
        alpha = (np.floor(x / period) == chosen) & (grid.y > start) & (grid.y < start + length)
        shade = generator.choice([-1.0, 1.0], (count, 1, 1, 1)) * generator.uniform(
            0.15, 0.35, (count, 1, 1, 1)
        )
        return clean, clean + alpha[..., None] * shade
    if kind == "slack":  # the weave is looser in one place: the same colours, another structure
        alpha = ellipse(count, grid, (0.08, 0.15), generator, edge=0.04)
        return clean, clean + alpha[..., None] * (cloth(period * 1.35, period / 2) - clean)
    return clean, clean


def _chip(grid: Grid, x: Floats, y: Floats, turn: Floats) -> tuple[Floats, Floats, Floats]:
    """Opacities (N, S, S) of a chip's body, its printed bar and its round mark."""
    u = (grid.x - x) * np.cos(turn) + (grid.y - y) * np.sin(turn)
    v = (grid.y - y) * np.cos(turn) - (grid.x - x) * np.sin(turn)
    body = soft(np.minimum(0.17 - np.abs(u), 0.12 - np.abs(v)), 0.015)
    bar = soft(np.minimum(0.10 - np.abs(u - 0.02), 0.018 - np.abs(v - 0.03)), 0.015)
    mark = soft(0.022 - np.hypot(u + 0.12, v + 0.07), 0.015)
    return body, bar, mark


PADS = tuple((x, y) for y in (0.2, 0.8) for x in (0.26, 0.42, 0.58, 0.74))


def _board(kind: str, count: int, grid: Grid, generator: np.random.Generator) -> tuple[Floats, Floats]:
    shift_x, shift_y = (each(generator, -0.02, 0.02, count) for _ in range(2))
    green = colours((0.13, 0.36, 0.25), 0.012, count, generator)
    gold = colours((0.74, 0.62, 0.34), 0.015, count, generator)
    black = colours((0.16, 0.16, 0.18), 0.01, count, generator)
    white = colours((0.78, 0.78, 0.76), 0.03, count, generator)
    turn = each(generator, -0.02, 0.02, count)
    missing = generator.integers(0, len(PADS), count)

    def board(without_pad: bool = False, dx: Floats | float = 0.0, dy: Floats | float = 0.0) -> Floats:
        picture = np.broadcast_to(green, (count, grid.size, grid.size, 3))
        for number, (x, y) in enumerate(PADS):
            u, v = grid.x - x - shift_x, grid.y - y - shift_y
            there = 1.0 - (without_pad & (missing == number))[:, None, None]
            track = soft(
                np.minimum(0.012 - np.abs(u), 0.13 - np.abs(v + (0.13 if y > 0.5 else -0.13))), 0.012
            )
            pad = soft(0.042 - np.hypot(u, v), 0.015)
            picture = blend(picture, 0.8 * green + 0.2 * gold, track)
            picture = blend(picture, gold, pad * there)
        body, bar, mark = _chip(grid, 0.5 + shift_x + dx, 0.5 + shift_y + dy, turn)
        for colour, alpha in ((black, body), (white, bar), (white, mark)):
            picture = blend(picture, colour, alpha)
        return picture

    clean = board()
    if kind == "missing_pad":
        return clean, board(without_pad=True)
    if kind == "misplaced":
        side = generator.choice([-1.0, 1.0], (2, count, 1, 1))
        return clean, board(
            dx=side[0] * each(generator, 0.03, 0.07, count), dy=side[1] * each(generator, 0.03, 0.07, count)
        )
    if kind == "scratch":
        alpha = segment(count, grid, (0.15, 0.35), 0.016, generator) * each(generator, 0.12, 0.4, count)
        return clean, blend(clean, np.array((0.85, 0.86, 0.84)), alpha)
    if kind == "spot":
        colour = generator.uniform(0.2, 0.7, (count, 1, 1, 3))
        alpha = ellipse(count, grid, (0.025, 0.05), generator) * each(generator, 0.35, 0.7, count)
        return clean, blend(clean, colour, alpha)
    return clean, clean


Maker = Callable[[str, int, Grid, np.random.Generator], tuple[Floats, Floats]]
CATEGORIES: dict[str, tuple[Maker, tuple[str, ...]]] = {
    "fabric": (_fabric, ("hole", "slack", "stain", "thread")),
    "board": (_board, ("misplaced", "missing_pad", "scratch", "spot")),
}
