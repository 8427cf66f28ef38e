"""The training nodes: statistics, importance, and the variants with their thresholds and dev scores."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any, Literal

import numpy as np
import torch
from torch import Tensor

from etudes.benches.detectors import dev_scores, image_scores, members, on_dev, truth_of
from etudes.examples import Examples
from etudes.pipelines.anomaly_padim.backbone import Backbone
from etudes.pipelines.anomaly_padim.detector import Colours, Detector, Source, Statistics
from etudes.pipelines.anomaly_padim.gaussian import PatchGaussian, StreamingGaussian
from etudes.pipelines.anomaly_padim.importance import Importance, chosen, permutation_importance
from etudes.pipelines.anomaly_padim.parameters import (
    GaussianParameters,
    ImportanceParameters,
    MapsParameters,
    SubsetsParameters,
)
from etudes.training.fit import resolve_device
from etudes.training.parameters import RunParameters
from etudes.training.seeds import derive_seed
from etudes.training.session import progress, record

Trained = tuple[Any, dict[str, Any]]


def pool_of(backbone: Backbone | Colours, parameters: GaussianParameters, seed: int) -> np.ndarray:
    """The random channels that are modelled, rising indices: the paper's way to fewer dimensions (section III-A)."""
    count = min(parameters.channels, backbone.channels)
    generator = np.random.default_rng(derive_seed(seed, "channels"))
    return np.sort(generator.permutation(backbone.channels)[:count])


def pixels_of(examples: Examples, category: str) -> np.ndarray:
    """The pictures of a category, which stand together; of a memory map a view, read when it is sliced."""
    rows = members(examples, category)
    assert len(rows) == rows[-1] - rows[0] + 1, f"the pictures of {category} do not stand together"
    return examples["pixels"][rows[0] : rows[-1] + 1]


def vectors_of(
    examples: Examples,
    category: str,
    through: Backbone | Colours,
    pool: np.ndarray,
    gaussian: GaussianParameters,
    run: RunParameters,
) -> Tensor:
    """The vectors (n, C, h, w) of all dev or test pictures of a category."""
    pixels, device = pixels_of(examples, category), resolve_device(run.device)
    return torch.cat(list(through.embed(pixels, pool, gaussian.batch_size, device)))


