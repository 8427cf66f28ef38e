"""Intervals of shares against the equation that defines them."""

from __future__ import annotations

import numpy as np
import pytest

from etudes.evaluation.shares import wilson


@pytest.mark.parametrize(("share", "count"), [(0.0, 20), (0.3, 20), (0.97, 300), (1.0, 300)])
def test_wilson_ends_solve_the_equation_that_defines_them(share: float, count: int) -> None:
    low, high = wilson(share, count, 0.95)
    assert 0 <= low <= share <= high <= 1 and high - low > 0.005
    for end in (low, high):
        z = 1.959964  # of a normal distribution, for 95 %
        assert abs(share - end) == pytest.approx(z * np.sqrt(end * (1 - end) / count), abs=1e-6)
