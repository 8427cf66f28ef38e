"""Deletion and insertion against what a linear view must give."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from etudes.evaluation.faithfulness import area, curve, order_of


def of_first_channel(pictures: torch.Tensor) -> torch.Tensor:
    """Two scores: the mean of the first channel, and one less it."""
    mean = pictures[:, 0].mean((1, 2))
    return torch.stack([mean, 1 - mean], 1)


def test_scores_fall_by_the_pixels_that_are_taken() -> None:
    photo = torch.zeros(3, 4, 4, dtype=torch.float64)
    photo[0] = torch.arange(16).reshape(4, 4)
    order = order_of(photo[0].numpy(), np.random.default_rng(0))
    found = curve(of_first_channel, photo, torch.zeros_like(photo), 0, order, 8)
    wanted = [sum(range(16 - 2 * step)) / 16 for step in range(9)]
    assert np.allclose(found, wanted) and found[-1] == 0
    back = curve(of_first_channel, torch.zeros_like(photo), photo, 0, order, 8)
    assert np.allclose(back, wanted[0] - found)


@pytest.mark.parametrize("steps", [3, 5, 16, 20])
def test_the_last_step_changes_the_last_pixel(steps: int) -> None:
    start, end = torch.zeros(3, 4, 4), torch.ones(3, 4, 4)
    found = curve(of_first_channel, start, end, 0, np.arange(16), steps)
    assert len(found) == steps + 1 and found[0] == 0 and found[-1] == 1 and (np.diff(found) >= 0).all()


def test_chance_orders_equal_pixels() -> None:
    heat = np.zeros((8, 8))
    heat[3, 4] = 1
    first, second = (order_of(heat, np.random.default_rng(seed)) for seed in (0, 1))
    assert first[0] == second[0] == 28 and not np.array_equal(first, second)
    assert sorted(first) == list(range(64))


def test_area_is_that_of_numpy() -> None:
    scores = np.random.default_rng(0).random(11)
    assert area(scores) == pytest.approx(np.trapezoid(scores, dx=0.1))
    assert area(np.array([1.0, 0.0])) == 0.5


def test_what_cannot_be_put_in_order_is_refused() -> None:
    with pytest.raises(ValueError, match="not finite"):
        order_of(np.array([[0.0, np.nan]]), np.random.default_rng(0))
    with pytest.raises(ValueError, match="an order of 9 pixels"):
        curve(of_first_channel, torch.zeros(3, 4, 4), torch.zeros(3, 4, 4), 0, np.arange(9), 3)
