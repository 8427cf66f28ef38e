"""A variant's model: Gaussians of patches for each category, heat maps and thresholds."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Literal, Protocol, Self

import numpy as np
import torch
from torch import Tensor, nn

from etudes.models import ModelState, register_model
from etudes.pipelines.anomaly_padim.gaussian import PatchGaussian, PatchStatistics
from etudes.vision.imagenet import normalised

Source = Literal["network", "colour"]
COLOURS, COLOUR_PATCH = 3, 4


class Rows(Protocol):
    """Pictures (N, H, W, 3), uint8, that are read when they are sliced: an array, or some rows of a memory map."""

    def __len__(self) -> int: ...
    def __getitem__(self, part: slice, /) -> np.ndarray: ...


def heat_maps(distances: Tensor, size: int, sigma: float) -> Tensor:
    """Distances (n, h, w) as maps (n, size, size): bilinear upsampling, then a Gaussian blur of ``sigma`` pixels."""
    if distances.shape[-2:] != (size, size):
        distances = nn.functional.interpolate(
            distances[:, None], (size, size), mode="bilinear", align_corners=False
        )[:, 0]
    return blurred(distances, sigma)


def blurred(maps: Tensor, sigma: float) -> Tensor:
    """Gaussian blur of maps (n, h, w), the kernel cut at 4 sigma, edges mirrored."""
    radius = min(int(4 * sigma + 0.5), min(maps.shape[-2:]) - 1)
    if radius < 1:
        return maps
    at = torch.arange(-radius, radius + 1, device=maps.device, dtype=maps.dtype)
    kernel = torch.exp(-0.5 * (at / sigma) ** 2)
    kernel = (kernel / kernel.sum()).view(1, 1, 1, -1)
    padded = nn.functional.pad(maps[:, None], (radius, radius, radius, radius), mode="reflect")
    across = nn.functional.conv2d(padded, kernel)
    return nn.functional.conv2d(across, kernel.transpose(2, 3))[:, 0]


def colour_vectors(pixels: Rows, batch_size: int, device: torch.device) -> Iterator[Tensor]:
    """The standardised colours of patches of `COLOUR_PATCH` pixels (n, 3, h, w), batch by batch: what `mean_image`
    looks at. The patches are as large as those of a ResNet's first stage."""
    for start in range(0, len(pixels), batch_size):
        colours = normalised(pixels[start : start + batch_size], str(device))
        yield nn.functional.avg_pool2d(colours, COLOUR_PATCH)


@register_model("anomaly_padim.statistics")
class Statistics:
    """Mean and covariance of each patch of each category, over a pool of channels: fitted once for all variants.

    Args:
        channels: (C,) rising indices of the pool among the network's channels.
        grid: rows and columns of patches.
        categories: the statistics of each.
    """

    registered_name: str

    def __init__(
        self, channels: np.ndarray, grid: tuple[int, int], categories: Mapping[str, PatchStatistics]
    ) -> None:
        self.channels, self.grid, self.categories = channels, grid, dict(categories)

    def state(self) -> ModelState:
        counts = {name: found.count for name, found in self.categories.items()}
        state = ModelState({"grid": list(self.grid), "counts": counts}, {"channels": self.channels})
        for name, found in self.categories.items():
            state.arrays |= {f"{name}/mean": found.mean, f"{name}/triangle": found.triangle}
        return state

    @classmethod
    def from_state(cls, state: ModelState) -> Self:
        arrays = state.arrays
        rows, columns = state.config["grid"]
        categories = {
            name: PatchStatistics(arrays[f"{name}/mean"], arrays[f"{name}/triangle"], count)
            for name, count in state.config["counts"].items()
        }
        return cls(arrays["channels"], (rows, columns), categories)


@register_model("anomaly_padim.detector")
class Detector:
    """Heat maps and decisions of one variant.

    Args:
        source: what the vectors are: the network's features, or colours.
        channels: (C,) the network's channels that `maps` is given; empty for colours.
        size: pixels of a side of a heat map.
        sigma: pixels of its blur.
        gaussians: for each category one Gaussian, or one of each random draw. Answers are those of the first.
        thresholds: the score of each category from which a picture is called anomalous.
    """

    registered_name: str

    def __init__(
        self,
        source: Source,
        channels: np.ndarray,
        size: int,
        sigma: float,
        gaussians: Mapping[str, Sequence[PatchGaussian]],
        thresholds: Mapping[str, float],
    ) -> None:
        self.source, self.channels = source, np.asarray(channels, dtype=np.int64)
        self.size, self.sigma = size, sigma
        self.gaussians = {name: list(found) for name, found in gaussians.items()}
        self.thresholds = dict(thresholds)

    @property
    def draws(self) -> int:
        return len(next(iter(self.gaussians.values())))

    def maps(self, vectors: Tensor, category: str, draw: int = 0, batch_size: int = 16) -> np.ndarray:
        """Heat maps (n, size, size), float32, of vectors (n, C, h, w).

        Raises:
            ValueError: a category that the model does not know.
        """
        if category not in self.gaussians:
            raise ValueError(
                f"category '{category}' is not known to this model; it knows {', '.join(self.gaussians)}"
            )
        gaussian = self.gaussians[category][draw]
        parts = []
        for batch in vectors.split(batch_size):
            distances = gaussian.distances(batch.flatten(2)).unflatten(1, batch.shape[2:])
            parts.append(heat_maps(distances, self.size, self.sigma).cpu().numpy())
        return np.concatenate(parts)

    def state(self) -> ModelState:
        config: dict[str, Any] = {
            "source": self.source,
            "size": self.size,
            "sigma": self.sigma,
            "draws": self.draws,
            "thresholds": self.thresholds,
            "categories": list(self.gaussians),
        }
        state = ModelState(config, {"channels": self.channels})
        for category, draws in self.gaussians.items():
            for number, found in enumerate(draws):
                for name in ("mean", "triangle", "columns", "axes"):
                    value = getattr(found, name)
                    if value is not None:
                        state.arrays[f"{category}/{number}/{name}"] = value
        return state

    @classmethod
    def from_state(cls, state: ModelState) -> Self:
        config, arrays = state.config, state.arrays
        gaussians = {
            category: [
                PatchGaussian(
                    arrays[f"{category}/{number}/mean"],
                    arrays[f"{category}/{number}/triangle"],
                    arrays.get(f"{category}/{number}/columns"),
                    arrays.get(f"{category}/{number}/axes"),
                )
                for number in range(config["draws"])
            ]
            for category in config["categories"]
        }
        return cls(
            config["source"],
            arrays["channels"],
            config["size"],
            config["sigma"],
            gaussians,
            config["thresholds"],
        )


def image_scores(maps: np.ndarray) -> np.ndarray:
    """The score of a picture is the largest value of its heat map: (n,) from (n, H, W)."""
    return maps.reshape(len(maps), -1).max(axis=1)