def fit_statistics(
    train_split: Examples,
    split_card: dict[str, Any],
    backbone_model: Backbone | Colours,
    gaussian: GaussianParameters,
    run: RunParameters,
) -> tuple[Statistics, dict[str, Any]]:
    """One pass over the training pictures: mean and covariance of each patch, over a pool of random channels."""
    pool, device = pool_of(backbone_model, gaussian, run.seed), resolve_device(run.device)
    found, grid, held = {}, [0, 0], 0
    for category in split_card["categories"]:
        pixels, stream = pixels_of(train_split, category), None
        batches = backbone_model.embed(pixels, pool, gaussian.batch_size, device)
        steps = -(-len(pixels) // gaussian.batch_size)
        for batch in progress(batches, f"statistics {category}", steps):
            if stream is None:
                grid = list(batch.shape[2:])
                stream = StreamingGaussian(grid[0] * grid[1], batch.shape[1], gaussian.precision, device)
            stream.update(batch)
        assert stream is not None, "the split has at least two pictures of each category"
        found[category], held = stream.packed(), stream.nbytes
        record(len(found), {"images": float(stream.count)})
        del stream  # before the next category's is made
    images = {name: part.count for name, part in found.items()}
    card = {"epochs": [], "grid": grid, "channels": len(pool), "images": images, "bytes_held": held}
    return Statistics(pool, grid, found), card


def measure_importance(
    dev_split: Examples,
    backbone_model: Backbone,
    statistics_model: Statistics,
    gaussian: GaussianParameters,
    maps: MapsParameters,
    importance: ImportanceParameters,
    run: RunParameters,
) -> Trained:
    """Importance of every channel of the pool in each category, on dev."""
    pool, found = statistics_model.channels, {}
    for category, statistics in statistics_model.categories.items():
        rows = members(dev_split, category)
        found[category] = permutation_importance(
            statistics.gaussian(gaussian.epsilon),
            vectors_of(dev_split, category, backbone_model, pool, gaussian, run),
            dev_split["masks"][rows],
            dev_split.rows["fold"].to_numpy()[rows],
            importance,
            maps.sigma * statistics_model.grid[0] / dev_split["pixels"].shape[1],
            derive_seed(run.seed, "importance", category),
        )
        record(len(found), {"reference_auroc": found[category].reference})
    references = {name: part.reference for name, part in found.items()}
    return Importance(pool, backbone_model.stage_of(pool), found), {"epochs": [], "reference": references}


def fit_mean_image(
    train_split: Examples,
    dev_split: Examples,
    split_card: dict[str, Any],
    gaussian: GaussianParameters,
    maps: MapsParameters,
    run: RunParameters,
) -> Trained:
    """The trivial baseline: the same Gaussians on the mean colour of small patches, without a network."""
    through = Colours()
    statistics, _ = fit_statistics(train_split, split_card, through, gaussian, run)
    pool, found = statistics.channels, statistics.categories
    vectors = {name: vectors_of(dev_split, name, through, pool, gaussian, run) for name in found}
    gaussians = {name: [part.gaussian(gaussian.epsilon)] for name, part in found.items()}
    return judged("colour", pool, gaussians, vectors, dev_split, maps)


def fit_patches(
    dev_split: Examples,
    backbone_model: Backbone,
    statistics_model: Statistics,
    gaussian: GaussianParameters,
    maps: MapsParameters,
    subsets: SubsetsParameters,
    run: RunParameters,
    of: Literal["pool", "axes", "random"] = "pool",
) -> Trained:
    """PaDiM: the Gaussians ``of`` all channels of the pool, of its first principal axes, or of many random small subsets.

    Of random subsets, the same in all categories, scores are the mean and answers those of the first draw.
    """
    pool, categories = statistics_model.channels, statistics_model.categories
    size = 0 if of == "pool" else subset_size(subsets, pool)
    generator = np.random.default_rng(derive_seed(run.seed, "subsets"))
    columns = [np.sort(generator.permutation(len(pool))[:size]) for _ in range(subsets.draws)]
    gaussians, vectors = {}, {}
    for category, found in categories.items():
        views: list[dict[str, np.ndarray]] = [{}]
        if of == "axes":
            views = [{"axes": found.principal_axes(size)}]
        elif of == "random":
            views = [{"columns": drawn} for drawn in columns]
        gaussians[category] = [found.gaussian(gaussian.epsilon, **view) for view in views]
        vectors[category] = vectors_of(dev_split, category, backbone_model, pool, gaussian, run)
    return judged("network", pool, gaussians, vectors, dev_split, maps)


def fit_chosen(
    dev_split: Examples,
    backbone_model: Backbone,
    statistics_model: Statistics,
    importance_model: Importance,
    gaussian: GaussianParameters,
    maps: MapsParameters,
    subsets: SubsetsParameters,
    run: RunParameters,
    best: bool = True,
) -> Trained:
    """The most or least important channels of each category.

    The dev score comes from choosing on one fold of dev and scoring on the other, both ways: the channels that are
    kept were chosen on all of dev, and its score on what it was chosen by would win by construction.
    """
    pool, categories = statistics_model.channels, statistics_model.categories
    size = subset_size(subsets, pool)

    def choice(category: str, importance: np.ndarray) -> list[PatchGaussian]:
        return [categories[category].gaussian(gaussian.epsilon, columns=chosen(importance, size, best))]

    seen = importance_model.categories
    kept = {name: choice(name, found.mean) for name, found in seen.items()}
    vectors = {name: vectors_of(dev_split, name, backbone_model, pool, gaussian, run) for name in seen}
    model, _ = judged("network", pool, kept, vectors, dev_split, maps)
    honest: dict[str, list[dict[str, float]]] = {name: [] for name in seen}
    for category, scores in honest.items():
        defective, masks = truth_of(category, dev_split)
        folds = dev_split.rows["fold"].to_numpy()[members(dev_split, category)]
        for fold in (0, 1):
            other = replace(model, gaussians={category: choice(category, seen[category].folds[fold])})
            held_out = np.flatnonzero(folds != fold)
            heat = other.maps(vectors[category][torch.from_numpy(held_out)], category)
            scores.append(dev_scores(heat, defective[held_out], masks[held_out]))
    return model, {**on_dev(honest), "cross_fitted": True}


def subset_size(subsets: SubsetsParameters, pool: np.ndarray) -> int:
    """Channels of a small subset.

    Raises:
        ValueError: the pool is not larger.
    """
    if subsets.size >= len(pool):
        raise ValueError(
            f"subsets.size = {subsets.size}, but the pool has {len(pool)} channels (gaussian.channels, or all that the "
            "network has); a subset must be smaller"
        )
    return subsets.size


def judged(
    source: Source,
    pool: np.ndarray,
    gaussians: dict[str, list[PatchGaussian]],
    vectors: Mapping[str, Tensor],
    dev: Examples,
    maps: MapsParameters,
) -> Trained:
    """A detector with thresholds from the good dev pictures; a history with dev scores, means over draws."""
    model = Detector(source, pool, int(dev["pixels"].shape[1]), maps.sigma, gaussians, {})
    thresholds, by_category = {}, {}
    for category, found in vectors.items():
        defective, masks = truth_of(category, dev)
        heats = [model.maps(found, category, draw) for draw in range(model.draws)]
        thresholds[category] = float(np.quantile(image_scores(heats[0][~defective]), maps.quantile))
        by_category[category] = [dev_scores(heat, defective, masks) for heat in heats]
    return replace(model, thresholds=thresholds), on_dev(by_category)
