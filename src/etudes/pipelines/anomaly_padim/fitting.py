"""Fitting and judging on dev: what the training nodes share."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import numpy as np
import torch
from torch import Tensor

from etudes.evaluation import roc_auc
from etudes.examples import Examples
from etudes.pipelines.anomaly_padim.backbone import Backbone
from etudes.pipelines.anomaly_padim.detector import (
    COLOUR_PATCH,
    COLOURS,
    Detector,
    Rows,
    Statistics,
    colour_vectors,
    image_scores,
)
from etudes.pipelines.anomaly_padim.gaussian import PatchGaussian, PatchStatistics, StreamingGaussian
from etudes.pipelines.anomaly_padim.importance import Importance, chosen, permutation_importance
from etudes.pipelines.anomaly_padim.parameters import (
    GaussianParameters,
    ImportanceParameters,
    MapsParameters,
    SubsetsParameters,
)
from etudes.training.parameters import RunParameters
from etudes.training.seeds import derive_seed
from etudes.training.session import progress, record

Gaussians = Mapping[str, Sequence[PatchGaussian]]
Trained = tuple[Any, dict[str, Any]]


def pool_of(backbone: Backbone, parameters: GaussianParameters, seed: int) -> np.ndarray:
    """The random channels that are modelled, rising indices: the paper's way to fewer dimensions (section III-A)."""
    count = min(parameters.channels, backbone.channels)
    generator = np.random.default_rng(derive_seed(seed, "channels"))
    return np.sort(generator.permutation(backbone.channels)[:count])


def members(examples: Examples, category: str) -> np.ndarray:
    """Indices of the pictures of one category."""
    return np.flatnonzero((examples.rows["category"] == category).to_numpy())


def stack(
    backbone: Backbone, pixels: Rows, channels: np.ndarray, batch_size: int, run: RunParameters
) -> Tensor:
    """The vectors (n, C, h, w) of dev or test pictures, all of them: a category's, and only the pool's channels."""
    from etudes.training.fit import resolve_device

    return torch.cat(list(backbone.embed(pixels, channels, batch_size, resolve_device(run.device))))


