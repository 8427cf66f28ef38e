"""Splits: stratified, seeded, equal rows on one side."""

from __future__ import annotations

import numpy as np

from etudes.splits import stratified_groups, without_repeats


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
