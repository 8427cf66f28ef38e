"""Pictures that show what the codes hold, in panels: each picture has a panel, a row and a column."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from etudes.digits.files import DIGITS
from etudes.digits.panels import first_of_each, spherical, through_training
from etudes.digits.vae import as_pixels
from etudes.examples import Examples
from etudes.pipelines.vae.evaluation import pca_rebuilt
from etudes.pipelines.vae.parameters import EvaluationParameters

STEPS = 11  # pictures of a path, both ends included
PATHS = 6
GRID = 15  # pictures of a side of the manifold
QUANTILES = (0.03, 0.97)  # of the standard normal, the edges of the manifold
STYLES = 8

Pixels = NDArray[np.uint8]


def all_panels(
    models: Mapping[str, Any], train: Examples, test: Examples, parameters: EvaluationParameters, seed: int
) -> Examples:
    """Every panel that the trained variants allow: ``reconstructions``, ``interpolation``, ``manifold``, ``styles``, ``training``."""
    shape = test["pixels"].shape[1:]
    panels = {"reconstructions": reconstructions(models, train, test, parameters, seed)}
    mover = next(
        (name for name in ("convolutional", "mlp", "manifold", "conditional") if name in models), None
    )
    if mover:
        panels["interpolation"] = paths(models[mover], test)
    if "manifold" in models:
        panels["manifold"] = manifold(models["manifold"])
    if "conditional" in models:
        panels["styles"] = styles(models["conditional"], test)
        panels["training"], _ = through_training(models["conditional"].snapshots)
    rows, pictures = [], [np.empty((0, *shape), np.uint8)]
    for name, panel in panels.items():
        height, width = panel.shape[:2]
        rows += [
            {"id": f"{name}-{row:02d}-{column:02d}", "panel": name, "row": row, "column": column}
            for row in range(height)
            for column in range(width)
        ]
        pictures.append(panel.reshape(-1, *shape))
    return Examples(pd.DataFrame(rows), {"pixels": np.concatenate(pictures)})


def _one_of_each(test: Examples) -> tuple[NDArray[np.bool_], NDArray[np.int64]]:
    rows = first_of_each(test.rows["label"].to_numpy(), DIGITS, 1)
    return np.asarray(test["binary"][rows]), test.rows["label"].to_numpy()[rows]


def reconstructions(
    models: Mapping[str, Any], train: Examples, test: Examples, parameters: EvaluationParameters, seed: int
) -> Pixels:
    """One test picture of each digit (its bits), then a row for each variant, then PCA with the numbers of the
    widest code: (rows, 10, S, S)."""
    bits, labels = _one_of_each(test)
    rows = [as_pixels(bits)]
    widest = 0
    for model in models.values():
        means = model.encode(bits, labels)
        widest = max(widest, means.shape[1])
        rows.append(as_pixels(model.decode(means, labels)))
    if widest:
        rows.append(as_pixels(pca_rebuilt(train, bits, widest, parameters, seed)))
    return np.stack(rows)


def paths(model: Any, test: Examples) -> Pixels:
    """Along the great circle between the codes of two test pictures, both ends included: (PATHS, STEPS, S, S)."""
    bits, labels = _one_of_each(test)
    codes = model.encode(bits, labels)
    found = []
    for path in range(PATHS):
        first, last = path, (path + 3) % len(codes)
        z = spherical(codes[first], codes[last], STEPS).astype(np.float32)
        found.append(as_pixels(model.decode(z, np.full(STEPS, labels[first]))))
    return np.stack(found)


def manifold(model: Any) -> Pixels:
    """Decoded codes at equally spaced quantiles of the prior (Kingma and Welling 2014, figure 4): (GRID, GRID, S, S)."""
    from scipy.special import ndtri  # quantiles of the standard normal

    axis = ndtri(np.linspace(*QUANTILES, GRID))
    second, first = np.meshgrid(axis[::-1], axis, indexing="ij")
    z = np.stack([first.ravel(), second.ravel()], 1).astype(np.float32)
    pixels = as_pixels(model.decode(z, np.zeros(len(z), dtype=np.int64)))
    return pixels.reshape(GRID, GRID, *pixels.shape[1:])


def styles(model: Any, test: Examples) -> Pixels:
    """A test picture, then all ten digits decoded from its code: the hand stays, the digit changes:
    (STYLES, 11, S, S)."""
    bits, labels = _one_of_each(test)
    codes = model.encode(bits, labels)[:STYLES]
    found = []
    for row, code in enumerate(codes):
        z = np.tile(code, (DIGITS, 1))
        found.append(
            np.concatenate([as_pixels(bits[row : row + 1]), as_pixels(model.decode(z, np.arange(DIGITS)))])
        )
    return np.stack(found)


def photograph_panels(model: Any, test: Examples, count: int, seed: int) -> Examples:
    """Three rows of ``count`` pictures: test photographs drawn by chance, their reconstructions, and draws from the prior."""
    chosen = np.sort(np.random.default_rng(seed).permutation(len(test))[:count])
    real = np.asarray(test["pixels"][chosen])
    rows = (real, model.rebuilt(real), model.sample(len(chosen), seed))
    names = [
        {"id": f"photographs-{row}-{column:02d}", "panel": "photographs", "row": row, "column": column}
        for row in range(len(rows))
        for column in range(len(chosen))
    ]
    return Examples(pd.DataFrame(names), {"pixels": np.concatenate(rows)})
