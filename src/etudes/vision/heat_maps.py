"""Heat maps: from a grid of values to the pixels of a picture, and drawn over it; outlines and cut-outs of masks."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

if TYPE_CHECKING:
    from torch import Tensor

Pixels = NDArray[np.uint8]
Mask = NDArray[np.bool_]
OUTLINE = (255, 255, 255)
# From clear over yellow and orange to dark red: rising warmth and falling lightness, readable without colour vision.
WARMTH = np.array([[255, 237, 160], [254, 178, 76], [240, 59, 32], [128, 0, 38]], dtype=np.float64)
FULL = 2.0  # the map's value, in thresholds, that has the last colour
HIGHEST = 0.7  # where the scale of ranks begins; its lowest quarter is clear as well


def heat_maps(values: Tensor, size: int, sigma: float) -> Tensor:
    """Values (n, h, w) as maps (n, size, size): bilinear upsampling, then a Gaussian blur of ``sigma`` pixels."""
    from torch.nn.functional import interpolate

    if values.shape[-2:] != (size, size):
        values = interpolate(values[:, None], (size, size), mode="bilinear", align_corners=False)[:, 0]
    return blurred(values, sigma)


def blurred(maps: Tensor, sigma: float) -> Tensor:
    """Gaussian blur of maps (n, h, w), the kernel cut at 4 sigma, edges mirrored."""
    import torch
    from torch.nn.functional import conv2d, pad

    radius = min(int(4 * sigma + 0.5), min(maps.shape[-2:]) - 1)
    if radius < 1:
        return maps
    at = torch.arange(-radius, radius + 1, device=maps.device, dtype=maps.dtype)
    kernel = torch.exp(-0.5 * (at / sigma) ** 2)
    kernel = (kernel / kernel.sum()).view(1, 1, 1, -1)
    padded = pad(maps[:, None], (radius, radius, radius, radius), mode="reflect")
    return conv2d(conv2d(padded, kernel), kernel.transpose(2, 3))[:, 0]


def overlay(pixels: Pixels, heat: NDArray, threshold: float) -> Pixels:
    """A heat map (H, W) over its picture (H, W, 3), uint8.

    The scale is that of the threshold, for all pictures the same: nothing is drawn below half of it, colours end at
    twice the threshold. No picture is scaled by its own extremes, so a normal one stays clear.
    """
    share = ((heat.astype(np.float64) / threshold - 0.5) / (FULL - 0.5)).clip(0, 1)
    at = share * (len(WARMTH) - 1)
    colour = np.stack([np.interp(at, np.arange(len(WARMTH)), WARMTH[:, c]) for c in range(3)], axis=-1)
    opacity = (0.8 * np.minimum(1.0, 3 * share))[..., None]
    return np.round((1 - opacity) * pixels + opacity * colour).astype(np.uint8)


def overlay_of_ranks(pixels: Pixels, ranks: NDArray) -> Pixels:
    """The highest pixels of a map, given as ranks (H, W) in 0..1, over its picture (H, W, 3): maps of any scale and sign
    compare."""
    return overlay(pixels, ((ranks - HIGHEST) / (1 - HIGHEST)).clip(0, 1), 0.5)


def outlined(pixels: Pixels, mask: Mask) -> Pixels:
    """A picture (H, W, 3) with the outline of a mask (H, W): white with a black edge, so that it shows on both."""
    from scipy.ndimage import binary_dilation, binary_erosion

    result = pixels.copy()
    line = mask & ~binary_erosion(mask, iterations=2, border_value=1)
    result[binary_dilation(line, iterations=1) & ~line] = 0
    result[line] = OUTLINE
    return result


def cut_out(pixels: Pixels, mask: Mask) -> Pixels:
    """A picture (H, W, 3) darkened outside of a mask (H, W)."""
    return np.where(mask[..., None], pixels, pixels // 4).astype(np.uint8)
