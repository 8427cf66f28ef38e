"""The bench of characters: reading, parts of whole alphabets, episodes."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from etudes.benches.characters import Drawings, draw_episodes, ingest, labels_of, split_alphabets
from etudes.benches.parameters import AlphabetSplitParameters
from etudes.datasets import RawFolderDataset
from etudes.examples import Examples
from etudes.forms.raw import RawFolder
from etudes.samples.strokes import raw_file

A1, A2, A3, A4 = (f"alphabet0{number}" for number in range(1, 5))


@dataclass(frozen=True)
class Shape:
    side: int = 28
    ways: int = 5
    rotations: bool = True
    queries: int = 2


@pytest.fixture(scope="module")
def folder() -> RawFolder:
    """Three alphabets of eight characters with eight drawings each."""
    return raw_file("characters", alphabets=3, characters=8, drawers=8, size=28, seed=7)


@pytest.fixture(scope="module")
def drawings(folder: RawFolder) -> Examples:
    return ingest(folder, Shape())[0]


def cut(drawings: Examples, dev: Any, test: Any, seed: int = 0) -> Any:
    return split_alphabets(drawings, AlphabetSplitParameters(dev=dev, test=test), Shape(), seed)


def test_character_with_too_few_drawings_is_named(folder: RawFolder) -> None:
    drawings, card = ingest(folder, Shape())
    assert 10 < drawings["pixels"].mean() < 90, "ink is bright on paper that is dark"
    assert (card["drawings"], card["alphabets"]) == (192, {A1: 8, A2: 8, A3: 8})
    gone = tuple(f"{A2}/character03/0{number}.png" for number in (4, 5))
    few = {name: content for name, content in folder.entries.items() if not name.endswith(gone)}
    with pytest.raises(ValueError, match=r"alphabet02/character03 has 6 drawings .* a task needs 7"):
        ingest(RawFolder("f", few), Shape())


def test_seeds_hold_out_one_group_after_the_other(drawings: Examples) -> None:
    held_out = []
    for seed in range(3):
        *parts, card = cut(drawings, [A2], [[A3], [A1]], seed)
        names = [set(part.rows["alphabet"]) for part in parts]
        assert names[1] == {A2} and names[0] | names[2] == {A1, A3} and not names[0] & names[2]
        held_out.append((card["test_group"], names[2]))
    assert held_out == [(1, {A3}), (2, {A1}), (1, {A3})]


@pytest.mark.parametrize(
    ("dev", "test", "message"),
    [
        ([A2], ["alphabet9"], "no alphabet alphabet9; expected some of alphabet01"),
        ([A1], [A2, A3], "train has 4 characters in the alphabets alphabet04; a task needs 5"),
        ([A1], [A2, A3, A4], "train has 0 characters in the alphabets none; a task needs 5"),
        ([A2], [[A1], [A4]], "test group 2 has 4 characters in the alphabets alphabet04; a task needs 5"),
        ([A1], [[A1, A2]], "alphabet01 stands in dev and in test group 1"),
        ([A1], [[A2], [A3, A2]], "alphabet02 stands in test group 1 and in test group 2"),
        ([A1], [[A2], []], "test holds an empty group"),
    ],
)
def test_split_that_leaves_no_tasks_is_refused(drawings: Examples, dev: Any, test: Any, message: str) -> None:
    rows, half = drawings.rows, drawings.rows["id"].str.match(r"alphabet03/character0[5-8]")
    four = Examples(rows.assign(alphabet=rows["alphabet"].mask(half, A4)), drawings.arrays)
    with pytest.raises(ValueError, match=message):
        cut(four, dev, test)


def test_episodes_hold_different_characters_and_no_drawing_twice() -> None:
    counts = [7, 8, 9, 9, 8, 7]
    owner = np.repeat(np.arange(6), counts)
    table = np.full((6, 9), -1)
    table[np.arange(9) < np.array(counts)[:, None]] = np.arange(len(owner))
    episodes = draw_episodes(table, 300, 5, 7, np.random.default_rng(0))
    assert episodes.rows.shape == (300, 5, 7) and set(episodes.rows.ravel()) == set(range(len(owner)))
    assert all(len(set(rows.ravel())) == 35 for rows in episodes.rows)
    assert all(len(set(characters)) == 5 for characters in episodes.characters)
    for shots in (1, 5):
        support, query = episodes.split(shots, 2)
        np.testing.assert_array_equal(query, episodes.split(3, 2)[1], "the same queries whatever the shots")
        for rows, each in ((support, shots), (query, 2)):
            np.testing.assert_array_equal(owner[rows], episodes.characters[:, labels_of(5, each)])
    with pytest.raises(ValueError, match="5 support and 3 query drawings"):
        episodes.split(5, 3)
    for ways, examples in ((7, 3), (5, 8)):
        with pytest.raises(ValueError, match=f"a task needs {ways} characters with {examples} drawings each"):
            draw_episodes(table, 3, ways, examples, np.random.default_rng(0))


def test_rotations_make_four_characters_of_one_and_drawings_stand_with_theirs(drawings: Examples) -> None:
    shuffled = drawings.take(np.random.default_rng(0).permutation(len(drawings)))
    plain, turned = (Drawings.of(shuffled, rotations) for rotations in (False, True))
    names = (shuffled.rows["alphabet"] + "/" + shuffled.rows["character"]).to_numpy()
    assert [set(names[rows]) for rows in plain.table] == [{name} for name in sorted(set(names))]
    for turns in range(4):
        expected = np.rot90(plain.pixels[plain.table[7]], turns, axes=(1, 2))
        np.testing.assert_array_equal(turned.pixels[turned.table[7 + 24 * turns]], expected)
    np.testing.assert_array_equal(turned.alphabets, np.repeat(np.arange(12), 8), "by alphabet and turn")


def test_a_share_of_the_episodes_stays_in_one_group() -> None:
    table, groups = np.arange(48).reshape(12, 4), np.repeat([0, 1], [8, 4])

    def groups_met(share: float, ways: int) -> list[set[int]]:
        episodes = draw_episodes(table, 400, ways, 2, np.random.default_rng(0), groups, share)
        return [set(groups[characters]) for characters in episodes.characters]

    assert all(len(met) == 1 for met in groups_met(1.0, 4))
    assert np.mean([met == {0} for met in groups_met(1.0, 4)]) == pytest.approx(8 / 12, abs=0.07), "by size"
    by_chance, half = (np.mean([len(met) == 1 for met in groups_met(share, 4)]) for share in (0.0, 0.5))
    assert half == pytest.approx(0.5 + 0.5 * by_chance, abs=0.08)
    assert {0, 1} in groups_met(1.0, 5), "the group of four is filled up"


@pytest.mark.real_data
def test_omniglot_is_read_from_its_archives() -> None:
    raw = Path(os.environ.get("ETUDES_RAW", ""))
    if not (raw / "omniglot").is_dir() or not os.environ.get("ETUDES_RAW"):
        pytest.skip("needs omniglot: set ETUDES_RAW to a folder that holds it")
    dataset = RawFolderDataset(source="omniglot", folder="python", suffixes=[".zip"], raw=str(raw))
    drawings, card = ingest(dataset.load(), Shape(queries=15))
    assert len(drawings) == 242 * 20 and card["characters"] == 242 and len(card["alphabets"]) == 8
    assert card["repeated_drawings"] == 1000, "Greek and Latin stand in both sets"
