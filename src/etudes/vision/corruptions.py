"""Pictures made worse in five ways and five severities, after the corruptions of CIFAR-10-C (Hendrycks and Dietterich 2019,
arXiv:1903.12261): a network that was trained on clean pictures should at least notice.

The ways and their amounts follow the paper's for pictures of 32 x 32 pixels; the draws are our own, so that numbers are near
to those of the published files and not equal to them.
"""

from __future__ import annotations

import io

import numpy as np
from numpy.typing import NDArray

Pixels = NDArray[np.uint8]
AMOUNTS: dict[str, tuple[float, ...]] = {
    "noise": (0.04, 0.06, 0.08, 0.09, 0.10),  # standard deviation, shares of the range
    "blur": (0.4, 0.6, 0.7, 0.8, 1.0),  # sigma, pixels
    "contrast": (0.75, 0.5, 0.4, 0.3, 0.15),  # share that is left
    "pixelate": (0.95, 0.9, 0.85, 0.75, 0.65),  # share of the pixels of a side
    "jpeg": (80, 65, 58, 50, 40),  # quality
}
SEVERITIES = range(1, 6)


def corrupted(pixels: Pixels, kind: str, severity: int, seed: int) -> Pixels:
    """Pictures (N, H, W, 3), uint8, made worse.

    Args:
        pixels: as they are.
        kind: one of `AMOUNTS`.
        severity: 1 to 5.
        seed: of the noise; a picture's own depends on its place too.

    Raises:
        ValueError: another kind or severity, another shape or type.
    """
    if kind not in AMOUNTS or severity not in SEVERITIES:
        raise ValueError(
            f"corruption '{kind}' of severity {severity}; expected one of {', '.join(AMOUNTS)}, severity 1 to 5"
        )
    if pixels.ndim != 4 or pixels.shape[3] != 3 or pixels.dtype != np.uint8:
        raise ValueError(
            f"expected pixels (N, H, W, 3) of type uint8, found {pixels.shape} of type {pixels.dtype}"
        )
    amount = AMOUNTS[kind][severity - 1]
    if kind == "noise":
        drawn = np.random.default_rng(seed).standard_normal(pixels.shape, dtype=np.float32)
        return _bytes(pixels + drawn * np.float32(255 * amount))
    if kind == "blur":
        from scipy.ndimage import gaussian_filter

        return _bytes(gaussian_filter(pixels.astype(np.float32), amount, axes=(1, 2)))
    if kind == "contrast":
        mean = pixels.mean(axis=(1, 2), keepdims=True, dtype=np.float64)
        return _bytes((pixels - mean) * amount + mean)
    one = _pixelated if kind == "pixelate" else _compressed
    return np.stack([one(picture, amount) for picture in pixels]) if len(pixels) else pixels


def _pixelated(picture: Pixels, share: float) -> Pixels:
    from PIL import Image

    height, width = picture.shape[:2]
    small = (max(1, int(width * share)), max(1, int(height * share)))
    box = Image.Resampling.BOX
    return np.asarray(Image.fromarray(picture).resize(small, box).resize((width, height), box))


def _compressed(picture: Pixels, quality: float) -> Pixels:
    from PIL import Image

    buffer = io.BytesIO()
    Image.fromarray(picture).save(buffer, "JPEG", quality=int(quality))
    return np.asarray(Image.open(buffer))


def _bytes(values: NDArray[np.floating]) -> Pixels:
    return np.clip(np.rint(values), 0, 255).astype(np.uint8)
