"""How far generated pictures are from real ones, in a space of features: plain functions of arrays.

Rows are pictures, columns features of a network (`etudes.digits.judge`). No one of these numbers is enough: a distance
between distributions is best for copies of the training pictures, label accuracy for one perfect picture a class,
diversity for noise. They stand side by side.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from etudes.evaluation.shares import wilson

Array = NDArray[np.floating]
BLOCK = 1_000  # rows of a distance matrix that is in memory at once
NORMAL_95 = 1.959963984540054


class Estimate(NamedTuple):
    """A value and the ends of its 95 % interval."""

    value: float
    low: float
    high: float

    def flat(self, name: str) -> dict[str, float]:
        """``name``, ``name.low`` and ``name.high``."""
        return {name: self.value, f"{name}.low": self.low, f"{name}.high": self.high}


def frechet_distance(first: Array, second: Array) -> float:
    """Fréchet distance of two Gaussians with the sets' means and covariances (Heusel et al. 2017, equation 6).

    ``|m1 - m2|^2 + tr(C1) + tr(C2) - 2 tr((C1^1/2 C2 C1^1/2)^1/2)``: the matrix under the root is symmetric, so its
    eigenvalues are real and the root's trace is the sum of their roots. ``sqrtm(C1 C2)`` of other implementations has
    the same trace, and may come out complex.

    Args:
        first, second: features (N, D) and (M, D), N and M at least 2.

    Raises:
        ValueError: other shapes, or numbers that are not finite.
    """
    a, b = _features(first, 2), _features(second, 2)
    _same_width(a, b)
    return _gaussian_distance(a.mean(0), np.cov(a, rowvar=False), b.mean(0), np.cov(b, rowvar=False))


def _gaussian_distance(mean_a: Array, cov_a: Array, mean_b: Array, cov_b: Array) -> float:
    root = _symmetric_root(np.atleast_2d(cov_a))
    inner = root @ np.atleast_2d(cov_b) @ root
    eigenvalues = np.linalg.eigvalsh((inner + inner.T) / 2)
    trace_of_root = np.sqrt(np.clip(eigenvalues, 0, None)).sum()  # rounding makes zeros slightly negative
    gap = mean_a - mean_b
    total = gap @ gap + np.trace(np.atleast_2d(cov_a)) + np.trace(np.atleast_2d(cov_b)) - 2 * trace_of_root
    return float(max(total, 0.0))


def _symmetric_root(matrix: Array) -> Array:
    """The symmetric root of a positive semi-definite matrix."""
    values, vectors = np.linalg.eigh(matrix)
    return (vectors * np.sqrt(np.clip(values, 0, None))) @ vectors.T


def frechet_estimate(first: Array, second: Array, resamples: int, seed: int = 0) -> Estimate:
    """`frechet_distance` with an interval of 1.96 bootstrap standard deviations to both sides, not below 0.

    Both sets are resampled. The percentiles of the resampled distances would be of no use: a resample holds less than
    its set, the distance grows with the noise of means and covariances, and all of them lie above the value. Their
    spread is not so affected.
    """
    value = frechet_distance(first, second)
    generator = np.random.default_rng(seed)
    drawn = [
        _gaussian_distance(*_resampled_moments(first, generator), *_resampled_moments(second, generator))
        for _ in range(resamples)
    ]
    return _normal(value, float(np.std(drawn)))


def weighted_frechet(first: Array, second: Array, counts: Array) -> float:
    """`frechet_distance` of two sets (N, D) in which row i stands ``counts[i]`` times, N times in all: a paired resample."""
    return _gaussian_distance(*_moments(first, counts), *_moments(second, counts))


def _resampled_moments(features: Array, generator: np.random.Generator) -> tuple[Array, Array]:
    n = len(features)
    return _moments(features, np.bincount(generator.integers(0, n, n), minlength=n))


def _moments(features: Array, counts: NDArray) -> tuple[Array, Array]:
    n = len(features)
    weights = counts / n
    mean = weights @ features
    centred = features - mean
    return mean, (centred * (weights * n / (n - 1))[:, None]).T @ centred


def polynomial_kernel(first: Array, second: Array) -> Array:
    """``(x.y / D + 1)^3`` of all pairs (N, M) (Binkowski et al. 2018, section 4)."""
    return (first @ second.T / first.shape[1] + 1) ** 3


def kernel_distance(first: Array, second: Array) -> float:
    """Squared maximum mean discrepancy with the polynomial kernel, unbiased: it may be negative (Gretton et al. 2012).

    ``mean k(x, x') + mean k(y, y') - 2 mean k(x, y)``, pairs of a picture with itself left out.

    Raises:
        ValueError: as `frechet_distance`.
    """
    a, b = _features(first, 2), _features(second, 2)
    _same_width(a, b)
    return float(_mean_of_pairs(a) + _mean_of_pairs(b) - 2 * polynomial_kernel(a, b).mean())


def _mean_of_pairs(features: Array) -> float:
    kernel = polynomial_kernel(features, features)
    n = len(features)
    return float((kernel.sum() - np.trace(kernel)) / (n * (n - 1)))


def kernel_estimate(first: Array, second: Array, block: int, seed: int = 0) -> Estimate:
    """Mean of `kernel_distance` over disjoint blocks of ``block`` pictures from both sets, with a t interval.

    Blocks without common pictures are independent, so the interval means what it says; with random subsets, which
    overlap, it would be too narrow. There are at least two blocks: small sets are halved.
    """
    from scipy.special import stdtrit  # the t quantile, without the slow import of scipy.stats

    values = kernel_blocks(first, second, block, seed)
    count, value = len(values), float(values.mean())
    half = float(stdtrit(count - 1, 0.975) * values.std(ddof=1) / np.sqrt(count))
    return Estimate(value, value - half, value + half)


def kernel_blocks(first: Array, second: Array, block: int, seed: int = 0) -> Array:
    """`kernel_distance` of each of the disjoint blocks; sets of one size are cut at the same rows whatever they hold.

    Raises:
        ValueError: fewer than four pictures.
    """
    shorter = min(len(first), len(second))
    count = max(2, shorter // block)
    size = shorter // count
    if size < 2:
        raise ValueError(f"{shorter} pictures are too few for a kernel distance with an interval; expected 4")
    generator = np.random.default_rng(seed)
    rows_a, rows_b = generator.permutation(len(first)), generator.permutation(len(second))
    parts = [slice(i * size, (i + 1) * size) for i in range(count)]
    return np.array([kernel_distance(first[rows_a[p]], second[rows_b[p]]) for p in parts])


def precision_recall(real: Array, generated: Array, neighbours: int) -> tuple[Estimate, Estimate]:
    """Improved precision and recall (Kynkäänniemi et al. 2019, equations 1 and 2), with Wilson intervals.

    A set's manifold is the union of balls around its points, each as large as the distance to its k-th nearest other
    point. Precision: the share of generated pictures inside the real manifold. Recall: the share of real ones inside
    the generated manifold.

    Raises:
        ValueError: as `frechet_distance`, or a set has not more than ``neighbours`` pictures.
    """
    a, b = _features(real, neighbours + 1), _features(generated, neighbours + 1)
    _same_width(a, b)
    precise, recalled = inside(b, a, neighbours), inside(a, b, neighbours)
    return share_estimate(int(precise.sum()), len(b)), share_estimate(int(recalled.sum()), len(a))


def inside(points: Array, centres: Array, neighbours: int) -> NDArray[np.bool_]:
    """Which of the points (N, D) lie in the manifold of the centres (M, D): (N,)."""
    radii = np.concatenate(
        # the nearest point of the same set is the point itself
        [
            np.partition(distances, neighbours, axis=1)[:, neighbours]
            for distances in _blocks(centres, centres)
        ]
    )
    return np.concatenate([(distances <= radii).any(1) for distances in _blocks(points, centres)])


def share_estimate(hits: int, count: int) -> Estimate:
    """A share with its 95 % Wilson interval."""
    return Estimate(hits / count, *wilson(hits / count, count, 0.95))


def within_class_distances(features: Array, labels: NDArray[np.int64], classes: int) -> Array:
    """Mean distance between two pictures of the same class (classes,), NaN where a class has fewer than two."""
    x = _features(features, 1)
    if labels.shape != (len(x),):
        raise ValueError(f"{len(x)} pictures have labels of shape {labels.shape}; expected one each")
    result = np.full(classes, np.nan)
    for label in range(classes):
        rows = x[labels == label]
        n = len(rows)
        if n > 1:
            result[label] = sum(float(d.sum()) for d in _blocks(rows, rows)) / (n * (n - 1))
    return result


def diversity(
    generated: Array,
    generated_labels: NDArray[np.int64],
    real: Array,
    real_labels: NDArray[np.int64],
    classes: int,
) -> float:
    """How far pictures of one class lie apart, relative to real ones: 1 as real, 0 one picture a class.

    The mean over classes of the ratio of `within_class_distances`. A class of which fewer than two pictures were
    generated counts 0: nothing of it was generated.
    """
    ratio = within_class_distances(generated, generated_labels, classes) / within_class_distances(
        real, real_labels, classes
    )
    known = np.isfinite(within_class_distances(real, real_labels, classes))
    return float(np.nan_to_num(ratio[known]).mean())


def pair_distances(features: Array) -> Array:
    """Distances between all pairs of N pictures: (N, N), zero on the diagonal."""
    return np.concatenate([*_blocks(features, features)])


def nearest(queries: Array, references: Array) -> tuple[Array, NDArray[np.int64]]:
    """Distance to and position of the nearest reference of each query: (N,), (N,)."""
    positions = np.concatenate([block.argmin(1) for block in _blocks(queries, references)])
    # The product that finds them loses digits where two pictures are almost alike; a copy has the distance 0.
    gaps = queries.astype(np.float64) - references[positions]
    return np.sqrt((gaps**2).sum(1)), positions


def ratio_of_means(first: Array, second: Array, resamples: int, seed: int = 0) -> Estimate:
    """mean(first) / mean(second) with an interval of 1.96 bootstrap standard deviations, not below 0."""
    generator = np.random.default_rng(seed)

    def means(values: Array) -> Array:
        rows = generator.integers(0, len(values), (resamples, len(values)))
        return values[rows].mean(1)

    value = float(first.mean() / second.mean())
    return _normal(value, float(np.std(means(first) / means(second))))


def _normal(value: float, deviation: float) -> Estimate:
    return Estimate(value, max(value - NORMAL_95 * deviation, 0.0), value + NORMAL_95 * deviation)


def _blocks(queries: Array, references: Array) -> Iterator[Array]:
    """Distances (b, M) of blocks of queries to all references, in order; ``|x|^2 + |y|^2 - 2 x.y``, one product."""
    squares = (references**2).sum(1)
    for start in range(0, len(queries), BLOCK):
        block = queries[start : start + BLOCK]
        squared = (block**2).sum(1)[:, None] + squares - 2 * block @ references.T
        if queries is references:  # rounding must not give a point a distance from itself
            squared[np.arange(len(block)), start + np.arange(len(block))] = 0.0
        yield np.sqrt(np.clip(squared, 0, None))


def _features(features: Array, fewest: int) -> Array:
    x = np.asarray(features)
    if x.ndim != 2 or len(x) < fewest:
        raise ValueError(f"expected features (N, D) with N at least {fewest}, found the shape {x.shape}")
    if not np.isfinite(x).all():
        raise ValueError("features must be finite; found NaN or infinity")
    return x


def _same_width(first: Array, second: Array) -> None:
    if first.shape[1] != second.shape[1]:
        raise ValueError(
            f"the two sets have {first.shape[1]} and {second.shape[1]} features; expected the features of one network"
        )
