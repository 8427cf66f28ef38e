"""Drawings of characters in alphabets: from a folder to parts of whole alphabets, and few-shot episodes from them.

A task has a support set, from which it is learned, and a query set, on which it is scored; no example stands in both.
"""

from __future__ import annotations

from typing import Any, NamedTuple, Protocol, Self

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from etudes.benches.parameters import AlphabetSplitParameters
from etudes.cards import data_card, fingerprint
from etudes.examples import Examples
from etudes.forms.raw import RawFolder

LEVELS = ("alphabet", "character", "drawing")
SHOTS = (1, 5)  # drawings of each character that a dev or test task is learned from
Integers = NDArray[np.int64]


class Shape(Protocol):
    """What the settings of a study on this bench hold."""

    @property
    def side(self) -> int: ...
    @property
    def ways(self) -> int: ...
    @property
    def rotations(self) -> bool: ...
    @property
    def queries(self) -> int: ...


def ingest(raw_characters: RawFolder, characters: Shape) -> tuple[Examples, dict[str, Any]]:
    """Read and check all drawings, ink bright on dark, and say where they come from.

    Omniglot's two small sets share two alphabets: what is in both counts once, or an episode could ask which of two equal
    characters it is.

    Raises:
        ValueError: as `labelled_pictures`, or a character with too few drawings for a task.
    """
    from etudes.forms.labelled import labelled_pictures

    drawn, repeated = labelled_pictures(raw_characters, LEVELS, characters.side)
    drawings = Examples(drawn.rows, {"pixels": 255 - drawn["pixels"]})
    needed = SHOTS[-1] + characters.queries
    counts = drawings.rows.groupby(["alphabet", "character"]).size()
    if len(short := counts[counts < needed]):
        raise ValueError(
            f"{raw_characters.name}: {'/'.join(short.index[0])} has {short.iloc[0]} drawings (and {len(short) - 1} further "
            f"characters have too few); a task needs {needed} of each: support and query together. Add drawings, leave "
            "the character out, or lower characters.queries"
        )
    alphabets = counts.groupby("alphabet").size().to_dict()
    facts = {"drawings": len(drawings), "repeated_drawings": repeated, "characters": len(counts)}
    return drawings, data_card([raw_characters], *contents(drawings), **facts, alphabets=alphabets)


def split_alphabets(
    drawings: Examples, parameters: AlphabetSplitParameters, characters: Shape, seed: int
) -> tuple[Examples, Examples, Examples, dict[str, Any]]:
    """Cut by whole alphabets, so that no character of dev or test resembles one that was trained on by its script.

    Which group of test alphabets is held out depends on the run's seed; the other groups are trained on.

    Raises:
        ValueError: an alphabet that there is not, or a part with fewer characters than a task needs.
    """
    alphabet, groups = drawings.rows["alphabet"], parameters.test
    there = sorted(alphabet.unique())
    if unknown := sorted({*parameters.dev, *(name for group in groups for name in group)} - set(there)):
        raise ValueError(f"split: no alphabet {', '.join(unknown)}; expected some of {', '.join(there)}")
    group = seed % len(groups)
    held_out = {"dev": alphabet.isin(parameters.dev), "test": alphabet.isin(groups[group])}
    masks = {"train": ~(held_out["dev"] | held_out["test"]), **held_out}
    parts = {name: drawings.take(mask.to_numpy()) for name, mask in masks.items()}
    card: dict[str, Any] = {"unit": "drawings", "test_group": group + 1, "test_groups": len(groups)}
    for name, part in parts.items():
        card[f"{name}_alphabets"] = sorted(set(part.rows["alphabet"]))
        card[f"{name}_characters"] = _characters(name, part.rows, characters.ways)
        card[f"{name}_rows"] = len(part)
    # All groups, so that the run of another seed does not end where this one's training is done.
    card["smallest_test_characters"] = min(
        _characters(f"test group {number}", drawings.rows[alphabet.isin(names)], characters.ways)
        for number, names in enumerate(groups, 1)
    )
    card["training_classes"] = card["train_characters"] * (4 if characters.rotations else 1)
    card["train_fingerprint"] = fingerprint(*contents(parts["train"]))
    card["dev_fingerprint"] = fingerprint(*contents(parts["dev"]))
    return parts["train"], parts["dev"], parts["test"], card


def _characters(part: str, rows: pd.DataFrame, ways: int) -> int:
    """How many characters a part holds, at least as many as a task needs."""
    count = len(rows[["alphabet", "character"]].drop_duplicates())
    if count < ways:
        raise ValueError(
            f"{part} has {count} characters in the alphabets {', '.join(sorted(set(rows['alphabet']))) or 'none'}; a task "
            f"needs {ways}. Give it more alphabets in split, or lower characters.ways"
        )
    return count


def contents(drawings: Examples) -> tuple[str, Any]:
    """What fingerprints are of."""
    return "\n".join(drawings.rows["id"]), drawings["pixels"]


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