def fit_statistics(
    train: Examples,
    categories: Sequence[str],
    backbone: Backbone,
    parameters: GaussianParameters,
    run: RunParameters,
) -> tuple[Statistics, dict[str, Any]]:
    """Stream the training pictures of each category through the network into a `StreamingGaussian`."""
    from etudes.training.fit import resolve_device

    device = resolve_device(run.device)
    pool = pool_of(backbone, parameters, run.seed)
    found: dict[str, PatchStatistics] = {}
    grid, held = (0, 0), 0
    for category in categories:
        pixels = RowsOf(train["pixels"], members(train, category))
        batches = backbone.embed(pixels, pool, parameters.batch_size, device)
        steps = -(-len(pixels) // parameters.batch_size)
        stream, grid = _streamed(progress(batches, f"statistics {category}", steps), parameters, device)
        found[category], held = stream.packed(), stream.nbytes
        record(len(found), {"images": float(stream.count)})
        del stream  # before the next category's is made
    card = {
        "epochs": [],
        "grid": list(grid),
        "channels": len(pool),
        "images": {name: part.count for name, part in found.items()},
        "bytes_held": held,
    }
    return Statistics(pool, grid, found), card


def _streamed(
    batches: Iterable[Tensor], parameters: GaussianParameters, device: torch.device
) -> tuple[StreamingGaussian, tuple[int, int]]:
    """The batches (n, C, h, w) as a `StreamingGaussian`, and their grid (h, w)."""
    stream, grid = None, (0, 0)
    for batch in batches:
        if stream is None:
            grid = (int(batch.shape[2]), int(batch.shape[3]))
            stream = StreamingGaussian(grid[0] * grid[1], batch.shape[1], parameters.precision, device)
        stream.update(batch)
    assert stream is not None, "the split has at least two pictures of each category"
    return stream, grid


class RowsOf:
    """Some rows of an array, read when they are sliced: a memory map stays one."""

    def __init__(self, array: np.ndarray, rows: np.ndarray) -> None:
        self.array, self.rows = array, rows

    def __len__(self) -> int:
        return len(self.rows)

    def __getitem__(self, part: slice) -> np.ndarray:
        return self.array[self.rows[part]]


def fit_mean_image(
    train: Examples,
    dev: Examples,
    categories: Sequence[str],
    gaussian: GaussianParameters,
    maps: MapsParameters,
    run: RunParameters,
) -> Trained:
    """Gaussians of the standardised colours of small patches."""
    from etudes.training.fit import resolve_device

    device = resolve_device(run.device)
    size = int(train["pixels"].shape[1])
    fitted = {}
    for category in categories:
        stream = StreamingGaussian((size // COLOUR_PATCH) ** 2, COLOURS, gaussian.precision, device)
        pixels = RowsOf(train["pixels"], members(train, category))
        for batch in colour_vectors(pixels, gaussian.batch_size, device):
            stream.update(batch)
        fitted[category] = [stream.packed().gaussian(gaussian.epsilon)]
    vectors = {
        name: torch.cat(list(colour_vectors(dev["pixels"][members(dev, name)], gaussian.batch_size, device)))
        for name in categories
    }
    detector = Detector("colour", np.empty(0), size, maps.sigma, fitted, {})
    return _judge(detector, dev, vectors, maps)


def judged(
    gaussians: Gaussians,
    dev: Examples,
    backbone: Backbone,
    statistics: Statistics,
    gaussian: GaussianParameters,
    maps: MapsParameters,
    run: RunParameters,
) -> Trained:
    """A detector of these Gaussians, its thresholds and its dev scores."""
    vectors = dev_vectors(dev, backbone, statistics, gaussian, run)
    size = int(dev["pixels"].shape[1])
    detector = Detector("network", statistics.channels, size, maps.sigma, gaussians, {})
    return _judge(detector, dev, vectors, maps)


def dev_vectors(
    dev: Examples,
    backbone: Backbone,
    statistics: Statistics,
    gaussian: GaussianParameters,
    run: RunParameters,
) -> dict[str, Tensor]:
    """The vectors of all dev pictures, by category."""
    return {
        name: stack(
            backbone, dev["pixels"][members(dev, name)], statistics.channels, gaussian.batch_size, run
        )
        for name in statistics.categories
    }


def _judge(detector: Detector, dev: Examples, vectors: Mapping[str, Tensor], maps: MapsParameters) -> Trained:
    """Thresholds from the good dev pictures, and dev scores: means over categories, and over draws."""
    by_category = {}
    for category, found in vectors.items():
        rows = members(dev, category)
        defective, masks = dev.rows["defective"].to_numpy()[rows], dev["masks"][rows]
        scores = []
        for draw in range(detector.draws):
            heat = detector.maps(found, category, draw)
            if draw == 0:
                good = image_scores(heat[~defective])
                detector.thresholds[category] = float(np.quantile(good, maps.quantile))
            scores.append(dev_scores(heat, defective, masks))
        by_category[category] = {name: float(np.mean([s[name] for s in scores])) for name in scores[0]}
    return detector, {"dev": _mean(by_category), "dev_by_category": by_category, "epochs": []}


def dev_scores(heat: np.ndarray, defective: np.ndarray, masks: np.ndarray) -> dict[str, float]:
    """Image and pixel AUROC of heat maps (n, H, W)."""
    return {
        "image_auroc": roc_auc(image_scores(heat), defective),
        "pixel_auroc": roc_auc(heat.reshape(-1), masks.reshape(-1)),
    }


def _mean(by_category: Mapping[str, Mapping[str, float]]) -> dict[str, float]:
    names = next(iter(by_category.values()))
    return {name: float(np.mean([found[name] for found in by_category.values()])) for name in names}


def subset_size(subsets: SubsetsParameters, statistics: Statistics) -> int:
    """Channels of a small subset.

    Raises:
        ValueError: the pool is not larger.
    """
    pool = len(statistics.channels)
    if subsets.size >= pool:
        raise ValueError(
            f"subsets.size = {subsets.size}, but the pool has {pool} channels (gaussian.channels, or all that the "
            "network has); a subset must be smaller"
        )
    return subsets.size


def random_subsets(subsets: SubsetsParameters, statistics: Statistics, seed: int) -> list[np.ndarray]:
    """``draws`` random subsets of the pool, the same for all categories: rising indices into the pool."""
    size = subset_size(subsets, statistics)
    generator = np.random.default_rng(derive_seed(seed, "subsets"))
    return [np.sort(generator.permutation(len(statistics.channels))[:size]) for _ in range(subsets.draws)]


def measure_importance(
    dev: Examples,
    categories: Sequence[str],
    backbone: Backbone,
    statistics: Statistics,
    gaussian: GaussianParameters,
    maps: MapsParameters,
    parameters: ImportanceParameters,
    run: RunParameters,
) -> Importance:
    """Importance of every channel of the pool, category by category."""
    found = {}
    for category in categories:
        rows = members(dev, category)
        vectors = stack(backbone, dev["pixels"][rows], statistics.channels, gaussian.batch_size, run)
        found[category] = permutation_importance(
            statistics.categories[category].gaussian(gaussian.epsilon),
            vectors,
            dev["masks"][rows],
            dev.rows["fold"].to_numpy()[rows],
            parameters,
            maps.sigma * statistics.grid[0] / dev["pixels"].shape[1],
            derive_seed(run.seed, "importance", category),
        )
        record(len(found), {"reference_auroc": found[category].reference})
    return Importance(statistics.channels, backbone.stage_of(statistics.channels), found)


def fit_chosen(
    best: bool,
    dev: Examples,
    backbone: Backbone,
    statistics: Statistics,
    importance: Importance,
    gaussian: GaussianParameters,
    maps: MapsParameters,
    subsets: SubsetsParameters,
    run: RunParameters,
) -> Trained:
    """The most or least important channels of each category.

    The dev score comes from choosing on one fold of dev and scoring on the other, both ways: the channels that are
    kept were chosen on all of dev, and its score on what it was chosen by would win by construction.
    """
    size = subset_size(subsets, statistics)
    vectors = dev_vectors(dev, backbone, statistics, gaussian, run)
    kept, honest = {}, {}
    for category, found in statistics.categories.items():
        seen = importance.categories[category]
        kept[category] = [found.gaussian(gaussian.epsilon, columns=chosen(seen.mean, size, best))]
        rows = members(dev, category)
        folds, defective = dev.rows["fold"].to_numpy()[rows], dev.rows["defective"].to_numpy()[rows]
        masks, scores = dev["masks"][rows], []
        for fold in (0, 1):
            columns = chosen(seen.folds[fold], size, best)
            other = Detector(
                "network",
                statistics.channels,
                masks.shape[1],
                maps.sigma,
                {category: [found.gaussian(gaussian.epsilon, columns=columns)]},
                {},
            )
            held_out = np.flatnonzero(folds != fold)
            heat = other.maps(vectors[category][torch.from_numpy(held_out)], category)
            scores.append(dev_scores(heat, defective[held_out], masks[held_out]))
        honest[category] = {name: float(np.mean([s[name] for s in scores])) for name in scores[0]}
    detector = Detector("network", statistics.channels, int(dev["pixels"].shape[1]), maps.sigma, kept, {})
    model, _ = _judge(detector, dev, vectors, maps)
    return model, {"dev": _mean(honest), "dev_by_category": honest, "epochs": [], "cross_fitted": True}
