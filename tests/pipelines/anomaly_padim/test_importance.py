"""Permutation importance: against brute force, on channels whose worth is known, and what is chosen by it."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import torch

from etudes.evaluation import roc_auc
from etudes.pipelines.anomaly_padim.gaussian import StreamingGaussian
from etudes.pipelines.anomaly_padim.importance import (
    chosen,
    patch_masks,
    permutation_importance,
    shuffled,
)
from etudes.vision.heat_maps import blurred

GRID, CHANNELS, TELLING = 6, 5, 2


def problem(seed: int = 0, n: int = 24) -> tuple[Any, torch.Tensor, np.ndarray, np.ndarray]:
    """A Gaussian, vectors (n, C, h, w), masks (n, H, W) and folds; channel `TELLING` alone shows the defects."""
    generator = np.random.default_rng(seed)
    good = generator.normal(size=(60, CHANNELS, GRID * GRID)).astype(np.float32)
    gaussian = StreamingGaussian(GRID * GRID, CHANNELS).update(torch.from_numpy(good)).packed().gaussian(0.01)
    vectors = generator.normal(size=(n, CHANNELS, GRID, GRID)).astype(np.float32)
    masks = np.zeros((n, 4 * GRID, 4 * GRID), dtype=bool)
    for index in range(0, n, 2):
        row, column = generator.integers(0, GRID - 1, 2)
        masks[index, 4 * row : 4 * row + 8, 4 * column : 4 * column + 8] = True
        vectors[index, TELLING, row : row + 2, column : column + 2] += 6.0
    return gaussian, torch.from_numpy(vectors), masks, np.arange(n) // 2 % 2


def test_the_telling_channel_is_the_important_one(settings: Callable[..., Any]) -> None:
    gaussian, vectors, masks, folds = problem()
    found = permutation_importance(gaussian, vectors, masks, folds, settings("importance"), 0.3, seed=0)
    assert found.values.shape == (CHANNELS, 5) and found.folds.shape == (2, CHANNELS)
    assert found.mean.argmax() == TELLING and found.low[TELLING] > 0.1
    others = np.delete(np.arange(CHANNELS), TELLING)
    assert (found.low[others] < 0.02).all() and np.abs(found.mean[others]).max() < 0.05
    assert (found.low <= found.mean + 1e-9).all() and (found.mean <= found.high + 1e-9).all()
    assert (found.folds.argmax(1) == TELLING).all()
    assert found.reference > 0.9


@pytest.mark.parametrize("shuffle", ["images", "positions"])
def test_importance_equals_brute_force(settings: Callable[..., Any], shuffle: str) -> None:
    gaussian, vectors, masks, folds = problem(1)
    parameters = settings("importance", shuffle=shuffle)
    found = permutation_importance(gaussian, vectors, masks, folds, parameters, 0.3, seed=4)
    inside = patch_masks(masks, (GRID, GRID)).ravel()

    def auroc(changed: torch.Tensor) -> float:
        distances = gaussian.distances(changed.flatten(2)).unflatten(1, (GRID, GRID))
        return roc_auc(blurred(distances, 0.3).numpy().ravel(), inside)

    assert found.reference == pytest.approx(auroc(vectors), abs=1e-3)
    generator = np.random.default_rng(4)
    for channel in range(CHANNELS):
        for repeat in range(parameters.repeats):
            changed = vectors.clone()
            flat = vectors[:, channel].flatten(1)
            changed[:, channel] = shuffled(flat, parameters.shuffle, generator).unflatten(1, (GRID, GRID))
            lost = auroc(vectors) - auroc(changed)
            assert found.values[channel, repeat] == pytest.approx(lost, abs=2e-3)


def test_a_shuffle_keeps_values_and_moves_images_or_positions_together() -> None:
    values = torch.arange(12.0).reshape(3, 4)
    images = shuffled(values, "images", np.random.default_rng(1))
    assert sorted(images[:, 0].tolist()) == [0, 4, 8] and torch.equal(
        images - images[:, :1], values - values[:, :1]
    )
    positions = shuffled(values, "positions", np.random.default_rng(1))
    assert torch.equal(positions - positions[:1], values - values[:1])
    assert sorted(positions[0].tolist()) == [0, 1, 2, 3]


def test_a_patch_is_inside_if_it_touches_the_region() -> None:
    masks = np.zeros((1, 8, 8), dtype=bool)
    masks[0, 3, 3] = True
    assert patch_masks(masks, (4, 4))[0].nonzero() == (np.array([1]), np.array([1]))


def test_best_and_worst_are_chosen_from_the_ends_in_rising_order() -> None:
    importance = np.array([0.3, -0.1, 0.5, 0.0, 0.5])
    assert chosen(importance, 2, best=True).tolist() == [2, 4]
    assert chosen(importance, 2, best=False).tolist() == [1, 3]


def test_the_table_has_channels_in_one_fixed_order_and_both_intervals(fitted: Any) -> None:
    table, pool = fitted.importance.table(), fitted.statistics.channels.tolist()
    assert table["channel"].tolist() == 2 * pool == 2 * sorted(pool)
    assert table["category"].tolist() == ["fabric"] * len(pool) + ["board"] * len(pool)
    assert table["stage"].tolist() == 2 * fitted.backbone.stage_of(fitted.statistics.channels).tolist()
    assert (table["shuffle_low"] <= table["importance"] + 1e-12).all()
