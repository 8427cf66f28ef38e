"""Parts of data: groups that are held out or stay whole, repeats, shares of the classes in every stretch of an order."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from etudes.splits import among, dealt, hold_out, spread, spread_evenly, stratified_groups, without_repeats

ROWS = pd.DataFrame({"a": [0, 0, 1, 1, 2], "b": [1, 1, 0, 2, 2]})


def test_whole_groups_are_held_out() -> None:
    heldout, seen = hold_out(ROWS, ["a", "b"], 0.5, np.random.default_rng(0))
    assert len(heldout) == len(seen) == 2 and sorted([*heldout, *seen]) == [[0, 1], [1, 0], [1, 2], [2, 2]]
    held = among(ROWS, ["a", "b"], heldout)
    assert held.tolist() == [[a, b] in heldout for a, b in ROWS.to_numpy().tolist()]
    assert len(hold_out(ROWS, ["a"], 0.01, np.random.default_rng(0), least=2)[0]) == 2


def test_a_group_is_left_for_training() -> None:
    with pytest.raises(
        ValueError, match="3 are different, of which 3 would be held out; expected some for training"
    ):
        hold_out(ROWS, ["a"], 0.99, np.random.default_rng(0))


def test_every_stretch_holds_the_strata_in_their_shares() -> None:
    strata = np.repeat([0, 1], [75, 25])
    order = spread(strata, np.random.default_rng(0))
    assert sorted(order) == list(range(100))
    for start in (0, 20, 60):
        assert abs(strata[order[start : start + 40]].sum() - 10) <= 1


def test_groups_stay_whole_and_each_class_gives_its_share() -> None:
    labels = np.repeat(["a", "b"], 40)
    groups = np.array([f"{label}{number // 2}" for label, number in zip(labels, range(80), strict=True)])
    chosen = stratified_groups(labels, groups, 0.25, 3)
    assert not set(groups[chosen]) & set(groups[~chosen])
    assert [int(chosen[labels == label].sum()) for label in ("a", "b")] == [10, 10]
    assert np.array_equal(chosen, stratified_groups(labels, groups, 0.25, 3))
    assert not np.array_equal(chosen, stratified_groups(labels, groups, 0.25, 4))


def test_a_group_is_always_left_and_names_of_groups_decide_nothing() -> None:
    labels, groups = np.array(["a", "a", "b"]), np.array(["x", "x", "y"])
    assert not stratified_groups(labels, groups, 0.9, 0).any()
    names = np.array(list("edcba"))
    found = stratified_groups(np.zeros(5), names, 0.4, 1)
    assert (
        np.array_equal(found, stratified_groups(np.zeros(5), names[::-1].copy(), 0.4, 1)) and found.sum() == 2
    )


def test_rows_of_test_and_repeated_rows_are_dropped_once() -> None:
    train = np.array(["p", "q", "q", "t", "t", "r"])
    kept, dropped = without_repeats(train, np.array(["t", "u"]))
    assert kept.tolist() == [True, True, False, False, False, True]
    assert dropped == {"dropped_because_in_test": 2, "dropped_because_repeated": 1}


def test_folds_are_even_and_hold_groups_whole() -> None:
    groups = np.random.default_rng(0).integers(0, 60, 300)
    fold = dealt(groups, 5, seed=1)
    assert all(len(set(fold[groups == group])) == 1 for group in set(groups))
    sizes = np.bincount(fold)
    assert sizes.max() - sizes.min() <= np.bincount(groups).max()
    assert (dealt(groups, 5, seed=2) != fold).any() and np.array_equal(dealt(groups, 5, seed=1), fold)
    with pytest.raises(ValueError, match="2 groups cannot be dealt into 3 folds"):
        dealt(np.array([0, 0, 1]), 3, seed=0)


def test_even_places_hold_the_first_and_the_last() -> None:
    assert spread_evenly(100, 5).tolist() == [0, 25, 50, 74, 99]
    assert spread_evenly(3, 10).tolist() == [0, 1, 2] and not len(spread_evenly(0, 4))
