"""From answers to the columns that linear models weigh: levels and standardised numbers, learned on train alone."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Self

import numpy as np
import pandas as pd

from etudes.models import register_model
from etudes.pipelines.income_classification.linear import FloatArray, IntArray
from etudes.pipelines.income_classification.parameters import FeatureParameters
from etudes.pipelines.income_classification.people import COLUMNS, NUMBERS
from etudes.stored import Stored

OTHER = "(other)"
AMOUNTS = ("capital-gain", "capital-loss")  # mostly zero, else very skewed
UNKNOWN = -1


@register_model("income_classification.block")
@dataclass(frozen=True)
class Block(Stored):
    """The levels of one column of the questionnaire.

    ``levels`` names them, the first is the reference: the commonest on train. ``edges`` (numbers only) are the lower
    ends of all intervals but the lowest; interval i of the number line is level ``order[i]``.
    """

    source: str
    levels: Sequence[str]
    edges: Sequence[float] = ()
    order: Sequence[int] = ()

    def codes(self, values: pd.Series) -> IntArray:
        """The level of each value (N,); `UNKNOWN` for an answer that train never gave and that has no `OTHER`."""
        if self.order:
            interval = np.searchsorted(self.edges, values.to_numpy(dtype=np.float64), side="right")
            return np.asarray(self.order, dtype=np.int64)[interval]
        index = {level: code for code, level in enumerate(self.levels)}
        unknown = index.get(OTHER, UNKNOWN)
        return np.asarray(values.map(index).fillna(unknown), dtype=np.int64)


@register_model("income_classification.features")
@dataclass
class Features(Stored):
    """The layout of the matrix and the statistics of train that it needs.

    The matrix (N, P) has first the numbers, then for each block one 0/1 column a level, the reference left out: with it
    the columns of a block would add up to the constant one. Amounts are numbers, as log(1 + dollars), only where they
    have no levels but zero and more. An answer that train never gave is `OTHER` where train has rare answers, else the
    block's mean on train, which weighs nothing.
    """

    numbers: list[str]
    blocks: list[Block]
    mean: FloatArray
    scale: FloatArray

    @classmethod
    def fit(cls, frame: pd.DataFrame, parameters: FeatureParameters) -> Self:
        """Levels, bins, means and standard deviations of the training people."""
        kept = [name for name in COLUMNS if name not in parameters.leave_out]
        if not kept:
            raise ValueError("features.leave_out names all columns; expected one at least to learn from")
        # The bins of an amount follow it so closely that both together have weights that no data can tell apart.
        binned = AMOUNTS if parameters.amount_bins > 1 else ()
        numbers = [name for name in kept if name in NUMBERS and name not in binned]
        blocks = [_block(frame[name], parameters) for name in kept]
        layout = cls(numbers, [b for b in blocks if len(b.levels) > 1], np.zeros(0), np.ones(0))
        layout.mean, layout.scale = moments(layout.raw(frame))
        return layout

    def slices(self) -> list[slice]:
        """The columns of each block in the matrix."""
        ends = np.cumsum([len(self.numbers), *(len(block.levels) - 1 for block in self.blocks)])
        return [slice(int(a), int(b)) for a, b in pairwise(ends)]

    def columns(self) -> pd.DataFrame:
        """What each column of the matrix is: its ``feature``, the ``source``, and the ``unit`` that a weight is for."""
        found = [
            (f"log(1 + {name})" if name in AMOUNTS else name, name, "standard deviation")
            for name in self.numbers
        ]
        for block in self.blocks:
            against = f"against {block.levels[0]}"
            found += [(f"{block.source}: {level}", block.source, against) for level in block.levels[1:]]
        return pd.DataFrame(found, columns=["feature", "source", "unit"])

    def raw(self, frame: pd.DataFrame) -> FloatArray:
        """The matrix (N, P) before standardisation."""
        width = len(self.numbers) + sum(len(block.levels) - 1 for block in self.blocks)
        matrix = np.zeros((len(frame), width))
        for place, name in enumerate(self.numbers):
            values = frame[name].to_numpy(dtype=np.float64)
            matrix[:, place] = np.log1p(values) if name in AMOUNTS else values
        for block, part in zip(self.blocks, self.slices(), strict=True):
            codes = block.codes(frame[block.source])
            rows = np.flatnonzero(codes > 0)
            matrix[rows, part.start + codes[rows] - 1] = 1.0
            unknown = codes == UNKNOWN
            if unknown.any():
                matrix[unknown, part] = self.mean[part]
        return matrix

    def transform(self, frame: pd.DataFrame) -> FloatArray:
        """The matrix (N, P) with mean 0 and standard deviation 1 on train."""
        return (self.raw(frame) - self.mean) / self.scale


def moments(matrix: FloatArray) -> tuple[FloatArray, FloatArray]:
    """Mean and standard deviation of the columns (P,); a constant column gets 1, so that it becomes all zero."""
    scale = matrix.std(axis=0)
    return matrix.mean(axis=0), np.where(scale > 1e-12, scale, 1.0)


def _block(values: pd.Series, parameters: FeatureParameters) -> Block:
    name = str(values.name)
    if name in AMOUNTS:
        # Zero is a level of its own; the bins are those of the people who have the amount at all.
        edges = np.concatenate([[0.5], _quantiles(values[values > 0], parameters.amount_bins)])
        return _binned(name, values, edges)
    if name in NUMBERS:
        return _binned(name, values, _quantiles(values, parameters.bins))
    counts = values.value_counts()
    counts = counts.loc[sorted(counts.index)].sort_values(ascending=False, kind="stable")
    levels = [str(level) for level in counts.index[counts >= parameters.min_count]]
    rare = len(levels) < len(counts)
    return Block(name, (*levels, OTHER) if rare else tuple(levels))


def _quantiles(values: pd.Series, bins: int) -> FloatArray:
    """Inner edges of at most ``bins`` bins that hold about as many people each; every bin holds one at least."""
    if not len(values):
        return np.zeros(0)
    edges = np.unique(np.quantile(values, np.arange(1, bins) / bins, method="higher")).astype(np.float64)
    return edges[edges > values.min()]


def _binned(name: str, values: pd.Series, edges: FloatArray) -> Block:
    counts = np.bincount(np.searchsorted(edges, values, side="right"), minlength=len(edges) + 1)
    keep = np.flatnonzero(counts)  # without any amounts above zero there is but one interval
    edges = edges[keep[1:] - 1]
    lows, highs = [0.0 if name in AMOUNTS else None, *np.ceil(edges)], [*(np.ceil(edges) - 1), None]
    names = [_interval(low, high) for low, high in zip(lows, highs, strict=True)]
    reference = int(counts[keep].argmax())
    levels = [names[reference], *(text for place, text in enumerate(names) if place != reference)]
    order = tuple(levels.index(text) for text in names)
    return Block(name, tuple(levels), tuple(edges.tolist()), order)


def _interval(low: float | None, high: float | None) -> str:
    """Whole numbers from low to high: ``<= 24``, ``25-30``, ``40``, ``>= 60``."""
    if low is None or high is None:
        return "all" if low is high else f"<= {high:.0f}" if low is None else f">= {low:.0f}"
    return f"{low:.0f}" if low == high else f"{low:.0f}-{high:.0f}"
