"""Deletion and insertion against what a linear view must give."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from etudes.evaluation.faithfulness import areas, curves, order_of


def of_first_channel(pictures: torch.Tensor) -> torch.Tensor:
    """Two scores: the mean of the first channel, and one less it."""
    mean = pictures[:, 0].mean((1, 2))
    return torch.stack([mean, 1 - mean], 1)


@pytest.mark.parametrize("batch_size", [1, 3, 100])
def test_scores_fall_by_the_pixels_that_are_taken(batch_size: int) -> None:
    photo = torch.zeros(3, 4, 4, dtype=torch.float64)
    photo[0] = torch.arange(16).reshape(4, 4)
    order = order_of(photo[0].numpy(), np.random.default_rng(0))
    both = np.stack([order, order[::-1]])
    found = curves(of_first_channel, photo, torch.zeros_like(photo), 0, both, 8, batch_size)
    wanted = np.array([sum(range(16 - 2 * step)) / 16 for step in range(9)])
    assert np.allclose(found, [wanted, wanted[0] - wanted[::-1]]) and found[0, -1] == 0
    back = curves(of_first_channel, torch.zeros_like(photo), photo, 0, both, 8, batch_size)
    assert np.allclose(back, wanted[0] - found)


@pytest.mark.parametrize("steps", [1, 3, 5, 16, 20])
def test_the_last_step_changes_the_last_pixel(steps: int) -> None:
    start, end = torch.zeros(3, 4, 4), torch.ones(3, 4, 4)
    (found,) = curves(of_first_channel, start, end, 0, np.arange(16)[None], steps, 7)
    assert len(found) == steps + 1 and found[0] == 0 and found[-1] == 1 and (np.diff(found) >= 0).all()


def test_chance_orders_equal_pixels() -> None:
    heat = np.zeros((8, 8))
    heat[3, 4] = 1
    first, second = (order_of(heat, np.random.default_rng(seed)) for seed in (0, 1))
    assert first[0] == second[0] == 28 and not np.array_equal(first, second)
    assert sorted(first) == list(range(64))


def test_squares_come_as_a_whole_in_the_order_of_their_means() -> None:
    heat = np.zeros((4, 6))
    heat[2, 1], heat[:2, 4:] = 5, 1  # means 1.25, 1 and 0
    found = order_of(heat, np.random.default_rng(0), side=2)
    assert list(found[:8]) == [12, 13, 18, 19, 4, 5, 10, 11]
    for square in found.reshape(6, 4):
        rows, columns = np.divmod(square, 6)
        assert len(set(rows // 2)) == len(set(columns // 2)) == 1


def test_areas_are_those_of_numpy() -> None:
    scores = np.random.default_rng(0).random((3, 11))
    assert np.allclose(areas(scores), np.trapezoid(scores, dx=0.1, axis=1))
    assert areas(np.array([[1.0, 0.0]])) == [0.5]


def test_what_cannot_be_put_in_order_is_refused() -> None:
    with pytest.raises(ValueError, match="not finite"):
        order_of(np.array([[0.0, np.nan]]), np.random.default_rng(0))
    with pytest.raises(ValueError, match="4 x 6 cannot be cut into squares of 3"):
        order_of(np.zeros((4, 6)), np.random.default_rng(0), side=3)
    for orders in (np.arange(9)[None], np.arange(16)):
        with pytest.raises(ValueError, match=r"orders \(M, 16\)"):
            curves(of_first_channel, torch.zeros(3, 4, 4), torch.zeros(3, 4, 4), 0, orders, 3, 9)
