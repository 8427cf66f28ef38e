"""Distorted drawings: what each number does, and that nothing happens where none is asked."""

from __future__ import annotations

import numpy as np
import torch

from etudes.vision.distortion import distorted

NONE = {"turn": 0.0, "stretch": 0.0, "shear": 0.0, "move": 0.0}
EVERYTHING = {"turn": 14, "stretch": 0.2, "shear": 0.25, "move": 0.07}


class Fixed(np.random.Generator):
    """Draws the same number everywhere: the end of the range."""

    def __init__(self, value: float) -> None:
        super().__init__(np.random.PCG64(0))
        self.value = value

    def uniform(self, low: float, high: float, size: tuple[int, ...]) -> np.ndarray:  # type: ignore[override]
        assert (low, high) == (-1, 1)
        return np.full(size, self.value)


def blot(side: int = 21) -> torch.Tensor:
    """A bar (1, 1, side, side) right of the middle."""
    picture = torch.zeros(1, 1, side, side)
    picture[0, 0, 8:13, 13:15] = 1.0
    return picture


def test_no_distortion_gives_the_pictures_back() -> None:
    pictures = blot()
    assert distorted(pictures, np.random.default_rng(0), **NONE) is pictures


def test_each_picture_is_distorted_by_the_generator_alone() -> None:
    pictures = blot().expand(3, -1, -1, -1)
    first, again, other = (
        distorted(pictures, np.random.default_rng(seed), **EVERYTHING) for seed in (0, 0, 1)
    )
    torch.testing.assert_close(first, again, rtol=0, atol=0)
    assert not torch.equal(first, other) and not torch.equal(first[0], first[1])
    assert first.shape == pictures.shape and float(first.min()) >= 0 and float(first.max()) <= 1


def test_a_move_is_a_share_of_the_side() -> None:
    moved = distorted(blot(), Fixed(1.0), **{**NONE, "move": 2 / 21})
    # The map says where a pixel comes from: from further right and down.
    expected = torch.roll(blot(), (-2, -2), (2, 3))
    torch.testing.assert_close(moved, expected, atol=1e-5, rtol=0)


def test_a_turn_of_45_degrees_keeps_the_ink_and_its_distance_from_the_middle() -> None:
    turned = distorted(blot(), Fixed(1.0), **{**NONE, "turn": 45})
    places = torch.arange(21.0) - 10

    def middle(picture: torch.Tensor) -> torch.Tensor:
        ink = picture[0, 0]
        return torch.stack([(ink.sum(0) * places).sum(), (ink.sum(1) * places).sum()]) / ink.sum()

    assert abs(float(turned.sum()) - 10) < 0.3
    before, after = middle(blot()), middle(turned)
    torch.testing.assert_close(after.norm(), before.norm(), atol=0.1, rtol=0)
    cosine = float(before @ after / before.norm() / after.norm())
    assert abs(cosine - np.cos(np.pi / 4)) < 0.03


def test_a_stretch_makes_wider_and_a_shear_slants() -> None:
    def ink(**changed: float) -> torch.Tensor:
        return distorted(blot(), Fixed(-1.0), **{**NONE, **changed})[0, 0]

    assert float(ink(stretch=0.5).sum()) > 3 * 10, "twice as wide and twice as high"
    slanted = ink(shear=0.9)
    columns = [float((row * torch.arange(21)).sum() / row.sum()) for row in slanted[8:13]]
    steps = np.diff(columns)
    np.testing.assert_allclose(steps, 0.9, atol=0.05)
