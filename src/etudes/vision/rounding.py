"""Weights on a grid of few values: the grid, its bytes, and training that sees it. PyTorch and numpy alone."""

from __future__ import annotations

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

CLIPS = tuple(
    1 - 0.05 * place for place in range(13)
)  # shares of the largest weight that are tried as the end of the grid
Bytes = NDArray[np.uint8]


def scales_of(weights: Tensor, bits: int) -> Tensor:
    """The step s of the grid of each output channel (O,): of the steps that end the grid at a share of the channel's largest weight the
    one with the least squared error.

    With 8 bits that is the largest weight itself, with 4 less: what is cut off costs less than what a finer grid gains.

    Args:
        weights: (O, ...).
        bits: of a code, which goes from -(2^(b-1) - 1) to 2^(b-1) - 1.
    """
    flat, most = weights.detach().flatten(1), 2 ** (bits - 1) - 1
    largest = flat.abs().amax(1).clamp(min=1e-12)
    steps = torch.stack([largest * share / most for share in CLIPS])  # (clips, O)
    codes = (flat / steps[..., None]).round().clamp(-most, most)
    errors = torch.square(codes * steps[..., None] - flat).sum(2)
    return steps.gather(0, errors.argmin(0, keepdim=True))[0]


def codes_of(weights: Tensor, scales: Tensor, bits: int) -> Tensor:
    """round(w / s), cut off at the ends of the grid: whole numbers, of the weights' shape."""
    most = 2 ** (bits - 1) - 1
    return (weights / _along(scales, weights)).round().clamp(-most, most)


def rounded(weights: Tensor, bits: int) -> Tensor:
    """The nearest weights of the grid; the gradient goes through as if nothing had happened (the straight-through estimator,
    Bengio et al. 2013, arXiv:1308.3432)."""
    scales = scales_of(weights, bits)
    grid = codes_of(weights.detach(), scales, bits) * _along(scales, weights)
    return weights + (grid - weights).detach()


def _along(scales: Tensor, weights: Tensor) -> Tensor:
    return scales.view(-1, *[1] * (weights.ndim - 1))


def to_bytes(codes: NDArray, bits: int) -> Bytes:
    """Codes (n,) as bytes: of 4 bits two in a byte, the first in the lower half."""
    if bits == 32:
        return codes.astype("<f4").view(np.uint8)
    if bits == 16:
        return codes.astype("<f2").view(np.uint8)
    if bits == 8:
        return codes.astype(np.int8).view(np.uint8)
    nibbles = np.zeros(len(codes) + len(codes) % 2, np.uint8)
    nibbles[: len(codes)] = codes.astype(np.int8) + 8
    return np.asarray(nibbles[::2] | nibbles[1::2] << 4, np.uint8)


def from_bytes(packed: Bytes, count: int, bits: int) -> NDArray[np.float32]:
    """The ``count`` codes again."""
    kinds: dict[int, str] = {32: "<f4", 16: "<f2", 8: "i1"}
    if bits in kinds:
        return np.asarray(packed.view(kinds[bits])[:count], np.float32)
    halves = np.stack([packed & 15, packed >> 4], axis=1).ravel()[:count]
    return np.asarray(halves, np.float32) - np.float32(8)


def length(count: int, bits: int) -> int:
    """Bytes of ``count`` codes."""
    return (count * bits + 7) // 8
