"""Whether a map tells what an answer hangs on: scores as pixels are taken away, or given, in the order of the map."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor


def order_of(heat: NDArray[np.floating], generator: np.random.Generator, side: int = 1) -> NDArray[np.intp]:
    """Pixels (H * W,) of a map (H, W), the highest first; chance decides among equal ones, not their place.

    Args:
        heat: the map.
        generator: of what chance decides.
        side: of squares that come as a whole, in the order of their means, pixels.

    Raises:
        ValueError: a value that is not finite, or a side that does not divide those of the map.
    """
    height, width = heat.shape
    if not np.isfinite(heat).all():
        raise ValueError("the map holds values that are not finite; expected numbers to put pixels in order")
    if height % side or width % side:
        raise ValueError(
            f"a map of {height} x {width} cannot be cut into squares of {side}; expected a divisor of both"
        )
    squares = heat.reshape(height // side, side, width // side, side).mean((1, 3))
    place = np.empty(squares.size, dtype=np.int64)
    place[np.lexsort((generator.random(squares.size), -squares.ravel()))] = np.arange(squares.size)
    whole = place.reshape(squares.shape).repeat(side, 0).repeat(side, 1)
    return np.argsort(whole.ravel(), kind="stable")


def curves(
    view: Callable[[Tensor], Tensor],
    start: Tensor,
    end: Tensor,
    label: int,
    orders: NDArray[np.intp],
    steps: int,
    batch_size: int,
) -> NDArray[np.float64]:
    """Scores (M, steps + 1) of a class while pixels of ``start`` become those of ``end``, in equal parts of M orders.

    Deletion (Petsiuk et al. 2018) goes from the photo to a covered one, insertion from a blurred one to the photo. The
    two ends are the same for all orders and asked once.

    Args:
        view: intensities (n, 3, H, W) -> probabilities (n, classes).
        start, end: (3, H, W).
        label: the class.
        orders: (M, H * W), pixels, first to change first.
        steps: equal parts.
        batch_size: pictures of one pass.

    Raises:
        ValueError: pictures of different shapes, or orders of another number of pixels.
    """
    pixels = start[0].numel()
    if start.shape != end.shape or orders.ndim != 2 or orders.shape[1] != pixels:
        raise ValueError(
            f"start {tuple(start.shape)}, end {tuple(end.shape)} and orders {orders.shape}; expected equal shapes and orders "
            f"(M, {pixels}), a place for each pixel"
        )
    ranks = np.empty(orders.shape, dtype=np.int64)
    np.put_along_axis(ranks, orders, np.arange(pixels)[None], axis=1)
    of_map = torch.from_numpy(ranks.reshape(-1, *start.shape[1:])).to(start.device)
    # In whole numbers, so that the last step changes the last pixel.
    changed = [pixels * step // steps for step in range(1, steps)]
    asked = [(row, count) for row in range(len(orders)) for count in changed]
    found = np.empty((len(orders), steps + 1))
    with torch.inference_mode():
        ends = view(torch.stack([start, end]))[:, label].double().cpu().numpy()
        between = [
            view(
                torch.stack(
                    [
                        torch.where(of_map[row] < count, end, start)
                        for row, count in asked[at : at + batch_size]
                    ]
                )
            )[:, label]
            for at in range(0, len(asked), batch_size)
        ]
    found[:, [0, -1]] = ends
    if between:
        found[:, 1:-1] = torch.cat(between).double().cpu().numpy().reshape(len(orders), -1)
    return found


def areas(scores: NDArray[np.float64]) -> NDArray[np.float64]:
    """Areas (M,) under scores (M, n) at equal distances on 0..1, by the trapezoidal rule."""
    found: NDArray[np.float64] = (scores[:, 1:] + scores[:, :-1]).sum(1) / 2 / (scores.shape[1] - 1)
    return found
