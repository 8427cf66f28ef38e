"""Tasks: what they promise of their draws."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from etudes.examples import Examples
from etudes.pipelines.meta_learning.tasks import (
    Drawings,
    draw_episodes,
    draw_sinusoids,
    labels_of,
)


def test_sinusoids_lie_in_their_ranges_and_on_their_curve(settings: Any) -> None:
    parameters = settings("sinusoids")
    drawn = draw_sinusoids(parameters, 2000, 10, np.random.default_rng(0))
    assert drawn.x.shape == drawn.y.shape == (2000, 10, 1)
    for values, (low, high) in (
        (drawn.amplitude, parameters.amplitude),
        (drawn.phase, parameters.phase),
        (drawn.x, parameters.range),
    ):
        assert low <= values.min() < low + 0.05 * (high - low)
        assert high - 0.05 * (high - low) < values.max() <= high + 1e-6
    task = 17
    expected = drawn.amplitude[task] * np.sin(drawn.x[task] + drawn.phase[task])
    np.testing.assert_allclose(drawn.y[task], expected, rtol=1e-6)


def test_every_call_draws_fresh_tasks_and_a_seed_repeats_them(settings: Any) -> None:
    generator = np.random.default_rng(0)
    first, second = (draw_sinusoids(settings("sinusoids"), 3, 5, generator) for _ in range(2))
    assert not np.isin(first.phase, second.phase).any()
    again = draw_sinusoids(settings("sinusoids"), 3, 5, np.random.default_rng(0))
    np.testing.assert_array_equal(first.y, again.y)


@pytest.fixture
def table() -> np.ndarray:
    """Six characters with 7 to 9 drawings."""
    counts, start = [7, 8, 9, 9, 8, 7], 0
    rows = np.full((6, 9), -1)
    for character, count in enumerate(counts):
        rows[character, :count] = np.arange(start, start + count)
        start += count
    return rows


def test_episodes_have_different_characters_and_no_drawing_twice(table: np.ndarray) -> None:
    owner = {row: character for character, rows in enumerate(table) for row in rows if row >= 0}
    episodes = draw_episodes(table, 300, 5, 7, np.random.default_rng(0))
    assert episodes.rows.shape == (300, 5, 7) and (episodes.rows >= 0).all()
    for rows, characters in zip(episodes.rows, episodes.characters, strict=True):
        assert len(set(characters)) == 5 and len(set(rows.ravel())) == 35
        assert [{owner[row] for row in of_one} for of_one in rows] == [{c} for c in characters]
    assert len(np.unique(episodes.rows)) == (table >= 0).sum(), "every drawing is drawn some time"


def test_support_and_query_never_share_a_drawing(table: np.ndarray) -> None:
    episodes = draw_episodes(table, 50, 5, 7, np.random.default_rng(0))
    one, five = episodes.split(1, 2), episodes.split(5, 2)
    np.testing.assert_array_equal(one[1], five[1])
    for support, query in (one, five):
        for of_support, of_query in zip(support, query, strict=True):
            assert not set(of_support) & set(of_query)
    with pytest.raises(ValueError, match="5 support and 3 query drawings"):
        episodes.split(5, 3)


def test_labels_name_the_character_of_each_drawing(table: np.ndarray) -> None:
    owner = {row: character for character, rows in enumerate(table) for row in rows if row >= 0}
    episodes = draw_episodes(table, 20, 5, 7, np.random.default_rng(3))
    for part, each in zip(episodes.split(3, 4), (3, 4), strict=True):
        labels = labels_of(5, each)
        for rows, characters in zip(part, episodes.characters, strict=True):
            assert [owner[row] for row in rows] == [characters[label] for label in labels]


@pytest.mark.parametrize(("ways", "examples"), [(7, 3), (5, 8)])
def test_episodes_that_the_drawings_do_not_allow_are_refused(
    table: np.ndarray, ways: int, examples: int
) -> None:
    with pytest.raises(ValueError, match=f"a task needs {ways} characters with {examples} drawings each"):
        draw_episodes(table, 3, ways, examples, np.random.default_rng(0))


def test_rotations_make_four_characters_of_one(drawings: Examples) -> None:
    plain, turned = Drawings.of(drawings, rotations=False), Drawings.of(drawings, rotations=True)
    assert (len(plain), len(turned)) == (15, 60)
    for character in (0, 7):
        for turns in range(4):
            rows = turned.table[character + 15 * turns]
            expected = np.rot90(plain.pixels[plain.table[character]], turns, axes=(1, 2))
            np.testing.assert_array_equal(turned.pixels[rows], expected)


def test_drawings_stand_with_their_character(drawings: Examples) -> None:
    shuffled = drawings.take(np.random.default_rng(0).permutation(len(drawings)))
    found = Drawings.of(shuffled, rotations=False)
    names = (shuffled.rows["alphabet"] + "/" + shuffled.rows["character"]).to_numpy()
    for character, name in enumerate(sorted(set(names))):
        assert set(names[found.table[character]]) == {name}


def test_alphabets_are_told_apart_by_name_and_turn(drawings: Examples) -> None:
    shuffled = drawings.take(np.random.default_rng(0).permutation(len(drawings)))
    turned = Drawings.of(shuffled, rotations=True)
    assert len(turned.alphabets) == 60 and len(set(turned.alphabets)) == 12
    names = shuffled.rows["alphabet"].to_numpy()[turned.table[:15, 0]]
    for alphabet in set(names):
        assert len(set(turned.alphabets[:15][names == alphabet])) == 1


def test_a_share_of_the_episodes_stays_in_one_group() -> None:
    table = np.arange(12 * 4).reshape(12, 4)
    groups = np.repeat([0, 1], [8, 4])

    def groups_met(share: float, ways: int) -> list[set[int]]:
        episodes = draw_episodes(table, 400, ways, 2, np.random.default_rng(0), groups, share)
        assert all(len(set(characters)) == ways for characters in episodes.characters)
        return [set(groups[characters]) for characters in episodes.characters]

    one = [len(met) == 1 for met in groups_met(1.0, 4)]
    assert all(one)
    assert np.mean([met == {0} for met in groups_met(1.0, 4)]) == pytest.approx(8 / 12, abs=0.07), "by size"
    by_chance = np.mean([len(met) == 1 for met in groups_met(0.0, 4)])
    assert np.mean([len(met) == 1 for met in groups_met(0.5, 4)]) == pytest.approx(
        0.5 + 0.5 * by_chance, abs=0.08
    )
    assert {0, 1} in groups_met(1.0, 5), "the group of four is filled up"


def test_without_a_share_groups_change_nothing() -> None:
    table = np.arange(12 * 4).reshape(12, 4)
    plain = draw_episodes(table, 9, 5, 2, np.random.default_rng(3))
    grouped = draw_episodes(table, 9, 5, 2, np.random.default_rng(3), np.repeat([0, 1], 6), 0.0)
    np.testing.assert_array_equal(plain.rows, grouped.rows)
