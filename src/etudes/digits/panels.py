"""Panels of generated pictures: many small ones as one, and paths between two codes."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from etudes.examples import Examples

GREY = 96  # of the lines between pictures: seen on black and on white
SHOWN = 6  # pictures of a side of a variant's block
WORST = 20  # misread pictures that are shown
EPOCHS = 9  # of a training, at most
OF_EACH = 2  # pictures of each digit and epoch


def mosaic(pixels: NDArray[np.uint8], columns: int, gap: int = 1) -> NDArray[np.uint8]:
    """Pictures (N, H, W) or (N, H, W, 3) in rows of ``columns`` as one, with grey lines of ``gap`` pixels between them.

    Raises:
        ValueError: no pictures, or not as many as fill whole rows.
    """
    if (
        pixels.ndim not in (3, 4)
        or pixels.shape[3:] not in ((), (3,))
        or not len(pixels)
        or len(pixels) % columns
    ):
        raise ValueError(f"{pixels.shape} is no set of pictures that fills rows of {columns}")
    n, height, width, *colours = pixels.shape
    framed = np.full((n, height + gap, width + gap, *colours), GREY, np.uint8)
    framed[:, :height, :width] = pixels
    rows = framed.reshape(n // columns, columns, height + gap, width + gap, *colours).swapaxes(1, 2)
    return rows.reshape(n // columns * (height + gap), columns * (width + gap), *colours)[
        : -gap or None, : -gap or None
    ]


def spherical(first: NDArray, last: NDArray, steps: int) -> NDArray:
    """Codes on the great circle from ``first`` to ``last`` (White 2016), both ends included: (steps, D).

    ``sin((1 - t) w) / sin w * a + sin(t w) / sin w * b`` for t = 0..1, w the angle between a and b. On the straight line
    the codes of the middle are shorter than draws of a Gaussian ever are.

    Raises:
        ValueError: other shapes, or fewer than two steps.
    """
    a, b = np.asarray(first, np.float64), np.asarray(last, np.float64)
    if a.ndim != 1 or a.shape != b.shape or steps < 2:
        raise ValueError(f"expected two codes (D,) and at least 2 steps, found {a.shape}, {b.shape}, {steps}")
    t = np.linspace(0.0, 1.0, steps)[:, None]
    norms = np.linalg.norm(a) * np.linalg.norm(b)
    angle = np.arccos(np.clip(a @ b / norms, -1.0, 1.0)) if norms > 0 else 0.0
    if np.sin(angle) < 1e-6:  # parallel, opposite or zero: there is no one great circle
        return (1 - t) * a + t * b
    return (np.sin((1 - t) * angle) * a + np.sin(t * angle) * b) / np.sin(angle)


def first_of_each(labels: NDArray[np.int64], classes: int, count: int) -> NDArray[np.int64]:
    """Positions of the first ``count`` rows of each class, class by class; a class with fewer repeats its own.

    A class without rows is left out.
    """
    found = []
    for label in range(classes):
        rows = np.flatnonzero(labels == label)
        if len(rows):
            found.append(np.resize(rows, count))
    return np.concatenate(found)


def through_training(snapshots: NDArray[np.uint8]) -> tuple[NDArray[np.uint8], list[int]]:
    """Pictures of the same noise, one row for each of up to `EPOCHS` epochs, more of them at the start.

    Args:
        snapshots: (epochs + 1, K, n, S, S), of K classes; the first are from before training.

    Returns:
        (rows, K * `OF_EACH`, S, S), and the epoch of each row.
    """
    last = len(snapshots) - 1
    # Most changes early: epochs at equal steps of their square root.
    chosen = sorted({round(float(x) ** 2) for x in np.linspace(0, np.sqrt(last), EPOCHS)})
    side = snapshots.shape[-1]
    return snapshots[chosen][:, :, :OF_EACH].reshape(len(chosen), -1, side, side), chosen


def panel_examples(panels: Mapping[str, NDArray[np.uint8]]) -> Examples:
    """Panels (rows, columns, S, S) or (rows, columns, S, S, 3) as examples with the columns ``panel``, ``row``, ``column``."""
    rows = [
        {"id": f"{name}-{row:02d}-{column:02d}", "panel": name, "row": row, "column": column}
        for name, panel in panels.items()
        for row, column in np.ndindex(*panel.shape[:2])
    ]
    columns = ["id", "panel", "row", "column"]
    pictures = [panel.reshape(-1, *panel.shape[2:]) for panel in panels.values()]
    pixels = np.concatenate(pictures) if pictures else np.empty((0, 1, 1), np.uint8)
    return Examples(pd.DataFrame(rows, columns=columns), {"pixels": pixels})


def panel_png(pixels: NDArray[np.uint8], columns: int, width: int = 900) -> bytes:
    """`mosaic` of pictures as a PNG, enlarged by a whole number without smoothing, to at most ``width`` pixels."""
    from etudes.forms.pictures import png_bytes

    sheet = mosaic(pixels, columns)
    scale = max(1, width // sheet.shape[1])
    return png_bytes(sheet.repeat(scale, 0).repeat(scale, 1))


def stored_panel_png(panels: Examples, name: str) -> bytes:
    """The pictures of one panel among the stored ones (columns ``panel``, ``column``), or a picture that says it is not there."""
    rows = np.flatnonzero(panels.rows["panel"] == name)
    if not len(rows):
        return absent_png(f"no variant that makes the panel {name} ran")
    return panel_png(np.asarray(panels["pixels"][rows]), int(panels.rows["column"].iloc[rows].max()) + 1)


def drawn_in_text(pixels: NDArray[np.uint8]) -> str:
    """A picture (H, W) in characters, two rows of pixels in one line, for a terminal."""
    ramp = " .:-=+*#%@"
    height = len(pixels) // 2 * 2
    lines = pixels[:height].reshape(height // 2, 2, -1).mean(1)
    levels = np.minimum((lines / 256 * len(ramp)).astype(int), len(ramp) - 1)
    return "\n".join("".join(ramp[level] for level in line).rstrip() for line in levels)


def absent_png(reason: str) -> bytes:
    """A picture that says why there is none."""
    from etudes.reporting import image_grid

    return image_grid([np.zeros((8, 8), np.uint8)], [reason], 1, tile=320)


def drawn_png(drawn: Examples, variants: Sequence[str], real: NDArray[np.uint8]) -> bytes:
    """A block of real pictures and one of each variant's, beside each other."""
    from etudes.reporting import image_grid

    blocks = [np.resize(real[: SHOWN**2], (SHOWN**2, *real.shape[1:]))]
    blocks += [
        np.resize(_of(drawn, name)["pixels"][: SHOWN**2], (SHOWN**2, *real.shape[1:])) for name in variants
    ]
    captions = ["test pictures", *variants]
    return image_grid([mosaic(block, SHOWN) for block in blocks], captions, 3, tile=280)


