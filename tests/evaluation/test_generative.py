"""Distances between sets of pictures, against references and cases that can be counted by hand."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.linalg import sqrtm
from scipy.spatial.distance import cdist, pdist

from etudes.evaluation.generative import (
    diversity,
    frechet_distance,
    frechet_estimate,
    inside,
    kernel_blocks,
    kernel_distance,
    kernel_estimate,
    nearest,
    pair_distances,
    precision_recall,
    ratio_of_means,
    share_estimate,
    weighted_frechet,
    within_class_distances,
)


def cloud(n: int, d: int = 6, shift: float = 0.0, seed: int = 0, rank: int | None = None) -> np.ndarray:
    generator = np.random.default_rng(seed)
    mix = np.random.default_rng(99).normal(size=(rank or d, d))
    return generator.normal(size=(n, rank or d)) @ mix + shift


@pytest.mark.parametrize("rank", [None, 3])
def test_frechet_distance_equals_the_one_with_scipys_root(rank: int | None) -> None:
    a, b = cloud(200, rank=rank), 1.3 * cloud(150, shift=0.4, seed=1, rank=rank)
    cov_a, cov_b = np.cov(a, rowvar=False), np.cov(b, rowvar=False)
    root = sqrtm(cov_a @ cov_b).real
    reference = ((a.mean(0) - b.mean(0)) ** 2).sum() + np.trace(cov_a + cov_b - 2 * root)
    assert frechet_distance(a, b) == pytest.approx(reference, rel=1e-5)
    assert frechet_distance(b, a) == pytest.approx(frechet_distance(a, b), rel=1e-6)


def test_frechet_distance_of_a_shift_is_its_square() -> None:
    a = cloud(300)
    assert frechet_distance(a, a + 2.0) == pytest.approx(6 * 4.0)
    assert frechet_distance(a, a) == pytest.approx(0.0, abs=1e-6)


def test_frechet_interval_holds_the_value_and_shrinks_with_more_pictures() -> None:
    few = frechet_estimate(cloud(50), cloud(50, shift=0.5, seed=1), 50)
    many = frechet_estimate(cloud(3000), cloud(3000, shift=0.5, seed=1), 50)
    for estimate in (few, many):
        assert 0 <= estimate.low < estimate.value < estimate.high
    assert many.high - many.low < (few.high - few.low) / 3


def test_weighted_frechet_distance_is_that_of_the_rows_as_often_as_they_count() -> None:
    a, b = cloud(80), cloud(80, shift=0.5, seed=1)
    counts = np.bincount(np.random.default_rng(2).integers(0, 80, 80), minlength=80)
    expected = frechet_distance(a.repeat(counts, 0), b.repeat(counts, 0))
    assert weighted_frechet(a, b, counts) == pytest.approx(expected)
    assert weighted_frechet(a, b, np.ones(80)) == pytest.approx(frechet_distance(a, b))


def test_kernel_distance_equals_the_double_loop() -> None:
    a, b = cloud(12, d=4), cloud(9, d=4, shift=0.3, seed=1)

    def k(x: np.ndarray, y: np.ndarray) -> float:
        return float((x @ y / 4 + 1) ** 3)

    xx = np.mean([k(a[i], a[j]) for i in range(12) for j in range(12) if i != j])
    yy = np.mean([k(b[i], b[j]) for i in range(9) for j in range(9) if i != j])
    xy = np.mean([k(x, y) for x in a for y in b])
    assert kernel_distance(a, b) == pytest.approx(xx + yy - 2 * xy)


def test_kernel_distance_is_unbiased() -> None:
    values = [kernel_distance(cloud(40, seed=i) / 5, cloud(40, seed=1000 + i) / 5) for i in range(200)]
    assert abs(np.mean(values)) < 3 * np.std(values) / np.sqrt(len(values))
    assert min(values) < 0


def test_kernel_interval_covers_zero_for_one_distribution_and_not_for_two() -> None:
    same = kernel_estimate(cloud(400) / 3, cloud(400, seed=1) / 3, 40)
    other = kernel_estimate(cloud(400) / 3, cloud(400, shift=1.5, seed=1) / 3, 40)
    assert same.low < 0 < same.high and other.low > 0
    assert kernel_estimate(cloud(5), cloud(5, seed=1), 100).low < np.inf


def test_blocks_of_two_sets_beside_one_are_cut_at_the_same_rows() -> None:
    real, drawn = cloud(60) / 3, cloud(60, seed=1) / 3
    other = drawn.copy()
    other[7] += 3.0
    changed = kernel_blocks(drawn, real, 20) != kernel_blocks(other, real, 20)
    assert changed.tolist().count(True) == 1
    assert kernel_blocks(drawn, real, 20).mean() == pytest.approx(kernel_estimate(drawn, real, 20).value)


def test_precision_and_recall_counted_by_hand() -> None:
    real = np.array([[0.0, 0], [1, 0], [2, 0], [10, 0]])
    generated = np.array([[0.5, 0], [0.6, 0], [0.7, 0], [30, 0]])
    # Radii to the nearest other point: real 1, 1, 1, 8; generated 0.1, 0.1, 0.1, 29.3.
    # Generated inside a real ball: all but 30. Real inside a generated ball: 1, 2 and 10, in the ball of 30.
    precision, recall = precision_recall(real, generated, 1)
    assert (precision.value, recall.value) == (0.75, 0.75)
    assert inside(generated, real, 1).tolist() == [True, True, True, False]
    assert inside(real, generated, 1).tolist() == [False, True, True, True]
    assert precision_recall(real, real, 2)[0].value == 1.0


def test_precision_sees_strange_pictures_and_recall_what_is_missing() -> None:
    real = np.concatenate([cloud(200), cloud(200, shift=50, seed=1)])
    half = cloud(200, seed=2)
    strange = np.concatenate([cloud(200, seed=3), cloud(200, shift=-50, seed=4)])
    precision, recall = precision_recall(real, half, 5)
    assert precision.value > 0.9 and recall.value < 0.6
    precision, _ = precision_recall(real, strange, 5)
    assert 0.4 < precision.value < 0.6


def test_share_interval_is_wilsons() -> None:
    # Newcombe (1998), table I: 81 of 263.
    estimate = share_estimate(81, 263)
    assert (round(estimate.low, 4), round(estimate.high, 4)) == (0.2553, 0.3662)
    assert share_estimate(0, 20).low == 0.0 < share_estimate(0, 20).high
    assert share_estimate(20, 20).high == 1.0 > share_estimate(20, 20).low


def test_distances_within_classes_equal_scipys() -> None:
    features, labels = cloud(60), np.arange(60) % 3
    expected = [pdist(features[labels == k]).mean() for k in range(3)]
    assert within_class_distances(features, labels, 4)[:3] == pytest.approx(expected)
    assert np.isnan(within_class_distances(features, labels, 4)[3])
    assert pair_distances(features) == pytest.approx(cdist(features, features), abs=1e-5)


def test_diversity_is_one_for_real_pictures_and_zero_for_one_picture_a_class() -> None:
    real, labels = cloud(60), np.arange(60) % 3
    assert diversity(real, labels, real, labels, 3) == pytest.approx(1.0)
    assert diversity(real[labels], labels, real, labels, 3) == pytest.approx(0.0, abs=1e-6)
    assert diversity(0.5 * real, labels, real, labels, 3) == pytest.approx(0.5)
    only_two = labels < 2
    assert diversity(real[only_two], labels[only_two], real, labels, 3) == pytest.approx(2 / 3)


def test_nearest_equals_scipys_and_a_copy_has_the_distance_zero() -> None:
    references = cloud(500).astype(np.float32)
    queries = np.concatenate([cloud(30, seed=1).astype(np.float32), references[7:9]])
    distances, positions = nearest(queries, references)
    table = cdist(queries.astype(float), references.astype(float))
    assert positions.tolist() == table.argmin(1).tolist()
    assert distances == pytest.approx(table.min(1), abs=1e-5)
    assert distances[-2:].tolist() == [0.0, 0.0]


def test_ratio_of_means_has_an_interval_around_it() -> None:
    generator = np.random.default_rng(0)
    estimate = ratio_of_means(generator.normal(2, 0.5, 500), generator.normal(4, 0.5, 500), 200)
    assert estimate.low < 0.5 < estimate.high and estimate.high - estimate.low < 0.05


@pytest.mark.parametrize("measure", [frechet_distance, kernel_distance])
def test_sets_that_do_not_compare_are_refused(measure: object) -> None:
    assert callable(measure)
    with pytest.raises(ValueError, match="6 and 4 features"):
        measure(cloud(10), cloud(10, d=4))
    with pytest.raises(ValueError, match="expected features"):
        measure(cloud(10)[:, 0], cloud(10))
    with pytest.raises(ValueError, match="must be finite"):
        measure(np.full((10, 6), np.nan), cloud(10))


def test_more_neighbours_than_pictures_are_refused() -> None:
    with pytest.raises(ValueError, match="N at least 6"):
        precision_recall(cloud(20), cloud(5), 5)


def test_labels_of_another_shape_are_refused() -> None:
    with pytest.raises(ValueError, match="expected one each"):
        within_class_distances(cloud(10), np.zeros((10, 1), dtype=np.int64), 2)
