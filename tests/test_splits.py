"""Parts of data: shares of the classes in every stretch of an order."""

from __future__ import annotations

import numpy as np

from etudes.splits import spread


def test_every_stretch_holds_the_strata_in_their_shares() -> None:
    strata = np.repeat([0, 1], [75, 25])
    order = spread(strata, np.random.default_rng(0))
    assert sorted(order) == list(range(100))
    for start in (0, 20, 60):
        assert abs(strata[order[start : start + 40]].sum() - 10) <= 1
