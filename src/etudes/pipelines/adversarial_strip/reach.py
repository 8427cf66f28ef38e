"""Logits of photos under a strip: by passes of the whole network, and without what the strip cannot reach.

A strip in the top rows changes only the features whose receptive field touches it. The first layers of a network are
therefore run on the top half of the photos, and their output is joined to the untouched photos' features, which are
computed once. The result is that of the whole network; learning a strip takes a fraction of the time.
"""

from __future__ import annotations

from bisect import bisect_left
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from etudes.pipelines.adversarial_strip.strip import Pixels
from etudes.vision.imagenet import standardised
from etudes.vision.victims import View, intensities, local_layers

LARGEST_CACHE = 2**30  # bytes of features kept of the untouched photos
CHUNK = 32  # photos of one pass that fills the cache


class PastedPhotos:
    """N photos that a strip of ``rows`` rows is pasted on, and a view that judges them.

    Whole passes serve where the strip reaches every feature, where the features are too many to keep, and where the view
    resizes its photos.

    Args:
        view: the network, its weights frozen.
        photos: (N, H, W, 3), uint8.
        rows: height of the strip in pixels.
        device: where to compute.
    """

    def __init__(self, view: View, photos: Pixels, rows: int, device: torch.device | str = "cpu") -> None:
        self.view = view.to(device).to(memory_format=torch.channels_last)
        below = torch.from_numpy(np.ascontiguousarray(photos[:, rows:]))
        self.below = below.to(device).permute(0, 3, 1, 2)
        layers, tail = local_layers(view.network) if view.side is None else ([], view.network)
        self.cut, self.reached, needed = reach(layers, photos.shape, rows, device)
        self.head = nn.Sequential(*layers[: self.cut])
        self.rest = nn.Sequential(*layers[self.cut :], tail)
        kept: list[Tensor] = []
        with torch.no_grad():
            for start in range(0, len(photos) if self.cut else 0, CHUNK):
                chunk = intensities(photos[start : start + CHUNK], device)
                features = self.head(standardised(chunk))[:, :, self.reached :]
                if features[0].numel() * 4 * len(photos) > LARGEST_CACHE:
                    self.cut = 0
                    break
                kept.append(features.contiguous(memory_format=torch.channels_last))
        if self.cut:
            self.kept = torch.cat(kept)
            self.below = self.below[:, :, : needed - rows].contiguous(memory_format=torch.channels_last)

    def __len__(self) -> int:
        return len(self.below)

    def logits(self, strip: Tensor, indices: Any = slice(None)) -> Tensor:
        """Logits (n, classes) of the chosen photos under ``strip`` (3, rows, W), intensities in 0..1; differentiable."""
        below = self.below[indices].to(torch.float32) / 255
        photos = torch.cat([strip.expand(len(below), -1, -1, -1), below], 2)
        photos = photos.contiguous(memory_format=torch.channels_last)
        if not self.cut:
            logits: Tensor = self.view(photos)
            return logits
        top = self.head(standardised(photos))[:, :, : self.reached]
        joined: Tensor = self.rest(torch.cat([top, self.kept[indices].to(top.dtype)], 2))
        return joined


def reach(
    layers: list[nn.Module], shape: tuple[int, ...], rows: int, device: torch.device | str
) -> tuple[int, int, int]:
    """Where to cut: number of layers, rows of their output that the strip reaches, rows of the photo those need.

    Not-a-number spreads to whatever is computed from it, so one pass with the strip's rows set to it shows what they
    reach, and one with the lower half of the photo shows what needs no more than the upper half. The deepest such cut
    is taken; (0, 0, height) where there is none.
    """
    height, width = shape[1:3]

    def spoilt(part: slice) -> Tensor:
        photo = torch.zeros(1, 3, height, width, device=device)
        photo[:, :, part] = float("nan")
        return photo

    half = height // 2
    cut, reached = 0, 0
    with torch.no_grad():
        from_strip, from_half = spoilt(slice(rows)), spoilt(slice(half, None))
        for number, layer in enumerate(layers if rows < half else [], 1):
            from_strip, from_half = layer(from_strip), layer(from_half)
            last = int(torch.isnan(from_strip).any(1).any(2).nonzero().max()) + 1
            if torch.isnan(from_half[:, :, :last]).any():
                break
            if last < from_strip.shape[2]:
                cut, reached = number, last
        if not cut:
            return 0, 0, height
        head = nn.Sequential(*layers[:cut])

        def suffices(needed: int) -> bool:
            return not torch.isnan(head(spoilt(slice(needed, None)))[:, :, :reached]).any()

        return cut, reached, rows + bisect_left(range(rows, half), True, key=suffices)
