"""Labels that spread over a graph of nearest neighbours (Zhou et al. 2004), sparse, so that ten thousand pictures take part."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Self

import numpy as np
import torch
from numpy.typing import NDArray

from etudes.benches.few_labels import UNKNOWN
from etudes.models import register_model
from etudes.stored import Stored

MOST = 20  # neighbours that a graph keeps of each picture
BLOCK = 1000  # rows whose distances to all others are held at once
SWEEPS, STILL = 300, 1e-5  # most sweeps; and the change below which they end
IntArray = NDArray[np.int64]


def nearest(z: NDArray, rows: NDArray, k: int) -> tuple[IntArray, NDArray[np.float64]]:
    """The k nearest rows (n, D) of each of z (m, D), nearest first: their places (m, k) and squared distances (m, k)."""
    theirs = torch.from_numpy(np.ascontiguousarray(rows, dtype=np.float32))
    squares, places, distances = theirs.square().sum(1), [], []
    for at in range(0, len(z), BLOCK):
        own = torch.from_numpy(np.ascontiguousarray(z[at : at + BLOCK], dtype=np.float32))
        # |a - b|^2 less |a|^2, which is the same for all neighbours of a.
        found = (squares - 2 * own @ theirs.T).topk(min(k, len(rows)), largest=False)
        places.append(found.indices)
        distances.append((found.values + own.square().sum(1, keepdim=True)).clamp_(min=0))
    return torch.cat(places).numpy(), torch.cat(distances).double().numpy()


@dataclass(frozen=True, eq=False)
class Graph:
    """Each of n rows with its `MOST` nearest others: ``rows`` (n, D), ``places`` (n, k), squared ``distances`` (n, k)."""

    rows: NDArray
    places: IntArray
    distances: NDArray[np.float64]

    @classmethod
    def of(cls, rows: NDArray) -> Self:
        places, distances = nearest(rows, rows, MOST + 1)
        others = places != np.arange(len(rows))[:, None]
        others[others.all(axis=1), -1] = False  # a row among many equals may be none of its own nearest
        shape = (len(rows), places.shape[1] - 1)
        return cls(rows, places[others].reshape(shape), distances[others].reshape(shape))


@register_model("graphs.spread")
@dataclass(frozen=True, eq=False)
class Spread(Stored):
    """P(c | z) = sum_i w_i F_ic / sum_i w_i over the k nearest of rows (n, D), w_i = exp(-d_i^2 / d_k^2), F (n, C) what they were given."""

    rows: NDArray
    shares: NDArray
    k: int

    def predict_proba(self, z: NDArray) -> NDArray[np.float64]:
        places, distances = nearest(z, self.rows, self.k)
        weights = np.exp(-distances / np.maximum(distances[:, -1:], 1e-12))
        found: NDArray[np.float64] = (weights[:, :, None] * self.shares[places]).sum(axis=1)
        return found / weights.sum(axis=1, keepdims=True)


def label_spreading(
    z: NDArray, labelings: Sequence[IntArray], classes: int, seed: int, *, graph: Graph, k: int, retain: float
) -> Iterator[Spread]:
    """F = a S F + (1 - a) Y, a = 1 - ``retain``, by repeating it until nothing moves; each row divided by its sum.

    S_ij = W_ij / sqrt(s_i s_j), s the sums of W's rows; W_ij = exp(-d_ij^2 / (d_i d_j)) between a row and its k nearest, whichever of both
    holds the other, d_i the distance of the k-th (Zelnik-Manor and Perona 2004). Y are indicators of the labelled rows.

    Args:
        z: (N, D), whose first n rows the graph is of.
        labelings: labels (N,) each, `UNKNOWN` for none; labelled rows outside of the graph do not count.
        classes: C.
        seed: without a meaning; other methods have one.
        graph: of the rows.
        k: neighbours.
        retain: share of its own label that a row keeps.
    """
    from scipy.sparse import csr_array, diags_array

    n, k = len(graph.rows), min(k, graph.places.shape[1])
    places, squares = graph.places[:, :k], graph.distances[:, :k]
    reach = np.sqrt(np.maximum(squares[:, -1], 1e-12))
    weights = np.exp(-squares / (reach[:, None] * reach[places]))
    one_way = csr_array((weights.ravel(), places.ravel(), np.arange(0, n * k + 1, k)), shape=(n, n))
    both = one_way.maximum(one_way.T)
    roots = diags_array(1 / np.sqrt(np.maximum(both.sum(axis=1), 1e-300)))
    steps = (1 - retain) * (roots @ both @ roots)
    given = np.concatenate([np.eye(classes + 1)[labels[:n]][:, :classes] for labels in labelings], axis=1)
    spread = retain * given
    for _ in range(SWEEPS):
        before, spread = spread, steps @ spread + retain * given
        if np.abs(spread - before).max() < STILL * retain:
            break
    for part, labels in zip(np.split(spread, len(labelings), axis=1), labelings, strict=True):
        own = np.bincount(labels[:n][labels[:n] != UNKNOWN], minlength=classes)
        shares = part + 1e-9 * own / own.sum()  # where nothing arrives, as the labelled rows are
        yield Spread(graph.rows, (shares / shares.sum(axis=1, keepdims=True)).astype(np.float32), k)
