"""Tasks: what they promise of their draws."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch

from etudes.examples import Examples
from etudes.pipelines.meta_learning.families import CPU, CharacterFamily
from etudes.pipelines.meta_learning.tasks import Drawings, draw_episodes, draw_sinusoids, labels_of


def test_sinusoids_lie_in_their_ranges_and_on_their_curve(settings: Any) -> None:
    parameters, generator = settings("sinusoids"), np.random.default_rng(0)
    drawn = draw_sinusoids(parameters, 2000, 10, generator)
    for values, name in ((drawn.amplitude, "amplitude"), (drawn.phase, "phase"), (drawn.x, "range")):
        low, high = getattr(parameters, name)
        assert low <= values.min() < low + 0.05 * (high - low)
        assert high - 0.05 * (high - low) < values.max() <= high + 1e-6
    expected = drawn.amplitude[17] * np.sin(drawn.x[17] + drawn.phase[17])
    np.testing.assert_allclose(drawn.y[17], expected, rtol=1e-6)
    assert not np.isin(draw_sinusoids(parameters, 3, 5, generator).phase, drawn.phase).any(), "fresh tasks"


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


def test_batches_of_reptile_hold_each_character_as_often_in_different_drawings(
    characters: CharacterFamily,
) -> None:
    inputs, targets = characters.batches(np.random.default_rng(0), 3, 4, batch=2, shots=5)
    assert inputs.shape == (3, 4, 10, 1, 28, 28) and (torch.bincount(targets.reshape(-1)) == 24).all()
    flat = inputs.reshape(3, 4, 5, 2, -1)
    assert not torch.equal(flat[:, :, :, 0], flat[:, :, :, 1])
    assert (flat.flatten(3)[0, 0] != flat.flatten(3)[0, 1]).any(), "a batch is drawn anew for each step"


def test_training_drawings_are_distorted_and_dev_drawings_are_not(
    settings: Any, parts: Any, characters: CharacterFamily
) -> None:
    bent = CharacterFamily(settings("characters", distortion={"turn": 14}), *parts[:2], CPU)
    met, plain = (family.tasks(np.random.default_rng(0), 2, 1, 1) for family in (bent, characters))
    assert torch.equal(met.query_y, plain.query_y) and not torch.equal(met.query_x, plain.query_x)
    assert torch.equal(bent.held_out[0][0].query_x, characters.held_out[0][0].query_x)


def test_dev_queries_are_answered_alone_whatever_the_training_takes(settings: Any, parts: Any) -> None:
    alone, together = (
        CharacterFamily(settings("characters", normalisation=name, dev_tasks=40), *parts[:2], CPU)
        for name in ("support", "query")
    )
    weights = alone.learner.initial()
    assert together.dev(weights, (0.1,)) == alone.dev(weights, (0.1,))
    together.answering = together.learner
    assert together.dev(weights, (0.1,)) != alone.dev(weights, (0.1,))
