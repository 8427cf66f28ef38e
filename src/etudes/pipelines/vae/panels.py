"""Pictures that show what the codes hold, in panels: each picture has a panel, a row and a column."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from etudes.digits.files import DIGITS
from etudes.digits.panels import first_of_each, panel_examples, spherical, through_training
from etudes.digits.vae import as_pixels
from etudes.examples import Examples

STEPS = 11  # pictures of a path, both ends included
PATHS = 6
GRID = 15  # pictures of a side of the manifold
QUANTILES = (0.03, 0.97)  # of the standard normal, the edges of the manifold
STYLES = 8

Pixels = NDArray[np.uint8]
Rebuild = Callable[[NDArray[np.bool_], int], NDArray[np.float32]]


def of_digits(models: Mapping[str, Any], test: Examples, rebuild: Rebuild) -> Examples:
    """Every panel that the trained variants allow: ``reconstructions``, ``interpolation``, ``manifold``, ``styles``, ``training``."""
    found = {"reconstructions": reconstructions(models, test, rebuild)}
    movers = ("convolutional", "mlp", "manifold", "conditional")
    if mover := next((name for name in movers if name in models), ""):
        found["interpolation"] = paths(models[mover], test)
    if "manifold" in models:
        found["manifold"] = manifold(models["manifold"])
    if "conditional" in models:
        found["styles"] = styles(models["conditional"], test)
        found["training"], _ = through_training(models["conditional"].snapshots)
    return panel_examples(found)


def _one_of_each(test: Examples) -> tuple[NDArray[np.bool_], NDArray[np.int64]]:
    rows = first_of_each(test.rows["label"].to_numpy(), DIGITS, 1)
    return np.asarray(test["binary"][rows]), test.rows["label"].to_numpy()[rows]


def reconstructions(models: Mapping[str, Any], test: Examples, rebuild: Rebuild) -> Pixels:
    """One test picture of each digit (its bits), then a row for each variant, then PCA with the numbers of the
    widest code: (rows, 10, S, S)."""
    bits, labels = _one_of_each(test)
    codes = {name: model.encode(bits, labels) for name, model in models.items()}
    rows = [as_pixels(bits), *(as_pixels(models[name].decode(z, labels)) for name, z in codes.items())]
    if codes:
        rows.append(as_pixels(rebuild(bits, max(z.shape[1] for z in codes.values()))))
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


def of_photographs(model: Any, test: Examples, count: int, seed: int) -> Examples:
    """Three rows of ``count`` pictures: test photographs drawn by chance, their reconstructions, and draws from the prior."""
    chosen = np.sort(np.random.default_rng(seed).permutation(len(test))[:count])
    real = np.asarray(test["pixels"][chosen])
    rows = np.stack([real, model.rebuilt(real), model.sample(len(chosen), seed)])
    return panel_examples({"photographs": rows})
