"""Permutation importance of channels: how much pixel AUROC a channel's information is worth.

importance_j = AUROC(maps) - AUROC(maps with channel j shuffled), Breiman 2001 (Machine Learning 45, section 10) and
Fisher, Rudin, Dominici 2019. Measured on the grid of the patches, where a shuffle costs no pass through the network:
one coordinate of every vector changes, and the distance with it by a formula (`gaussian.changed_squares`).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal, Self

import numpy as np
import pandas as pd
import torch
from torch import Tensor, nn

from etudes.evaluation import mean_interval
from etudes.evaluation.localisation import level_counts, level_edges, stratified_weights
from etudes.evaluation.ranking import auc_of_counts
from etudes.models import ModelState, register_model
from etudes.pipelines.anomaly_padim.detector import blurred
from etudes.pipelines.anomaly_padim.gaussian import PatchGaussian, changed_squares
from etudes.pipelines.anomaly_padim.parameters import ImportanceParameters

Shuffle = Literal["images", "positions"]


@dataclass(frozen=True)
class ChannelImportance:
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
    folds: np.ndarray | None,
    parameters: ImportanceParameters,
    sigma: float,
    seed: int,
) -> ChannelImportance:
    """Importance of every channel of a Gaussian, in the fixed order of its channels.

    Args:
        gaussian: fitted on all C channels of ``vectors``.
        vectors: (n, C, h, w) of dev pictures.
        masks: (n, H, W) bool; a patch counts as inside a region that it touches.
        folds: (n,) 0 or 1, both with good and defective pictures; None where no halves are needed.
        parameters: repeats, what is shuffled, resamples.
        sigma: blur of the maps, in patches.
        seed: of the shuffles and the resamples.
    """
    grid = (int(vectors.shape[2]), int(vectors.shape[3]))
    inside = patch_masks(masks, grid)
    flat = vectors.flatten(2)
    squares = gaussian.distances(flat).square()
    turned, diagonal = gaussian.precision_vectors(flat)
    defective = np.asarray(masks.any((1, 2)))
    weights = np.concatenate(
        [
            np.ones((1, len(flat))),
            np.ones((2, len(flat))) if folds is None else np.stack([folds == 0, folds == 1]),
            stratified_weights(defective, parameters.resamples, seed),
        ]
    )
    reference = _maps(squares, grid, sigma)
    edges = level_edges(reference, inside)
    before = _auroc(reference, inside, edges, weights)
    generator = np.random.default_rng(seed)
    channels = flat.shape[1]
    lost = np.empty((channels, parameters.repeats, len(weights)))
    for channel in range(channels):
        for repeat in range(parameters.repeats):
            delta = shuffled(flat[:, channel], parameters.shuffle, generator) - flat[:, channel]
            changed = changed_squares(squares, turned[:, channel], diagonal[channel], delta)
            lost[channel, repeat] = before - _auroc(_maps(changed, grid, sigma), inside, edges, weights)
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


def _maps(squares: Tensor, grid: tuple[int, int], sigma: float) -> np.ndarray:
    return blurred(squares.sqrt().unflatten(1, grid), sigma).cpu().numpy()


def _auroc(maps: np.ndarray, inside: np.ndarray, edges: np.ndarray, weights: np.ndarray) -> np.ndarray:
    positive, negative, _ = level_counts(maps, inside, edges, inside)
    return auc_of_counts(weights @ positive, weights @ negative)


@register_model("anomaly_padim.importance")
class Importance:
    """Importance of the pool's channels in each category.

    Args:
        channels: (C,) indices of the channels in the network.
        stages: (C,) the stage each is from, counted from 1.
        categories: importance in each.
    """

    registered_name: str

    def __init__(
        self, channels: np.ndarray, stages: np.ndarray, categories: Mapping[str, ChannelImportance]
    ) -> None:
        self.channels, self.stages, self.categories = channels, stages, dict(categories)

    def table(self) -> pd.DataFrame:
        """One row for each category and channel.

        ``importance`` is the mean over shuffles; ``shuffle_low`` and ``shuffle_high`` are what other shuffles, ``low``
        and ``high`` what other pictures would change (95 %).
        """
        frames = []
        for category, found in self.categories.items():
            spread = [mean_interval(row.tolist()) for row in found.values]
            frames.append(
                pd.DataFrame(
                    {
                        "category": category,
                        "channel": self.channels,
                        "stage": self.stages,
                        "importance": found.mean,
                        "shuffle_low": [summary["low"] for summary in spread],
                        "shuffle_high": [summary["high"] for summary in spread],
                        "low": found.low,
                        "high": found.high,
                    }
                )
            )
        return pd.concat(frames, ignore_index=True)

    def state(self) -> ModelState:
        references = {name: found.reference for name, found in self.categories.items()}
        state = ModelState({"references": references}, {"channels": self.channels, "stages": self.stages})
        for name, found in self.categories.items():
            state.arrays |= {
                f"{name}/{part}": getattr(found, part) for part in ("values", "low", "high", "folds")
            }
        return state

    @classmethod
    def from_state(cls, state: ModelState) -> Self:
        arrays = state.arrays
        categories = {
            name: ChannelImportance(
                arrays[f"{name}/values"],
                arrays[f"{name}/low"],
                arrays[f"{name}/high"],
                arrays[f"{name}/folds"],
                reference,
            )
            for name, reference in state.config["references"].items()
        }
        return cls(arrays["channels"], arrays["stages"], categories)
