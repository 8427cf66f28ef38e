"""Logits of photos under a strip, without computing again what the strip cannot reach.

A strip in the top rows changes only the features whose receptive field touches it. The first layers of a network are
therefore run on the top half of the photos, and their output is joined to the untouched photos' features, which are
computed once. The result is that of the whole network; learning a strip takes a fraction of the time.
"""

from __future__ import annotations

import logging
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from etudes.pipelines.adversarial_strip.networks import SmallNetwork, View, intensities
from etudes.vision.imagenet import standardised

logger = logging.getLogger(__name__)
LARGEST_CACHE = 2**30  # bytes of features kept of the untouched photos
CHUNK = 32  # photos of one pass that fills the cache
TOLERANCE = 1e-3  # of logits, relative to the largest


def local_layers(network: nn.Module) -> tuple[list[nn.Module], nn.Module]:
    """Layers that see neighbourhoods only, one after the other, and what follows them; none for a network unknown."""
    if isinstance(network, SmallNetwork):
        return list(network.features), network.head
    from torchvision.models import MobileNetV2, ResNet, SqueezeNet

    if isinstance(network, SqueezeNet):
        return list(network.features), nn.Sequential(network.classifier, nn.Flatten())
    if isinstance(network, MobileNetV2):
        tail = nn.Sequential(nn.AdaptiveAvgPool2d(1), nn.Flatten(), network.classifier)
        return list(network.features), tail
    if isinstance(network, ResNet):
        stem = [network.conv1, network.bn1, network.relu, network.maxpool]
        blocks = [block for k in range(1, 5) for block in getattr(network, f"layer{k}")]
        return [*stem, *blocks], nn.Sequential(network.avgpool, nn.Flatten(), network.fc)
    return [], network


class PastedPhotos:
    """N photos that a strip of ``rows`` rows is pasted on, and a view that judges them.

    Args:
        view: the network, its weights frozen.
        photos: (N, H, W, 3), uint8.
        rows: height of the strip in pixels.
        device: where to compute.
    """

    def __init__(
        self, view: View, photos: NDArray[np.uint8], rows: int, device: torch.device | str = "cpu"
    ) -> None:
        self.view = view.to(device).to(memory_format=torch.channels_last)
        self.rows, self.device = rows, device
        self.height = int(photos.shape[1])
        layers, self.tail = local_layers(view.network) if view.side is None else ([], view.network)
        self.cut, self.reached, self.needed = _reach(layers, photos.shape, rows, device)
        self.head = nn.Sequential(*layers[: self.cut])
        self.rest = nn.Sequential(*layers[self.cut :], self.tail)
        self.kept: Tensor | None = None
        below = np.ascontiguousarray(np.asarray(photos)[:, rows : self.needed])
        self.below = torch.from_numpy(below).to(device).permute(0, 3, 1, 2)
        if self.cut:
            self._fill(photos)

    def __len__(self) -> int:
        return len(self.below)

    def logits(self, strip: Tensor, indices: Any = slice(None)) -> Tensor:
        """Logits (n, classes) of the chosen photos under ``strip`` (3, rows, W), intensities in 0..1; differentiable.

        Raises:
            ValueError: a strip of another shape.
        """
        expected = (3, self.rows, self.below.shape[3])
        if tuple(strip.shape) != expected:
            raise ValueError(f"found a strip of shape {tuple(strip.shape)}; expected {expected}")
        below = self.below[indices].to(torch.float32) / 255
        photos = torch.cat([strip.expand(len(below), -1, -1, -1), below], 2)
        photos = photos.contiguous(memory_format=torch.channels_last)
        if self.kept is None:
            logits: Tensor = self.view(photos)
            return logits
        top = self.head(standardised(photos))[:, :, : self.reached]
        joined: Tensor = self.rest(torch.cat([top, self.kept[indices].to(top.dtype)], 2))
        return joined

    def _fill(self, photos: NDArray[np.uint8]) -> None:
        """Features of the untouched photos below what the strip reaches; whole passes where they are too many."""
        parts = []
        with torch.no_grad():
            for start in range(0, len(photos), CHUNK):
                chunk = intensities(np.asarray(photos[start : start + CHUNK]), self.device)
                features = self.head(standardised(chunk))[:, :, self.reached :]
                if features[0].numel() * 4 * len(photos) > LARGEST_CACHE:
                    return self._whole(photos)
                parts.append(features.contiguous(memory_format=torch.channels_last))
            self.kept = torch.cat(parts)
            few = np.asarray(photos[:2])
            noise = torch.rand(3, self.rows, photos.shape[2], generator=torch.Generator().manual_seed(0)).to(
                self.device
            )
            short = self.logits(noise, slice(0, 2))
            whole = intensities(few, self.device)
            whole[:, :, : self.rows] = noise
            expected = self.view(whole)
            error = (short - expected).abs().max() / expected.abs().max()
        if not error < TOLERANCE:
            logger.warning("The strip reaches further than was found (error %.1e): whole passes.", error)
            self._whole(photos)
        return None

    def _whole(self, photos: NDArray[np.uint8]) -> None:
        self.cut, self.kept, self.needed = 0, None, self.height
        below = np.ascontiguousarray(np.asarray(photos)[:, self.rows :])
        self.below = torch.from_numpy(below).to(self.device).permute(0, 3, 1, 2)


def _reach(
    layers: list[nn.Module], shape: tuple[int, ...], rows: int, device: torch.device | str
) -> tuple[int, int, int]:
    """Where to cut: number of layers, rows of their output that the strip reaches, rows of the photo those need.

    Not-a-number spreads to whatever is computed from it, so one pass with the strip's rows set to it shows what they
    reach, and one with the lower half of the photo shows what needs no more than the upper half. The deepest such cut
    is taken; (0, 0, height) where there is none.
    """
    height, width = shape[1:3]
    half = height // 2
    if rows >= half:
        return 0, 0, height
    best = (0, 0)
    with torch.no_grad():
        from_strip, from_half = (
            _spoilt(height, width, part, device) for part in (slice(rows), slice(half, None))
        )
        for number, layer in enumerate(layers, 1):
            from_strip, from_half = layer(from_strip), layer(from_half)
            reached = _last_row(from_strip)
            if torch.isnan(from_half[:, :, :reached]).any():
                break
            if reached < from_strip.shape[2]:
                best = (number, reached)
        cut, reached = best
        if not cut:
            return 0, 0, height
        head = nn.Sequential(*layers[:cut])
        low, high = rows, half
        while low < high:
            middle = (low + high) // 2
            spoilt = torch.isnan(
                head(_spoilt(height, width, slice(middle, None), device))[:, :, :reached]
            ).any()
            low, high = (middle + 1, high) if spoilt else (low, middle)
    return cut, reached, low


def _spoilt(height: int, width: int, part: slice, device: torch.device | str) -> Tensor:
    photo = torch.zeros(1, 3, height, width, device=device)
    photo[:, :, part] = float("nan")
    return photo


def _last_row(features: Tensor) -> int:
    """Rows up to the last one that holds a not-a-number."""
    rows = torch.isnan(features).flatten(0, 1).any(2).any(0)
    return int(rows.nonzero().max()) + 1 if rows.any() else 0
