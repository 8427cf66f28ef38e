"""Streaming Gaussians against numpy's two passes, distances against explicit inverses."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest
import torch

from etudes.pipelines.anomaly_padim.gaussian import (
    PatchStatistics,
    StreamingGaussian,
    changed_squares,
    factor,
    pack,
)

Vectors = Callable[..., np.ndarray]
EPSILON = 0.01


def streamed(vectors: np.ndarray, batch_size: int, precision: str = "float64") -> StreamingGaussian:
    _, channels, positions = vectors.shape
    stream = StreamingGaussian(positions, channels, precision)  # type: ignore[arg-type]
    for start in range(0, len(vectors), batch_size):
        stream.update(torch.from_numpy(vectors[start : start + batch_size]))
    return stream


def two_pass(vectors: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Mean (P, C) and covariance (P, C, C) by numpy, in float64."""
    wide = vectors.astype(np.float64)
    covariance = np.stack([np.cov(wide[:, :, p], rowvar=False) for p in range(wide.shape[2])])
    return wide.mean(0).T, covariance


@pytest.mark.parametrize("batch_size", [1, 7, 40])
def test_streamed_covariance_equals_two_passes(made_vectors: Vectors, batch_size: int) -> None:
    vectors = made_vectors(40, 5, 6)
    mean, covariance = two_pass(vectors)
    stream = streamed(vectors, batch_size)
    assert stream.count == 40
    np.testing.assert_allclose(stream.mean.numpy(), mean, atol=1e-10, rtol=0)
    np.testing.assert_allclose(stream.covariance().numpy(), covariance, atol=1e-10, rtol=0)


def test_a_large_offset_costs_no_precision(made_vectors: Vectors) -> None:
    vectors = made_vectors(50, 3, 4).astype(np.float64)
    far = torch.from_numpy(vectors + 1e6)
    stream = StreamingGaussian(4, 3)
    for batch in far.split(9):
        stream.update(batch)
    np.testing.assert_allclose(stream.covariance().numpy(), two_pass(vectors)[1], rtol=1e-8, atol=1e-8)


def test_float32_is_within_its_stated_tolerance(made_vectors: Vectors) -> None:
    vectors = made_vectors(60, 6, 5)
    covariance = two_pass(vectors)[1]
    found = streamed(vectors, 8, "float32").covariance().numpy()
    assert np.abs(found - covariance).max() < 1e-5 * covariance.max()


def test_what_is_held_does_not_grow_with_the_number_of_images(made_vectors: Vectors) -> None:
    few, many = streamed(made_vectors(8, 5, 6), 4), streamed(made_vectors(64, 5, 6), 4)
    assert few.nbytes == many.nbytes < 8 * (6 * 5 + 6 * 5 * 5)


def test_batches_of_another_shape_or_with_nan_are_refused() -> None:
    stream = StreamingGaussian(6, 3)
    with pytest.raises(ValueError, match=r"expected a batch \(n, 3, 6\), n >= 1, found \(2, 6, 3\)"):
        stream.update(torch.zeros(2, 6, 3))
    with pytest.raises(ValueError, match=r"n >= 1, found \(0, 3, 6\)"):
        stream.update(torch.zeros(0, 3, 6))
    with pytest.raises(ValueError, match="not finite"):
        stream.update(torch.full((1, 3, 6), float("nan")))
    with pytest.raises(ValueError, match="at least 2 images, found 1"):
        stream.update(torch.zeros(1, 3, 6)).covariance()


def test_packed_statistics_are_the_covariance(made_vectors: Vectors) -> None:
    vectors = made_vectors(40, 5, 6)
    packed = streamed(vectors, 8).packed()
    mean, covariance = two_pass(vectors)
    np.testing.assert_allclose(packed.mean, mean, rtol=1e-6)
    np.testing.assert_allclose(packed.covariance().numpy(), covariance, atol=1e-5)
    assert torch.equal(packed.covariance(), packed.covariance().transpose(1, 2))


def explicit(vectors: np.ndarray, mean: np.ndarray, covariance: np.ndarray) -> np.ndarray:
    """Mahalanobis distances (n, P) with explicit inverses, in float64."""
    inverse = np.linalg.inv(covariance + EPSILON * np.eye(covariance.shape[1]))
    centred = vectors.astype(np.float64).transpose(0, 2, 1) - mean
    return np.sqrt(np.einsum("npc,pcd,npd->np", centred, inverse, centred))


