"""Whether a map tells what an answer hangs on: scores as pixels are taken away, or given, in the order of the map."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor


def order_of(heat: NDArray[np.floating], generator: np.random.Generator) -> NDArray[np.intp]:
    """Pixels (H * W,) of a map (H, W), the highest first; chance decides among equal ones, not their place.

    Raises:
        ValueError: a value that is not finite.
    """
    if not np.isfinite(heat).all():
        raise ValueError("the map holds values that are not finite; expected numbers to put pixels in order")
    return np.lexsort((generator.random(heat.size), -heat.ravel()))


def curve(
    view: Callable[[Tensor], Tensor],
    start: Tensor,
    end: Tensor,
    label: int,
    order: NDArray[np.intp],
    steps: int,
) -> NDArray[np.float64]:
    """Scores (steps + 1,) of a class while pixels of ``start`` become those of ``end``, in equal parts of the order.

    Deletion (Petsiuk et al. 2018) goes from the photo to a covered one, insertion from a blurred one to the photo.

    Args:
        view: intensities (n, 3, H, W) -> probabilities (n, classes).
        start, end: (3, H, W).
        label: the class.
        order: pixels, first to change first.
        steps: passes but one; all are made as one batch.

    Raises:
        ValueError: pictures of different shapes, or an order of another number of pixels.
    """
    if start.shape != end.shape or order.size != start[0].numel():
        raise ValueError(
            f"start {tuple(start.shape)}, end {tuple(end.shape)} and an order of {order.size} pixels; expected equal shapes "
            "and a place for each pixel"
        )
    rank = np.empty(order.size, dtype=np.int64)
    rank[order] = np.arange(order.size)
    ranks = torch.from_numpy(rank.reshape(start.shape[1:])).to(start.device)
    # In whole numbers, so that the last step changes the last pixel.
    changed = torch.arange(steps + 1, device=start.device) * order.size // steps
    with torch.inference_mode():
        pictures = torch.where((ranks < changed[:, None, None])[:, None], end, start)
        return view(pictures)[:, label].double().cpu().numpy()


def area(scores: NDArray[np.float64]) -> float:
    """Area under scores at equal distances on 0..1, by the trapezoidal rule."""
    return float((scores[1:] + scores[:-1]).sum() / 2 / (len(scores) - 1))
