"""Tasks drawn from seeds: sinusoids, and episodes of characters. numpy only.

A task has a support set, from which it is learned, and a query set, on which it is scored; no example stands in both.
"""

from __future__ import annotations

from typing import NamedTuple, Self

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from etudes.examples import Examples
from etudes.pipelines.meta_learning.parameters import SinusoidParameters

Floats = NDArray[np.float32]
Integers = NDArray[np.int64]

SINUSOID_SHOTS = (5, 10)
CHARACTER_SHOTS = (1, 5)


class Sinusoids(NamedTuple):
    """T tasks y = a sin(x + b): ``amplitude`` (T,), ``phase`` (T,), radians; ``x`` and ``y`` (T, n, 1)."""

    amplitude: Floats
    phase: Floats
    x: Floats
    y: Floats


def draw_sinusoids(
    parameters: SinusoidParameters, tasks: int, examples: int, generator: np.random.Generator
) -> Sinusoids:
    """``tasks`` fresh tasks with ``examples`` points each; a, b and x are uniform."""
    amplitude = generator.uniform(*parameters.amplitude, tasks).astype(np.float32)
    phase = generator.uniform(*parameters.phase, tasks).astype(np.float32)
    x = generator.uniform(*parameters.range, (tasks, examples, 1)).astype(np.float32)
    return Sinusoids(amplitude, phase, x, sinusoid(amplitude, phase, x))


def sinusoid(amplitude: Floats, phase: Floats, x: Floats) -> Floats:
    """a sin(x + b): (T,), (T,), (T, n, 1) -> (T, n, 1)."""
    return amplitude[:, None, None] * np.sin(x + phase[:, None, None])


class Drawings(NamedTuple):
    """C characters: ``pixels`` (N, S, S) uint8, ink is bright; ``table`` (C, D) rows of each character, -1 where it has fewer;
    ``alphabets`` (C,), equal for characters of one alphabet that stand upright or are turned alike.
    """

    pixels: NDArray[np.uint8]
    table: Integers
    alphabets: Integers

    @classmethod
    def of(cls, examples: Examples, rotations: bool) -> Self:
        """The characters of a split, in the order of their names; with ``rotations`` four of each.

        A quarter turn makes another character of almost every character, so the rotated ones count as classes of
        their own (Santoro et al. 2016, section 4.1).
        """
        pixels = np.asarray(examples["pixels"])
        codes = pd.factorize(examples.rows["alphabet"] + "/" + examples.rows["character"], sort=True)[0]
        order, counts = np.argsort(codes, kind="stable"), np.bincount(codes)
        table = np.full((len(counts), counts.max()), -1, dtype=np.int64)
        table[codes[order], np.concatenate([np.arange(count) for count in counts])] = order
        alphabets = pd.factorize(examples.rows["alphabet"].to_numpy()[table[:, 0]])[0]
        if rotations:
            n, kinds = len(pixels), alphabets.max() + 1
            pixels = np.concatenate([np.rot90(pixels, turns, axes=(1, 2)) for turns in range(4)])
            table = np.concatenate([np.where(table < 0, -1, table + turns * n) for turns in range(4)])
            alphabets = np.concatenate([alphabets + turns * kinds for turns in range(4)])
        return cls(np.ascontiguousarray(pixels), table, alphabets)


class Episodes(NamedTuple):
    """T tasks of N characters: rows of `Drawings.pixels` (T, N, examples), the support drawings of each character first."""

    rows: Integers
    characters: Integers

    def split(self, shots: int, queries: int) -> tuple[Integers, Integers]:
        """Rows of support (T, N * shots) and query (T, N * queries); the label of position i is i // per character.

        The queries are the last ones, so that they are the same whatever the shots.
        """
        tasks, _, examples = self.rows.shape
        if shots + queries > examples:
            raise ValueError(
                f"{shots} support and {queries} query drawings of each character asked of episodes that hold {examples}"
            )
        last = self.rows[:, :, examples - queries :]
        return self.rows[:, :, :shots].reshape(tasks, -1), last.reshape(tasks, -1)


def labels_of(ways: int, each: int) -> Integers:
    """Labels (ways * each,) of drawings that stand character by character."""
    return np.repeat(np.arange(ways), each)


def draw_episodes(
    table: Integers,
    tasks: int,
    ways: int,
    examples: int,
    generator: np.random.Generator,
    groups: Integers | None = None,
    share: float = 0.0,
) -> Episodes:
    """``tasks`` episodes: ``ways`` different characters each, ``examples`` different drawings of each.

    Args:
        table: rows of each character (C, D), -1 where it has fewer.
        tasks, ways, examples: how many.
        generator: decides what is drawn.
        groups: group of each character (C,).
        share: of the episodes whose characters come from one group, drawn by its size; a group with fewer than ``ways``
            characters is filled up with others.

    Raises:
        ValueError: fewer characters than ``ways``, or a character with fewer drawings than ``examples``.
    """
    fewest = (table >= 0).sum(1).min(initial=table.shape[1])
    if len(table) < ways or fewest < examples:
        raise ValueError(
            f"{len(table)} characters with {fewest} drawings or more; a task needs {ways} characters with {examples} "
            "drawings each. Lower ways, shots or queries, or add drawings"
        )
    # The places of the smallest of random keys are a draw without replacement, for all tasks at once.
    keys = generator.random((tasks, len(table)))
    if groups is not None and share > 0:
        apart = groups[generator.integers(len(table), size=tasks)][:, None] != groups
        keys += apart & (generator.random(tasks) < share)[:, None]  # characters of other groups come last
    characters = keys.argsort(1)[:, :ways]
    rows = table[characters]
    places = np.where(rows >= 0, generator.random(rows.shape), 2.0)
    chosen = places.argsort(2)[:, :, :examples]
    return Episodes(np.take_along_axis(rows, chosen, 2), characters)