def test_distances_equal_explicit_inverses_and_scipy(made_vectors: Vectors) -> None:
    from scipy.spatial.distance import mahalanobis

    vectors, new = made_vectors(40, 5, 6), made_vectors(9, 5, 6, seed=1) * 2
    mean, covariance = two_pass(vectors)
    found = streamed(vectors, 8).packed().gaussian(EPSILON).distances(torch.from_numpy(new)).numpy()
    np.testing.assert_allclose(found, explicit(new, mean, covariance), rtol=1e-3)
    inverse = np.linalg.inv(covariance[2] + EPSILON * np.eye(5))
    assert found[3, 2] == pytest.approx(mahalanobis(new[3, :, 2], mean[2], inverse), rel=1e-3)


def test_a_subset_of_channels_equals_a_fit_on_that_subset(made_vectors: Vectors) -> None:
    vectors, new = made_vectors(40, 8, 6), torch.from_numpy(made_vectors(9, 8, 6, seed=1))
    columns = np.array([1, 4, 7])
    of_block = streamed(vectors, 8).packed().gaussian(EPSILON, columns=columns)
    alone = streamed(vectors[:, columns], 8).packed().gaussian(EPSILON)
    torch.testing.assert_close(
        of_block.distances(new), alone.distances(new[:, columns]), rtol=1e-5, atol=1e-5
    )


def test_projections_equal_a_fit_on_the_projected_vectors(made_vectors: Vectors) -> None:
    vectors, new = made_vectors(60, 6, 5), made_vectors(9, 6, 5, seed=1)
    packed = streamed(vectors, 8).packed()
    axes = packed.principal_axes(3)
    np.testing.assert_allclose(axes @ axes.T, np.eye(3), atol=1e-10)
    turned = np.einsum("dc,ncp->ndp", axes, vectors).astype(np.float32)
    alone = streamed(turned, 8).packed().gaussian(EPSILON)
    found = packed.gaussian(EPSILON, axes=axes).distances(torch.from_numpy(new))
    expected = alone.distances(torch.from_numpy(np.einsum("dc,ncp->ndp", axes, new).astype(np.float32)))
    torch.testing.assert_close(found, expected, rtol=1e-3, atol=1e-3)


def test_principal_axes_are_those_of_all_vectors_together(made_vectors: Vectors) -> None:
    vectors = made_vectors(60, 6, 5)
    flat = vectors.astype(np.float64).transpose(0, 2, 1).reshape(-1, 6)
    expected = np.linalg.eigh(np.cov(flat, rowvar=False))[1][:, ::-1].T
    axes = streamed(vectors, 8).packed().principal_axes(6)
    np.testing.assert_allclose(np.abs((axes * expected).sum(1)), 1.0, atol=1e-5)
    with pytest.raises(ValueError, match="7 principal axes of 6 channels"):
        streamed(vectors, 8).packed().principal_axes(7)


def test_changed_distances_equal_brute_force(made_vectors: Vectors) -> None:
    vectors, new = made_vectors(40, 5, 6), torch.from_numpy(made_vectors(9, 5, 6, seed=1))
    gaussian = streamed(vectors, 8).packed().gaussian(EPSILON)
    squares = gaussian.distances(new).square()
    turned, diagonal = gaussian.precision_vectors(new)
    generator = torch.Generator().manual_seed(0)
    for channel in range(5):
        delta = torch.randn(9, 6, generator=generator)
        changed = new.clone()
        changed[:, channel] += delta
        expected = gaussian.distances(changed).square()
        found = changed_squares(squares, turned[:, channel], diagonal[channel], delta)
        torch.testing.assert_close(found, expected, rtol=2e-3, atol=2e-3)


def test_fewer_images_than_channels_are_regularised(made_vectors: Vectors) -> None:
    vectors = made_vectors(3, 10, 4)
    gaussian = streamed(vectors, 2).packed().gaussian(EPSILON)
    assert torch.isfinite(gaussian.distances(torch.from_numpy(made_vectors(5, 10, 4, seed=1)))).all()


def test_a_covariance_that_is_not_positive_definite_is_named() -> None:
    covariance = torch.eye(3).repeat(4, 1, 1).to(torch.float64)
    covariance[2, 0, 0] = -1.0
    with pytest.raises(
        ValueError, match=r"position 12 is not positive definite with gaussian\.epsilon = 0\.01"
    ):
        factor(covariance, EPSILON, first=10)
    triangle = pack(covariance)
    statistics = PatchStatistics(np.zeros((4, 3), dtype=np.float32), triangle, 5)
    with pytest.raises(ValueError, match=r"position 2 .* raise gaussian\.epsilon"):
        statistics.gaussian(EPSILON)
