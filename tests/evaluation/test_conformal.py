"""Conformal margins: by hand, and how much they hold."""

from __future__ import annotations

import numpy as np
import pytest

from etudes.evaluation.conformal import conformal_margin


def test_the_margin_is_the_order_statistic_that_is_asked_for() -> None:
    assert conformal_margin(np.array([3.0, -1.0, 2.0, -4.0]), 0.6) == 3.0  # the ceil(5 * 0.6)-th smallest
    assert conformal_margin(np.array([1.0, 2.0]), 0.9) == 2.0
    for wrong in (np.empty(0), np.ones((3, 1))):
        with pytest.raises(ValueError, match=r"residuals must be \(n,\)"):
            conformal_margin(wrong, 0.9)


def test_margins_hold_as_many_as_they_promise() -> None:
    rng, covered = np.random.default_rng(0), []
    for _ in range(400):
        drawn = rng.standard_t(3, size=60)
        covered.append((np.abs(drawn[50:]) <= conformal_margin(drawn[:50], 0.9)).mean())
    assert np.mean(covered) == pytest.approx(46 / 51, abs=0.012)  # ceil(51 * 0.9) of 51
