"""A variant's model: Gaussians of patches for each category, heat maps and thresholds."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Literal

import numpy as np
import torch
from torch import Tensor, nn

from etudes.models import register_model
from etudes.pipelines.anomaly_padim.gaussian import PatchGaussian, PatchStatistics
from etudes.stored import Stored
from etudes.vision.heat_maps import heat_maps
from etudes.vision.imagenet import normalised

Source = Literal["network", "colour"]
COLOUR_PATCH = 4  # pixels: as large as the patches of a ResNet's first stage


class Colours:
    """What `mean_image` looks through in the place of a network: the standardised mean colour of small patches."""

    channels = 0  # that could be chosen

    def embed(
        self, pixels: np.ndarray, channels: np.ndarray, batch_size: int, device: torch.device
    ) -> Iterator[Tensor]:
        """Colours (n, 3, h, w) of pictures (N, H, W, 3), uint8, batch by batch."""
        for start in range(0, len(pixels), batch_size):
            colours = normalised(pixels[start : start + batch_size], str(device))
            yield nn.functional.avg_pool2d(colours, COLOUR_PATCH)


@register_model("anomaly_padim.statistics")
@dataclass(frozen=True)
class Statistics(Stored):
    """Mean and covariance of each patch of each category, over a pool of channels: fitted once for all variants.

    Attributes:
        channels: (C,) rising indices of the pool among the network's channels.
        grid: rows and columns of patches.
        categories: the statistics of each.
    """

    channels: np.ndarray
    grid: list[int]
    categories: dict[str, PatchStatistics]


@register_model("anomaly_padim.detector")
@dataclass(frozen=True)
class Detector(Stored):
    """Heat maps and decisions of one variant.

    Attributes:
        source: what the vectors are: the network's features, or colours.
        channels: (C,) the network's channels that `maps` is given; empty for colours.
        size: pixels of a side of a heat map.
        sigma: pixels of its blur.
        gaussians: for each category one Gaussian, or one of each random draw. Answers are those of the first.
        thresholds: the score of each category from which a picture is called anomalous.
    """

    source: Source
    channels: np.ndarray
    size: int
    sigma: float
    gaussians: dict[str, list[PatchGaussian]]
    thresholds: dict[str, float]

    @property
    def draws(self) -> int:
        return len(next(iter(self.gaussians.values())))

    def maps(self, vectors: Tensor, category: str, draw: int = 0, batch_size: int = 16) -> np.ndarray:
        """Heat maps (n, size, size), float32, of vectors (n, C, h, w).

        Raises:
            ValueError: a category that the model does not know.
        """
        if category not in self.gaussians:
            known = ", ".join(self.gaussians)
            raise ValueError(f"category '{category}' is not known to this model; it knows {known}")
        gaussian, parts = self.gaussians[category][draw], []
        for batch in vectors.split(batch_size):
            distances = gaussian.distances(batch.flatten(2)).unflatten(1, batch.shape[2:])
            parts.append(heat_maps(distances, self.size, self.sigma).cpu().numpy())
        return np.concatenate(parts)
