"""Parts of data: groups that are held out, shares of the classes in every stretch of an order."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from etudes.splits import among, hold_out, spread

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
