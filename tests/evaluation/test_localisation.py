"""Pixel metrics and per-region overlap against brute force, and what they refuse."""

from __future__ import annotations

from itertools import pairwise

import numpy as np
import pytest
from sklearn.metrics import average_precision_score, roc_auc_score

from etudes.evaluation.localisation import (
    image_resamples,
    localisation_counts,
    localisation_metrics,
    per_region_overlap,
    region_weights,
    stratified_weights,
)


def made(seed: int, n: int = 6, size: int = 12, levels: int | None = None) -> tuple[np.ndarray, np.ndarray]:
    """Maps and masks of ``n`` pictures, the last third without a region; with ``levels`` the scores have ties."""
    generator = np.random.default_rng(seed)
    masks = np.zeros((n, size, size), dtype=bool)
    for mask in masks[: n - n // 3]:
        for _ in range(generator.integers(1, 4)):
            row, column = generator.integers(0, size - 3, 2)
            mask[row : row + generator.integers(1, 4), column : column + generator.integers(1, 4)] = True
    maps = generator.normal(size=masks.shape) + 1.2 * masks
    return (np.round(maps * levels) / levels if levels else maps).astype(np.float32), masks


def regions_of(mask: np.ndarray) -> list[set[tuple[int, int]]]:
    """Connected regions with 8 neighbours, by flood fill."""
    left = {(int(row), int(column)) for row, column in np.argwhere(mask)}
    regions = []
    while left:
        region, border = set(), [left.pop()]
        while border:
            row, column = border.pop()
            region.add((row, column))
            near = {(row + i, column + j) for i in (-1, 0, 1) for j in (-1, 0, 1)} & left
            left -= near
            border += near
        regions.append(region)
    return regions


def brute_force_pro(maps: np.ndarray, masks: np.ndarray, limit: float) -> float:
    """Overlap and false positive rate at every threshold, one after the other, and the area below by trapezoids."""
    points = [(0.0, 0.0)]
    for threshold in np.unique(maps)[::-1]:
        marked = maps >= threshold
        overlaps = [
            np.mean([marked[index][pixel] for pixel in region])
            for index, mask in enumerate(masks)
            for region in regions_of(mask)
        ]
        points.append((float(marked[~masks].mean()), float(np.mean(overlaps))))
    area = 0.0
    for (x0, y0), (x1, y1) in pairwise(points):
        if x0 >= limit:
            break
        share = min(1.0, (limit - x0) / (x1 - x0)) if x1 > x0 else 0.0
        area += share * (x1 - x0) * (y0 + 0.5 * share * (y1 - y0))
    return area / limit


@pytest.mark.parametrize("levels", [None, 3])
@pytest.mark.parametrize("limit", [0.05, 0.3, 1.0])
def test_overlap_equals_brute_force(levels: int | None, limit: float) -> None:
    maps, masks = made(1, levels=levels)
    assert per_region_overlap(maps, masks, limit) == pytest.approx(
        brute_force_pro(maps, masks, limit), abs=1e-9
    )


def test_every_region_counts_the_same_whatever_its_size() -> None:
    masks = np.zeros((1, 20, 20), dtype=bool)
    masks[0, :10, :10], masks[0, 18, 18] = True, True
    found = masks.astype(float)
    found[0, 18, 18] = -1.0  # the region of one pixel is missed
    assert per_region_overlap(found, masks) == pytest.approx(0.5, abs=0.01)
    assert localisation_metrics(found, masks)["pixel_auroc"] > 0.98


def test_pixel_metrics_equal_scikit_learn() -> None:
    maps, masks = made(2, levels=4)
    found = localisation_metrics(maps, masks)
    assert found["pixel_auroc"] == pytest.approx(roc_auc_score(masks.ravel(), maps.ravel()), abs=1e-12)
    assert found["pixel_ap"] == pytest.approx(average_precision_score(masks.ravel(), maps.ravel()), abs=1e-12)


def test_perfect_maps_score_one_and_constant_ones_by_chance() -> None:
    _, masks = made(3)
    assert localisation_metrics(masks.astype(float), masks) == {
        "pixel_auroc": 1.0,
        "pixel_ap": 1.0,
        "pro": 1.0,
    }
    flat = localisation_metrics(np.ones(masks.shape), masks)
    assert flat["pixel_auroc"] == 0.5 and flat["pro"] == pytest.approx(
        0.15
    )  # half of the limit: the diagonal


def test_counts_give_the_exact_metrics_within_their_resolution() -> None:
    maps, masks = made(4, n=9, size=40)
    counts = localisation_counts(maps, masks)
    binned = counts.metrics(np.ones((1, len(maps))))
    for name, exact in localisation_metrics(maps, masks).items():
        assert binned[name][0] == pytest.approx(exact, abs=2e-3 if name == "pixel_ap" else 2e-4), name


def test_a_weight_of_two_counts_an_image_twice() -> None:
    maps, masks = made(5)
    weights = np.array([[2.0, 1, 0, 1, 1, 2]])
    repeated = np.repeat(np.arange(len(maps)), weights[0].astype(int))
    there = localisation_metrics(maps[repeated], masks[repeated])
    here = localisation_counts(maps, masks).metrics(weights)
    for name, value in there.items():
        assert here[name][0] == pytest.approx(value, abs=0.02), name


def test_regions_touch_over_corners() -> None:
    masks = np.zeros((2, 4, 4), dtype=bool)
    masks[0, 0, 0] = masks[0, 1, 1] = masks[0, 3, 3] = True
    weights, regions = region_weights(masks)
    assert regions.tolist() == [2, 0]
    assert weights[0, 0, 0] == 0.5 and weights[0, 3, 3] == 1.0 and weights.sum() == 2.0


def test_resamples_keep_each_stratum_and_repeat_with_the_seed() -> None:
    strata = np.array([0, 0, 0, 1, 1])
    weights = stratified_weights(strata, 50, seed=3)
    assert (weights[:, :3].sum(1) == 3).all() and (weights[:, 3:].sum(1) == 2).all()
    assert np.array_equal(weights, stratified_weights(strata, 50, seed=3))
    assert len(np.unique(weights, axis=0)) > 10


def test_image_metrics_under_weights_equal_scikit_learn() -> None:
    generator = np.random.default_rng(6)
    positive = np.arange(30) % 3 == 0
    scores = np.round(generator.normal(size=30) + positive, 1)
    weights = stratified_weights(positive, 4, seed=0)
    found = image_resamples(scores, positive, weights)
    for row, given in enumerate(weights):
        expected = roc_auc_score(positive, scores, sample_weight=given)
        assert found["image_auroc"][row] == pytest.approx(expected, abs=1e-12)
        expected = average_precision_score(positive, scores, sample_weight=given)
        assert found["image_ap"][row] == pytest.approx(expected, abs=1e-12)


@pytest.mark.parametrize(
    ("maps", "masks", "message"),
    [
        (np.zeros((2, 3, 3)), np.zeros((2, 9), dtype=bool), "one shape"),
        (np.zeros((2, 3, 3)), np.zeros((2, 3, 3)), "type bool"),
        (np.full((1, 3, 3), np.nan), np.eye(3, dtype=bool)[None], "9 scores of the maps are not finite"),
        (
            np.zeros((1, 3, 3)),
            np.zeros((1, 3, 3), dtype=bool),
            "some pixels inside a region and some outside",
        ),
        (np.zeros((1, 3, 3)), np.ones((1, 3, 3), dtype=bool), "some pixels inside a region and some outside"),
    ],
)
def test_what_cannot_be_scored_is_refused(maps: np.ndarray, masks: np.ndarray, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        localisation_metrics(maps, masks)


def test_a_limit_outside_of_a_rate_is_refused() -> None:
    maps, masks = made(7)
    with pytest.raises(ValueError, match=r"fpr_limit must lie in \(0, 1\], found 0"):
        per_region_overlap(maps, masks, 0.0)
