"""Training pictures altered as whole batches of bytes: nothing is done picture by picture."""

from __future__ import annotations

import torch
from torch import Tensor


def shifted_and_mirrored(pixels: Tensor, shift: int, mirror: bool) -> Tensor:
    """Each picture moved by its own whole number of pixels in -shift..shift in both directions, its edge repeated, and where
    ``mirror`` turned left to right with a chance of one half.

    Args:
        pixels: (n, H, W, C) of any type, on any device; draws are from torch's global generator on the CPU.
        shift: pixels.
        mirror: whether to mirror.
    """
    n, height, width, _ = pixels.shape
    if shift == 0 and not mirror:
        return pixels
    down, right = torch.randint(-shift, shift + 1, (2, n, 1))
    rows = (torch.arange(height) + down).clamp(0, height - 1)
    columns = (torch.arange(width) + right).clamp(0, width - 1)
    if mirror:
        columns = torch.where(torch.rand(n, 1) < 0.5, columns.flip(1), columns)
    rows, columns = rows.to(pixels.device), columns.to(pixels.device)
    which = torch.arange(n, device=pixels.device)
    return pixels[which[:, None, None], rows[:, :, None], columns[:, None, :]]
