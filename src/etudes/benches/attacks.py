"""What the evaluation of attacks shares: answers to pictures of 8 bits, shares of photos with intervals, disturbances."""

from __future__ import annotations

import io
import math
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import ArrayLike, NDArray
from torch import nn

from etudes.vision.victims import intensities

Pixels = NDArray[np.uint8]


@dataclass(frozen=True)
class Answers:
    """What a network answers to N photos; every array has the shape (N,).

    ``confidence`` is the probability of the predicted class, ``of_target`` the log-probability of the target (nats).
    """

    predicted: NDArray[np.int64]
    confidence: NDArray[np.float64]
    of_target: NDArray[np.float64]

    def success(self, target: int) -> NDArray[np.bool_]:
        return self.predicted == target


def answers(
    view: nn.Module, photos: Pixels, target: int, batch_size: int, device: torch.device | str = "cpu"
) -> Answers:
    """Show photos (N, H, W, 3) to a network.

    Args:
        view: intensities (n, 3, H, W) in 0..1 -> logits (n, classes).
        photos: uint8, so that nothing is scored that a picture file could not hold.
        target: class whose log-probability is kept.
        batch_size: photos of one forward pass.
        device: where to compute.

    Raises:
        ValueError: another type or shape.
    """
    if photos.dtype != np.uint8 or photos.ndim != 4 or photos.shape[3] != 3:
        raise ValueError(
            f"photos have the shape {photos.shape} and type {photos.dtype}; expected (N, H, W, 3), uint8: round to 8 "
            "bits before scoring"
        )
    view = view.to(device).to(memory_format=torch.channels_last)
    parts = []
    with torch.inference_mode():
        for start in range(0, len(photos), batch_size):
            chunk = intensities(photos[start : start + batch_size], device)
            parts.append(view(chunk).double().log_softmax(1).cpu())
    table = torch.cat(parts).numpy()
    predicted = table.argmax(1)
    return Answers(predicted, np.exp(table[np.arange(len(table)), predicted]), table[:, target])


def wilson(share: float, count: int, level: float) -> tuple[float, float]:
    """Interval of a share of ``count`` photos (Wilson, 1927): the shares p with |share - p| <= z sqrt(p (1 - p) / count).

    Unlike the bootstrap's it has a width where all photos succeed or none does. Where the share is a mean over several
    draws for each photo, it is too wide rather than too narrow: the mean varies less than a single draw.
    """
    from scipy.special import ndtri

    z = float(ndtri((1 + level) / 2))
    centre = (share + z * z / (2 * count)) / (1 + z * z / count)
    half = z / (1 + z * z / count) * math.sqrt(share * (1 - share) / count + z * z / (4 * count * count))
    return max(0.0, min(centre - half, share)), min(1.0, max(centre + half, share))


def share_with_interval(name: str, values: ArrayLike, level: float) -> dict[str, float]:
    """``name``, ``name.low`` and ``name.high`` of a mean over photos.

    Args:
        name: key.
        values: (N,) for each photo whether it succeeded, or (draws, N).
        level: coverage of the interval.

    Raises:
        ValueError: no photos.
    """
    array = np.atleast_2d(np.asarray(values, dtype=np.float64))
    if not array.size:
        raise ValueError(f"{name}: no photos to take a share of")
    share = float(array.mean())
    low, high = wilson(share, array.shape[1], level)
    return {name: share, f"{name}.low": low, f"{name}.high": high}


def compressed(photos: Pixels, quality: int) -> Pixels:
    """Photos (N, H, W, 3) after JPEG compression."""
    from PIL import Image

    result = np.empty_like(photos)
    for index, photo in enumerate(photos):
        stream = io.BytesIO()
        Image.fromarray(photo).save(stream, "JPEG", quality=quality)
        result[index] = np.asarray(Image.open(stream).convert("RGB"))
    return result


def rescaled(photos: Pixels, factor: float) -> Pixels:
    """Photos (N, H, W, 3) scaled by a factor and back to their size (bilinear, rounded to 8 bits both times)."""
    from PIL import Image

    result = np.empty_like(photos)
    for index, photo in enumerate(photos):
        picture = Image.fromarray(photo)
        width, height = (max(1, round(side * factor)) for side in picture.size)
        small = picture.resize((width, height), Image.Resampling.BILINEAR)
        result[index] = np.asarray(small.resize(picture.size, Image.Resampling.BILINEAR))
    return result
