"""Networks of different shapes with equally many weights. PyTorch alone."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import nn


def weights(make: Callable[[], nn.Module]) -> int:
    """How many numbers a network learns; nothing is allocated."""
    with torch.device("meta"):
        return sum(parameter.numel() for parameter in make().parameters())


def nearest_width(make: Callable[[int], nn.Module], target: int) -> int:
    """The width whose network has the number of weights nearest to ``target``; more width must mean more weights."""

    def weights_at(width: int) -> int:
        return weights(lambda: make(width))

    low, high = 1, 2
    while weights_at(high) < target:
        low, high = high, 2 * high
    while high - low > 1:
        middle = (low + high) // 2
        low, high = (middle, high) if weights_at(middle) < target else (low, middle)
    return min((low, high), key=lambda width: abs(weights_at(width) - target))
