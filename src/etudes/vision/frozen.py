"""Frozen features of pictures, and features of altered views of them. Nothing here learns from a label.

Letters of shapes: N pictures of S x S pixels, F features, V views, D principal components.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Self

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from etudes.models import register_model
from etudes.stored import Stored
from etudes.vision.imagenet import standardised
from etudes.vision.parameters import ViewParameters, ViewsParameters

ORIENTATIONS = 8
CELLS = 7  # of a side, at most
BATCH = 500
FloatArray = NDArray[np.float32]


def intensities(pixels: NDArray[np.uint8]) -> Tensor:
    """Pixels (N, S, S) or (N, S, S, 3), uint8, as (N, 1 or 3, S, S), float32 in 0..1.

    Raises:
        ValueError: another shape or type.
    """
    if pixels.dtype != np.uint8 or pixels.ndim not in (3, 4) or pixels.shape[3:] not in ((), (3,)):
        raise ValueError(
            f"expected pixels (N, S, S) or (N, S, S, 3) of type uint8, found {pixels.shape} of type {pixels.dtype}"
        )
    batch = torch.from_numpy(np.array(pixels))
    batch = batch.unsqueeze(1) if batch.ndim == 3 else batch.permute(0, 3, 1, 2)
    return batch.to(torch.float32).div_(255)


def gradient_histograms(batch: Tensor) -> Tensor:
    """How much brightness rises in each of eight directions in each cell, and of colour pictures each cell's mean colour.

    After Dalal and Triggs (CVPR 2005): for direction a, the mean over a cell of max(0, cos(a) g_x + sin(a) g_y), whose square
    root is taken; g are central differences, zero beyond the border. The grid has seven cells a side, or as many as 4 x 4 pixels fill.

    Args:
        batch: (N, C, S, S) in 0..1, C = 1 or 3.

    Returns:
        (N, F), F = cells^2 * 8 of grey pictures, cells^2 * 11 of colour pictures.
    """
    side = batch.shape[-1]
    grid = nn.AdaptiveAvgPool2d(min(CELLS, side // 4))
    padded = nn.functional.pad(batch.mean(1, keepdim=True), (1, 1, 1, 1))
    across = padded[..., 1:-1, 2:] - padded[..., 1:-1, :-2]
    down = padded[..., 2:, 1:-1] - padded[..., :-2, 1:-1]
    angles = torch.arange(ORIENTATIONS) * (2 * torch.pi / ORIENTATIONS)
    rising = torch.cat([(np.cos(a) * across + np.sin(a) * down).relu_() for a in angles.tolist()], 1)
    maps = [grid(rising).sqrt_(), *([grid(batch)] if batch.shape[1] == 3 else [])]
    return torch.cat([found.flatten(1) for found in maps], 1)


class Backbone:
    """The means (N, 384) of the last maps of a pretrained network's first three stages, from pictures (N, 3, S, S)."""

    def __init__(self, network: nn.Module, name: str) -> None:
        from etudes.vision.taps import tapped

        self.stages = tapped(network, name)

    def __call__(self, batch: Tensor) -> Tensor:
        return self.stages(standardised(batch))[-1].mean((2, 3))


def seen(pixels: NDArray[np.uint8], look: Any = gradient_histograms) -> FloatArray:
    """Features (N, F) of pixels (N, S, S) or (N, S, S, 3)."""
    with torch.inference_mode():
        parts = [look(intensities(pixels[at : at + BATCH])) for at in range(0, len(pixels), BATCH)]
    return torch.cat(parts).numpy()


def views(
    pixels: NDArray[np.uint8], how: ViewsParameters, seed: int, look: Any = gradient_histograms
) -> tuple[FloatArray, FloatArray]:
    """Features of ``how.count`` weak and as many strong views of each picture: (N, V, F) each."""
    generator, found = torch.Generator().manual_seed(seed), []
    with torch.inference_mode():
        for view in (how.weak, how.strong):
            parts = []
            for at in range(0, len(pixels), BATCH):
                batch = intensities(pixels[at : at + BATCH])
                parts.append(
                    torch.stack([look(altered(batch, view, generator)) for _ in range(how.count)], 1)
                )
            found.append(torch.cat(parts).numpy())
    return found[0], found[1]


def altered(batch: Tensor, view: ViewParameters, generator: torch.Generator) -> Tensor:
    """Each picture of (N, C, S, S) in an affine view and a light of its own, both drawn; what moves in repeats the border.

    A pixel at (x, y) of the view, in -1..1, shows the picture at A (x, y) + t, A = z R(a) [[1, h], [0, 1]], with angle a, zoom z, shear
    h and shift t each uniform within ``view``'s limits; mirrored with one half's chance where ``view.mirror``.
    """
    n = len(batch)

    def drawn(most: float) -> Tensor:
        return ((torch.rand(n, generator=generator) * 2 - 1) * most).to(batch.device)

    angle, zoom, shear = drawn(view.turn), 1 + drawn(view.zoom), drawn(view.shear)
    cos, sin = zoom * angle.cos(), zoom * angle.sin()
    sign = torch.where(drawn(1.0) < 0, -1.0, 1.0) if view.mirror else torch.ones_like(angle)
    first = torch.stack([sign * cos, cos * shear - sin, drawn(2 * view.shift)], 1)
    second = torch.stack([sign * sin, sin * shear + cos, drawn(2 * view.shift)], 1)
    grid = nn.functional.affine_grid(torch.stack([first, second], 1), list(batch.shape), align_corners=False)
    moved = nn.functional.grid_sample(batch, grid, padding_mode="border", align_corners=False)
    return (moved * (1 + drawn(view.light)).view(n, 1, 1, 1)).clamp_(0, 1)


@register_model("frozen.projection")
@dataclass(eq=False)
class Projection(Stored):
    """z = (x - mean) W: principal components of features, all in the unit of their root mean square.

    Args:
        mean: (F,).
        weights: (F, D).
    """

    mean: FloatArray
    weights: FloatArray

    @classmethod
    def fit(cls, features: FloatArray, components: int) -> Self:
        """From the features (N, F) of all training pictures; ``components`` at most, and at most as many as there are."""
        mean = features.mean(axis=0, dtype=np.float64)
        centred = (features - mean.astype(np.float32)).astype(np.float32)
        values, vectors = np.linalg.eigh((centred.T @ centred).astype(np.float64) / len(features))
        kept = slice(max(0, len(values) - components), None)
        scale = np.sqrt(max(float(values[kept].mean()), 1e-12))
        return cls(mean.astype(np.float32), (vectors[:, kept] / scale).astype(np.float32))

    def z(self, features: FloatArray) -> FloatArray:
        """(..., F) -> (..., D)."""
        return ((features - self.mean) @ self.weights).astype(np.float32, copy=False)
