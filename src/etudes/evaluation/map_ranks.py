"""Maps of pictures by the order of their pixels alone, so that maps of any scale and sign compare."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray


def ranked(maps: NDArray[np.floating]) -> NDArray[np.float32]:
    """Ranks of the pixels within each map (N, H, W), 0 for the lowest and 1 for the highest; equal ones share theirs."""
    from scipy.stats import rankdata

    flat = maps.reshape(len(maps), -1)
    ranks = (rankdata(flat, axis=1) - 1) / (flat.shape[1] - 1)
    found: NDArray[np.float32] = ranks.astype(np.float32).reshape(maps.shape)
    return found


def rank_correlations(first: NDArray[np.floating], second: NDArray[np.floating]) -> NDArray[np.float64]:
    """Spearman's correlation (N,) of maps (N, H, W) given as `ranked`; 0 where one of the two is the same everywhere."""
    a, b = (ranks.reshape(len(ranks), -1).astype(np.float64) for ranks in (first, second))
    a, b = a - a.mean(1, keepdims=True), b - b.mean(1, keepdims=True)
    sizes = np.sqrt(np.square(a).sum(1) * np.square(b).sum(1))
    return np.divide((a * b).sum(1), sizes, out=np.zeros(len(a)), where=sizes > 0)


def in_highest(heat: NDArray[np.floating], mask: NDArray[np.bool_], generator: np.random.Generator) -> float:
    """Share of the highest pixels of a map (H, W), as many as the mask has, that lie in it; chance among equal ones."""
    order = np.lexsort((generator.random(heat.size), -heat.ravel()))
    return float(mask.ravel()[order[: int(mask.sum())]].mean())
