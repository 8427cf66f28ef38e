"""Permutation importance of channels: how much pixel AUROC a channel's information is worth.

importance_j = AUROC(maps) - AUROC(maps with channel j shuffled), Breiman 2001 (Machine Learning 45, section 10) and
Fisher, Rudin, Dominici 2019. Measured on the grid of the patches, where a shuffle costs no pass through the network:
one coordinate of every vector changes, and the distance with it by a formula (`gaussian.changed_squares`).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import numpy as np
import pandas as pd
import torch
from torch import Tensor, nn

from etudes.evaluation import mean_interval
from etudes.evaluation.localisation import level_counts, level_edges, stratified_weights
from etudes.evaluation.ranking import auc_of_counts
from etudes.models import register_model
from etudes.pipelines.anomaly_padim.gaussian import PatchGaussian, changed_squares
from etudes.pipelines.anomaly_padim.parameters import ImportanceParameters
from etudes.stored import Stored
from etudes.vision.heat_maps import blurred

Shuffle = Literal["images", "positions"]


@register_model("anomaly_padim.channel_importance")
@dataclass(frozen=True)
class ChannelImportance(Stored):
    """Importance of C channels of one category.

    ``values`` (C, R) of each shuffle, ``low`` and ``high`` (C,) the 95 % bootstrap interval over images of their mean,
    ``folds`` (2, C) measured on half of the images each, ``reference`` the AUROC that nothing was taken from.
    """

    values: np.ndarray
    low: np.ndarray
    high: np.ndarray
    folds: np.ndarray
    reference: float

    @property
    def mean(self) -> np.ndarray:
        return self.values.mean(1)


def chosen(importance: np.ndarray, count: int, best: bool) -> np.ndarray:
    """The ``count`` most (or least) important channels, as rising indices; of equals the first."""
    order = np.argsort(-importance if best else importance, kind="stable")
    return np.sort(order[:count])


def permutation_importance(
    gaussian: PatchGaussian,
    vectors: Tensor,
    masks: np.ndarray,
    folds: np.ndarray,
    parameters: ImportanceParameters,
    sigma: float,
    seed: int,
) -> ChannelImportance:
    """Importance of every channel of a Gaussian, in the fixed order of its channels.

    Args:
        gaussian: fitted on all C channels of ``vectors``.
        vectors: (n, C, h, w) of dev pictures.
        masks: (n, H, W) bool; a patch counts as inside a region that it touches.
        folds: (n,) 0 or 1, both with good and defective pictures.
        parameters: repeats, what is shuffled, resamples.
        sigma: blur of the maps, in patches.
        seed: of the shuffles and the resamples.
    """
    grid = (int(vectors.shape[2]), int(vectors.shape[3]))
    inside, flat = patch_masks(masks, grid), vectors.flatten(2)
    squares = gaussian.distances(flat).square()
    turned, diagonal = gaussian.precision_vectors(flat)
    resampled = stratified_weights(np.asarray(masks.any((1, 2))), parameters.resamples, seed)
    weights = np.concatenate([np.ones((1, len(flat))), [folds == 0, folds == 1], resampled])

    def maps(of_squares: Tensor) -> np.ndarray:
        return blurred(of_squares.sqrt().unflatten(1, grid), sigma).cpu().numpy()

    edges = level_edges(maps(squares), inside)

    def auroc(of_squares: Tensor) -> np.ndarray:
        positive, negative, _ = level_counts(maps(of_squares), inside, edges, inside)
        return auc_of_counts(weights @ positive, weights @ negative)

    before, generator = auroc(squares), np.random.default_rng(seed)
    lost = np.empty((flat.shape[1], parameters.repeats, len(weights)))
    for channel, repeat in np.ndindex(lost.shape[:2]):
        delta = shuffled(flat[:, channel], parameters.shuffle, generator) - flat[:, channel]
        lost[channel, repeat] = before - auroc(
            changed_squares(squares, turned[:, channel], diagonal[channel], delta)
        )
    low, high = np.quantile(lost[:, :, 3:].mean(1), [0.025, 0.975], axis=1)
    return ChannelImportance(lost[:, :, 0], low, high, lost[:, :, 1:3].mean(1).T, float(before[0]))


def shuffled(values: Tensor, shuffle: Shuffle, generator: np.random.Generator) -> Tensor:
    """A channel (n, P) with its images in another order, or with its positions in another order, the same in all."""
    size = values.shape[0 if shuffle == "images" else 1]
    order = torch.from_numpy(generator.permutation(size)).to(values.device)
    return values[order] if shuffle == "images" else values[:, order]


def patch_masks(masks: np.ndarray, grid: tuple[int, int]) -> np.ndarray:
    """Masks (n, H, W) on a grid of patches (n, h, w): inside is what touches a region."""
    pooled = nn.functional.adaptive_max_pool2d(torch.from_numpy(masks[:, None].astype(np.float32)), grid)
    return pooled[:, 0].numpy() > 0


@register_model("anomaly_padim.importance")
@dataclass(frozen=True)
class Importance(Stored):
    """Importance of the pool's channels in each category.

    ``channels`` (C,) are their indices in the network, ``stages`` (C,) the stage each is from, counted from 1.
    """

    channels: np.ndarray
    stages: np.ndarray
    categories: dict[str, ChannelImportance]

    def table(self) -> pd.DataFrame:
        """One row for each category and channel.

        ``importance`` is the mean over shuffles; ``shuffle_low`` and ``shuffle_high`` are what other shuffles, ``low``
        and ``high`` what other pictures would change (95 %).
        """
        frames = []
        for category, found in self.categories.items():
            spread = pd.DataFrame([mean_interval(row) for row in found.values])
            columns = {
                "category": category,
                "channel": self.channels,
                "stage": self.stages,
                "importance": found.mean,
                "shuffle_low": spread["low"],
                "shuffle_high": spread["high"],
                "low": found.low,
                "high": found.high,
            }
            frames.append(pd.DataFrame(columns))
        return pd.concat(frames, ignore_index=True)
