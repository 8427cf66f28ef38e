"""Pictures the way every ImageNet network wants them."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

if TYPE_CHECKING:
    from torch import Tensor

IMAGENET_MEAN = (0.485, 0.456, 0.406)
IMAGENET_STD = (0.229, 0.224, 0.225)


def normalised(pixels: NDArray[np.uint8], device: str = "cpu") -> Tensor:
    """Pixels (N, H, W, 3), uint8, as the input of an ImageNet network: (N, 3, H, W), float32, standardised by channel.

    Raises:
        ValueError: another shape or type.
    """
    import torch

    if pixels.ndim != 4 or pixels.shape[3] != 3 or pixels.dtype != np.uint8:
        raise ValueError(
            f"expected pixels (N, H, W, 3) of type uint8, found {pixels.shape} of type {pixels.dtype}"
        )
    return standardised_bytes(torch.from_numpy(np.array(pixels)).to(device))


def standardised_bytes(pixels: Tensor) -> Tensor:
    """The same of a tensor of bytes (N, H, W, 3) that is on its device already; the result has its channels last in memory."""
    import torch

    return standardised(pixels.permute(0, 3, 1, 2).to(torch.float32).div_(255))


def standardised(batch: Tensor) -> Tensor:
    """Intensities (N, 3, H, W) in 0..1 with ImageNet's mean taken off and divided by its standard deviation."""
    mean = batch.new_tensor(IMAGENET_MEAN).view(1, 3, 1, 1)
    std = batch.new_tensor(IMAGENET_STD).view(1, 3, 1, 1)
    return (batch - mean) / std
