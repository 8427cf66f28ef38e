"""Structural similarity against windows written out one by one."""

from __future__ import annotations

import numpy as np
import pytest

from etudes.vision.similarity import ssim


def pair(side: int = 14) -> tuple[np.ndarray, np.ndarray]:
    generator = np.random.default_rng(0)
    first = generator.integers(0, 256, (2, side, side, 3), dtype=np.uint8)
    noise = generator.integers(-30, 31, first.shape)
    return first, (first + noise).clip(0, 255).astype(np.uint8)


def test_it_is_the_mean_over_windows_of_the_equation() -> None:
    first, second = pair()
    places = np.arange(-5, 6)
    window = np.exp(-(places[:, None] ** 2 + places**2) / (2 * 1.5**2))
    window /= window.sum()
    values = []
    for a, b in zip(first[0].astype(float).T, second[0].astype(float).T, strict=True):
        for y in range(4):
            for x in range(4):
                u, v = a[y : y + 11, x : x + 11], b[y : y + 11, x : x + 11]
                m, n = (window * u).sum(), (window * v).sum()
                s, t, c = (
                    (window * (u - m) ** 2).sum(),
                    (window * (v - n) ** 2).sum(),
                    (window * (u - m) * (v - n)).sum(),
                )
                c1, c2 = 2.55**2, 7.65**2
                values.append((2 * m * n + c1) * (2 * c + c2) / ((m * m + n * n + c1) * (s + t + c2)))
    assert ssim(first, second)[0] == pytest.approx(np.mean(values), abs=1e-9)


def test_equal_pictures_are_alike_and_order_does_not_matter() -> None:
    first, second = pair()
    assert np.allclose(ssim(first, first), 1)
    assert np.allclose(ssim(first, second), ssim(second, first)) and (ssim(first, second) < 1).all()


def test_other_shapes_types_and_small_pictures_are_refused() -> None:
    first, second = pair()
    with pytest.raises(ValueError, match="expected the same"):
        ssim(first, second[:1])
    with pytest.raises(ValueError, match="expected the same"):
        ssim(first, second.astype(float))  # type: ignore[arg-type]
    with pytest.raises(ValueError, match="sides of 11 or more"):
        ssim(first[:, :10], second[:, :10])
