"""How well maps of scores show where something is: pixel AUROC, pixel AP and per-region overlap, with intervals.

All three are sums over pixels at each threshold, so a resample of images is a weighted sum of what each image
contributes (`LocalisationCounts`): a bootstrap over images costs one matrix product.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from etudes.evaluation.ranking import ap_of_counts, auc_of_counts, threshold_counts

FloatArray = NDArray[np.float64]
Mask = NDArray[np.bool_]
METRICS = ("pixel_auroc", "pixel_ap", "pro")
LEVELS = 600
BLOCK_ELEMENTS = 2**22  # float64 elements of one temporary matrix: 32 MiB


def localisation_metrics(maps: NDArray, masks: Mask, fpr_limit: float = 0.3) -> dict[str, float]:
    """Pixel AUROC, pixel average precision and PRO of N maps, exact.

    Args:
        maps: (N, H, W) finite scores, the larger the more anomalous.
        masks: (N, H, W) bool, the true regions; some pixels inside and some outside.
        fpr_limit: as in `per_region_overlap`.

    Raises:
        ValueError: shapes that differ, scores that are not finite, masks that are all full or all empty.
    """
    truth = _checked(maps, masks)
    weights, regions = region_weights(truth)
    # Sorted once: the counts sort again, which costs next to nothing on what is sorted.
    order = np.argsort(maps, axis=None, kind="stable")
    scores, inside = maps.reshape(-1)[order], truth.reshape(-1)[order]
    positive, negative = threshold_counts(scores, inside)
    given = np.where(inside, weights.reshape(-1)[order] / regions.sum(), 1.0)
    return {
        "pixel_auroc": float(auc_of_counts(positive, negative)),
        "pixel_ap": float(ap_of_counts(positive, negative)),
        "pro": float(partial_area(*threshold_counts(scores, inside, given), fpr_limit)),
    }


def per_region_overlap(maps: NDArray, masks: Mask, fpr_limit: float = 0.3) -> float:
    """Area under the per-region overlap curve up to a false positive rate, divided by that rate.

    PRO(t) = (1 / K) sum_k |P(t) and R_k| / |R_k| over the K connected regions R_k (8 neighbours) of all masks, P(t)
    the pixels with a score of at least t (Bergmann et al. 2020, arXiv:1911.02357). Each region counts the same
    whatever its size: a pixel of R_k weighs 1 / (K |R_k|), and the curve is the ROC curve of weighted pixels,
    integrated by the trapezoid rule.

    Arguments and errors as `localisation_metrics`; ``fpr_limit`` must lie in (0, 1].
    """
    return localisation_metrics(maps, masks, fpr_limit)["pro"]


def region_weights(masks: Mask) -> tuple[FloatArray, NDArray[np.int64]]:
    """1 / |R_k| for the pixels of each region, 0 outside (N, H, W), and how many regions each mask has (N,)."""
    from scipy.ndimage import label

    weights = np.zeros(masks.shape, dtype=np.float64)
    regions = np.zeros(len(masks), dtype=np.int64)
    for index, mask in enumerate(masks):
        if mask.any():
            labels, regions[index] = label(mask, structure=np.ones((3, 3)))
            sizes = np.bincount(labels.reshape(-1))
            weights[index] = np.where(mask, 1.0 / sizes[labels], 0.0)
    return weights, regions


def partial_area(positive: FloatArray, negative: FloatArray, limit: float) -> FloatArray:
    """Area under the ROC curve up to a false positive rate, divided by it, from counts (..., T) at rising thresholds.

    Raises:
        ValueError: ``limit`` not within (0, 1].
    """
    if not 0 < limit <= 1:
        raise ValueError(f"fpr_limit must lie in (0, 1], found {limit}")
    rates = []
    for counts in (negative, positive):
        falling = np.cumsum(counts[..., ::-1], axis=-1)
        rates.append(
            np.concatenate([np.zeros((*falling.shape[:-1], 1)), falling / falling[..., -1:]], axis=-1)
        )
    fpr, tpr = rates
    width, rise = np.diff(fpr, axis=-1), np.diff(tpr, axis=-1)
    # The last trapezoid is cut where the curve, a straight line between two thresholds, crosses the limit.
    share = np.divide(limit - fpr[..., :-1], width, out=np.ones_like(width), where=width > 0).clip(0, 1)
    heights = tpr[..., :-1] + 0.5 * share * rise
    return (share * width * heights).sum(-1) / limit


@dataclass(frozen=True)
class LocalisationCounts:
    """What each of N images contributes at each of T rising levels of the score.

    ``positive`` and ``negative`` (N, T) count pixels inside and outside the regions, ``overlap`` (N, T) sums
    1 / |R_k| over the pixels inside, ``regions`` (N,) counts regions.
    """

    positive: FloatArray
    negative: FloatArray
    overlap: FloatArray
    regions: NDArray[np.int64]

    def metrics(self, weights: FloatArray, fpr_limit: float = 0.3) -> dict[str, FloatArray]:
        """The metrics (B,) under weights (B, N) of the images; a weight of 2 counts an image twice.

        Every row of weights must leave some pixels inside and some outside.
        """
        found: dict[str, list[FloatArray]] = {name: [] for name in METRICS}
        step = max(1, BLOCK_ELEMENTS // self.positive.shape[1])
        for start in range(0, len(weights), step):
            rows = weights[start : start + step]
            positive, negative = rows @ self.positive, rows @ self.negative
            found["pixel_auroc"].append(auc_of_counts(positive, negative))
            found["pixel_ap"].append(ap_of_counts(positive, negative))
            found["pro"].append(partial_area(rows @ self.overlap, negative, fpr_limit))
        return {name: np.concatenate(values) for name, values in found.items()}


def localisation_counts(maps: NDArray, masks: Mask, levels: int = LEVELS) -> LocalisationCounts:
    """Counts at ``levels`` thresholds, half of them quantiles of all pixels, half of those inside the regions.

    Scores between two thresholds fall together, so metrics from the counts differ from the exact ones by about
    1 / levels^2 (areas) and 1 / levels (average precision).

    Raises:
        ValueError: as `localisation_metrics`.
    """
    truth = _checked(maps, masks)
    weights, regions = region_weights(truth)
    edges = level_edges(maps, truth, levels)
    positive, negative, overlap = level_counts(maps, truth, edges, weights)
    return LocalisationCounts(positive, negative, overlap, regions)


def level_edges(maps: NDArray, masks: Mask, levels: int = LEVELS) -> FloatArray:
    """Rising thresholds, half of them quantiles of all pixels, half of those inside the masks; equal ones once."""
    shares = np.linspace(0, 1, levels // 2 + 1)[:-1]
    return np.unique(np.concatenate([np.quantile(maps, shares), np.quantile(maps[masks], shares)]))


def level_counts(
    maps: NDArray, masks: Mask, edges: FloatArray, weights: FloatArray
) -> tuple[FloatArray, FloatArray, FloatArray]:
    """Pixels inside, pixels outside and the weight of those inside, of each image between rising ``edges`` (T - 1,).

    Returns:
        Three arrays (N, T) from maps, masks and weights (N, H, W).
    """
    size = len(maps) * (len(edges) + 1)
    level = np.searchsorted(edges, maps.reshape(-1), side="right")
    level += np.repeat(np.arange(len(maps)) * (len(edges) + 1), maps[0].size)
    inside = masks.reshape(-1)
    within = level[inside]
    counts = (
        np.bincount(within, minlength=size),
        np.bincount(level[~inside], minlength=size),
        np.bincount(within, weights.reshape(-1)[inside], minlength=size),
    )
    positive, negative, weighed = (found.reshape(len(maps), -1).astype(np.float64) for found in counts)
    return positive, negative, weighed


def stratified_weights(strata: NDArray, n_resamples: int, seed: int) -> FloatArray:
    """Bootstrap weights (B, N) that draw within each stratum, so that none is ever missing from a resample.

    Args:
        strata: (N,) what each image belongs to.
        n_resamples: B >= 1.
        seed: of the draws.
    """
    if n_resamples < 1:
        raise ValueError(f"n_resamples must be at least 1, found {n_resamples}")
    generator = np.random.default_rng(seed)
    weights = np.zeros((n_resamples, len(strata)))
    for value in np.unique(strata):
        members = np.flatnonzero(strata == value)
        drawn = generator.integers(0, len(members), size=(n_resamples, len(members)))
        drawn += np.arange(n_resamples)[:, None] * len(members)
        counts = np.bincount(drawn.reshape(-1), minlength=n_resamples * len(members))
        weights[:, members] = counts.reshape(n_resamples, len(members))
    return weights


def image_resamples(scores: NDArray, positive: NDArray, weights: FloatArray) -> dict[str, FloatArray]:
    """``image_auroc`` and ``image_ap`` (B,) of scores (N,) under weights (B, N) of the images."""
    levels, index = np.unique(scores, return_inverse=True)
    counts = []
    for members in (np.flatnonzero(positive), np.flatnonzero(~np.asarray(positive, dtype=bool))):
        at_level = np.zeros((len(weights), len(levels)))
        for member in members:
            at_level[:, index[member]] += weights[:, member]
        counts.append(at_level)
    return {"image_auroc": auc_of_counts(*counts), "image_ap": ap_of_counts(*counts)}


def _checked(maps: NDArray, masks: NDArray) -> Mask:
    if maps.ndim != 3 or maps.shape != masks.shape:
        raise ValueError(
            f"maps and masks must have one shape (N, H, W), found {maps.shape} and {masks.shape}"
        )
    if masks.dtype != bool:
        raise ValueError(f"masks must be of type bool, found {masks.dtype}")
    if not np.isfinite(maps).all():
        raise ValueError(
            f"{np.count_nonzero(~np.isfinite(maps))} scores of the maps are not finite; expected numbers only"
        )
    if not masks.any() or masks.all():
        raise ValueError("masks must have some pixels inside a region and some outside")
    return np.asarray(masks)