def per_class_png(drawn: Examples, variant: str, classes: int = 10) -> bytes:
    """Ten pictures of each class, one row a class."""
    own = _of(drawn, variant)
    return panel_png(own["pixels"][first_of_each(own.rows["label"].to_numpy(), classes, 10)], 10, 700)


def failures_png(drawn: Examples, variant: str) -> bytes:
    """Pictures that are read as another digit than was asked for, the most confident readings first."""
    from etudes.reporting import image_grid

    own = _of(drawn, variant)
    rows = own.rows[own.rows["label"] != own.rows["judged"]].nlargest(WORST, "confidence")
    if rows.empty:
        return absent_png(f"every shown picture of {variant} is read as asked for")
    captions = [
        f"{asked}, read {read}\n{sure:.0%} sure"
        for asked, read, sure in zip(rows["label"], rows["judged"], rows["confidence"], strict=True)
    ]
    return image_grid([own["pixels"][i] for i in rows.index], captions, 10, tile=84)


def nearest_png(drawn: Examples, variants: Sequence[str]) -> bytes:
    """A block of each variant: rows of drawn pictures, each above a row of their nearest training pictures."""
    from etudes.reporting import image_grid

    blocks = []
    for name in variants:
        own = _of(drawn, name)
        half = SHOWN**2 // 2
        shape = (SHOWN // 2, 1, SHOWN, *own["pixels"].shape[1:])
        pairs = [np.resize(own[array][:half], shape) for array in ("pixels", "nearest_pixels")]
        blocks.append(mosaic(np.concatenate(pairs, 1).reshape(-1, *shape[3:]), SHOWN))
    return image_grid(blocks, list(variants), 3, tile=280)


def _of(drawn: Examples, variant: str) -> Examples:
    return drawn.take((drawn.rows["variant"] == variant).to_numpy())
