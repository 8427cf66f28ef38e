"""One Gaussian for each position of a grid: fitted from a stream of batches, asked for Mahalanobis distances.

Notation: N images, P positions, C channels, x_p the vector of an image at position p.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, Self

import numpy as np
import torch
from torch import Tensor

from etudes.models import register_model
from etudes.stored import Stored

Precision = Literal["float64", "float32"]
BLOCK_BYTES = 2**22  # of one temporary block of positions
PANELS = 8


class StreamingGaussian:
    """Mean and covariance of every position from batches of any size, in memory that does not grow with N.

    With a batch of n_b vectors of mean m_b and scatter S_b = sum (x - m_b)(x - m_b)^T after n_a others (Chan, Golub,
    LeVeque 1979; Welford's update is n_b = 1), and d = m_b - m_a, n = n_a + n_b::

        m = m_a + (n_b / n) d                 S = S_a + S_b + (n_a n_b / n) d d^T

    so the update is one matrix product per position: the centred batch with the row sqrt(n_a n_b / n) d below it.
    The scatter is symmetric: `PANELS` panels hold its lower triangle, each some columns from the diagonal down, in 9/16
    of the memory and the operations. In float64 the result equals the two-pass covariance to 1e-10 (tested); float32, for
    devices that are slow or unable in float64, to about 1e-5 of the largest variance.

    Args:
        positions: P.
        channels: C.
        precision: of mean, scatter and products.
        device: where they are; batches from elsewhere are moved. Apple's GPUs know no float64 and get the CPU then.
    """

    def __init__(
        self,
        positions: int,
        channels: int,
        precision: Precision = "float64",
        device: str | torch.device = "cpu",
    ) -> None:
        self.device = torch.device(device)
        if self.device.type == "mps" and precision == "float64":
            self.device = torch.device("cpu")
        dtype = getattr(torch, precision)
        self.count = 0
        self.mean = torch.zeros(positions, channels, dtype=dtype, device=self.device)
        width = -(-channels // PANELS)
        self.columns = [slice(first, min(first + width, channels)) for first in range(0, channels, width)]
        sizes = [(positions, channels - part.start, part.stop - part.start) for part in self.columns]
        self.scatter = [torch.zeros(size, dtype=dtype, device=self.device) for size in sizes]

    @property
    def nbytes(self) -> int:
        """Bytes held, whatever the number of images seen."""
        return sum(held.numel() * held.element_size() for held in (self.mean, *self.scatter))

    def update(self, batch: Tensor) -> Self:
        """Take in a batch (n, C, P) or (n, C, H, W) with H W = P.

        Raises:
            ValueError: another shape, or values that are not finite.
        """
        positions, channels = self.mean.shape
        batch = batch.flatten(2)
        if batch.shape[1:] != (channels, positions) or not len(batch):
            raise ValueError(
                f"expected a batch (n, {channels}, {positions}), n >= 1, found {tuple(batch.shape)}"
            )
        n, total = len(batch), self.count + len(batch)
        # One buffer for the centred batch and the row of the correction: one product, no temporary scatter.
        rows = torch.empty(positions, n + 1, channels, dtype=self.mean.dtype, device=self.device)
        rows[:, :n] = batch.permute(2, 0, 1)
        mean = rows[:, :n].mean(1)
        if not torch.isfinite(mean).all():
            raise ValueError("the features of a batch are not finite; look for damaged weights or pictures")
        rows[:, :n] -= mean[:, None]
        delta = mean - self.mean
        rows[:, n] = delta * (self.count * n / total) ** 0.5
        for part, panel in zip(self.columns, self.scatter, strict=True):
            panel.baddbmm_(rows[:, :, part.start :].transpose(1, 2), rows[:, :, part])
        self.mean.add_(delta, alpha=n / total)
        self.count = total
        return self

    def covariance(self, positions: slice = slice(None)) -> Tensor:
        """Unbiased covariance S / (N - 1) of some positions, (P', C, C).

        Raises:
            ValueError: fewer than two images were seen.
        """
        return symmetric(self._lower(positions))

    def _lower(self, positions: slice) -> Tensor:
        if self.count < 2:
            raise ValueError(f"a covariance needs at least 2 images, found {self.count}")
        mean = self.mean[positions]
        lower = mean.new_zeros(*mean.shape, mean.shape[1])
        for part, panel in zip(self.columns, self.scatter, strict=True):
            lower[:, part.start :, part] = panel[positions]
        return lower.tril_().div_(self.count - 1)

    def packed(self) -> PatchStatistics:
        """Mean and covariance as they are kept: float32, the covariance's lower triangle alone. Errors as `covariance`."""
        positions, channels = self.mean.shape
        triangle = np.empty((positions, channels * (channels + 1) // 2), dtype=np.float32)
        for part in blocks_of(positions, channels):
            triangle[part] = pack(self._lower(part))
        return PatchStatistics(self.mean.to("cpu", torch.float32).numpy(), triangle, self.count)


@register_model("anomaly_padim.patch_statistics")
@dataclass(frozen=True)
class PatchStatistics(Stored):
    """Mean (P, C) and the lower triangle of the covariance (P, C (C + 1) / 2) of each position, float32, and N."""

    mean: np.ndarray
    triangle: np.ndarray
    count: int

    def covariance(self, positions: slice = slice(None)) -> Tensor:
        """Covariance of some positions (P', C, C), float64."""
        return symmetric(unpack(torch.from_numpy(self.triangle[positions]).double(), self.mean.shape[1]))

    def principal_axes(self, count: int) -> np.ndarray:
        """The first principal axes of the vectors of all images and positions together, rows (count, C), float64.

        Their covariance is, up to a factor, sum_p [S_p + N (m_p - m)(m_p - m)^T]: no second pass over the images.
        Signs are fixed (the largest entry of an axis is positive).

        Raises:
            ValueError: more axes than channels.
        """
        channels = self.mean.shape[1]
        if not 1 <= count <= channels:
            raise ValueError(f"{count} principal axes of {channels} channels")
        total = torch.zeros(channels, channels, dtype=torch.float64)
        for part in blocks_of(*self.mean.shape):
            total += self.covariance(part).sum(0) * (self.count - 1)
        means = torch.from_numpy(self.mean).to(torch.float64)
        centred = means - means.mean(0)
        total += self.count * centred.T @ centred
        axes = torch.linalg.eigh(total).eigenvectors.flip(1)[:, :count].T
        largest = axes.gather(1, axes.abs().argmax(1, keepdim=True))
        return (axes * largest.sign()).numpy()

    def gaussian(
        self, epsilon: float, *, columns: np.ndarray | None = None, axes: np.ndarray | None = None
    ) -> PatchGaussian:
        """The Gaussians of all channels, of some (``columns``, rising indices (d,)) or of projections (``axes`` (d, C)).

        A sub-vector of a Gaussian vector has the sub-block of its covariance, and A x has A S A^T: nothing is fitted
        again. ``epsilon`` is added to the diagonal afterwards, as in the paper's equation (1).

        Raises:
            ValueError: a covariance that is not positive definite even so.
        """
        assert columns is None or axes is None
        mean = self.mean.astype(np.float64)
        if columns is not None:
            mean = mean[:, columns]
        elif axes is not None:
            mean, turn = mean @ axes.T, torch.from_numpy(axes)
        size = mean.shape[1]
        factors = np.empty((len(mean), size * (size + 1) // 2), dtype=np.float32)
        for part in blocks_of(*self.mean.shape):
            found = self.covariance(part)
            if columns is not None:
                found = found[:, columns][:, :, columns]
            elif axes is not None:
                found = turn @ found @ turn.T
            factors[part] = pack(factor(found, epsilon, part.start))
        return PatchGaussian(mean.astype(np.float32), factors, columns, axes)


@register_model("anomaly_padim.patch_gaussian")
@dataclass(frozen=True)
class PatchGaussian(Stored):
    """N(m_p, S_p + epsilon I) at every position, as mean (P, d) and packed Cholesky factor (P, d (d + 1) / 2), float32.

    ``columns`` (d,) or ``axes`` (d, C) say what of a vector of C channels it looks at; all of it if both are None.
    """

    mean: np.ndarray
    triangle: np.ndarray
    columns: np.ndarray | None = None
    axes: np.ndarray | None = None

    def distances(self, vectors: Tensor) -> Tensor:
        """Mahalanobis distances (n, P) of vectors (n, C, P): equation (2) of Defard et al. 2020 (arXiv:2011.08785).

        M(x) = sqrt((x - m)^T S^-1 (x - m)) = |L^-1 (x - m)| with S = L L^T: a triangular solve, no inverse.
        """
        centred = self._centred(vectors)
        squares = torch.empty(centred.shape[0], centred.shape[2], device=vectors.device)
        for part in blocks_of(*self.mean.shape):
            solved = torch.linalg.solve_triangular(
                self.factor(part, vectors.device), centred[:, :, part].permute(2, 1, 0), upper=False
            )
            squares[:, part] = solved.square_().sum(1).T
        return squares.sqrt()

    def precision_vectors(self, vectors: Tensor) -> tuple[Tensor, Tensor]:
        """S^-1 (x - m) (n, C, P) and the diagonal of S^-1 (C, P), from triangular solves with the factor L.

        diag(S^-1)_j = sum_i (L^-1)_ij^2. What the distance becomes when one channel changes follows from the two
        (`changed_squares`).
        """
        centred = self._centred(vectors)
        turned, diagonal = torch.empty_like(centred), torch.empty_like(centred[0])
        identity = torch.eye(len(diagonal), device=vectors.device)
        for part in blocks_of(*self.mean.shape):
            lower = self.factor(part, vectors.device)
            solved = torch.cholesky_solve(centred[:, :, part].permute(2, 1, 0), lower)
            turned[:, :, part] = solved.permute(2, 1, 0)
            inverse = torch.linalg.solve_triangular(lower, identity.expand_as(lower), upper=False)
            diagonal[:, part] = inverse.square_().sum(1).T
        return turned, diagonal

    def factor(self, positions: slice, device: torch.device) -> Tensor:
        """Cholesky factors of some positions, dense (P', d, d)."""
        return unpack(torch.from_numpy(self.triangle[positions]).to(device), self.mean.shape[1])

    def _centred(self, vectors: Tensor) -> Tensor:
        """What it looks at (n, d, P), less the mean."""
        if self.columns is not None:
            vectors = vectors[:, torch.from_numpy(self.columns).to(vectors.device)]
        elif self.axes is not None:
            vectors = torch.einsum("dc,ncp->ndp", torch.from_numpy(self.axes).to(vectors), vectors)
        return vectors - torch.from_numpy(self.mean).to(vectors.device).T


def changed_squares(squares: Tensor, turned: Tensor, diagonal: Tensor, delta: Tensor) -> Tensor:
    """Squared distances after one coordinate of every vector changed by delta.

    (x + delta e_j - m)^T S^-1 (x + delta e_j - m) = M^2 + 2 delta (S^-1 (x - m))_j + delta^2 (S^-1)_jj.

    Args:
        squares: (n, P) squared distances before.
        turned: (n, P) entry j of S^-1 (x - m).
        diagonal: (P,) entry jj of S^-1.
        delta: (n, P).
    """
    return (squares + delta * (2 * turned + delta * diagonal)).clamp_min(0)


def factor(covariance: Tensor, epsilon: float, first: int = 0) -> Tensor:
    """Cholesky factors (P, C, C) of covariance + epsilon I.

    Raises:
        ValueError: one is not positive definite; the message names its position, counted from ``first``.
    """
    regular = covariance.clone()
    regular.diagonal(dim1=1, dim2=2).add_(epsilon)
    lower, info = torch.linalg.cholesky_ex(regular)
    if bool((info > 0).any()) or not torch.isfinite(lower).all():
        bad = int((info > 0).nonzero()[0]) if bool((info > 0).any()) else 0
        raise ValueError(
            f"the covariance of position {first + bad} is not positive definite with gaussian.epsilon = {epsilon:g} on "
            "its diagonal; raise gaussian.epsilon (the paper has 0.01) or give more training images than channels"
        )
    return lower


def symmetric(lower: Tensor) -> Tensor:
    """The symmetric matrices (P, C, C) of which these are the lower triangles."""
    return lower + lower.tril(-1).transpose(1, 2)


def pack(lower: Tensor) -> np.ndarray:
    """Lower triangles (P, C (C + 1) / 2), float32, of matrices (P, C, C)."""
    row, column = torch.tril_indices(lower.shape[1], lower.shape[1]).to(lower.device)
    return lower[:, row, column].to("cpu", torch.float32).numpy()


def unpack(triangle: Tensor, channels: int) -> Tensor:
    """Lower triangular matrices (P, C, C) from what `pack` gives."""
    row, column = torch.tril_indices(channels, channels).to(triangle.device)
    full = torch.zeros(len(triangle), channels, channels, dtype=triangle.dtype, device=triangle.device)
    full[:, row, column] = triangle
    return full


def blocks_of(positions: int, channels: int) -> list[slice]:
    """Slices of positions whose matrices (C, C) in float64 fit a temporary of `BLOCK_BYTES`."""
    step = max(1, BLOCK_BYTES // (8 * channels * channels))
    return [slice(start, min(start + step, positions)) for start in range(0, positions, step)]
