"""From answers to the columns that linear models weigh: levels and standardised numbers, learned on train alone."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise
from typing import Any, Self

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from etudes.models import ModelState
from etudes.pipelines.income_classification.parameters import FeatureParameters
from etudes.pipelines.income_classification.people import COLUMNS, RANGES

FloatArray = NDArray[np.float64]
IntArray = NDArray[np.int64]
OTHER = "(other)"
AMOUNTS = ("capital-gain", "capital-loss")  # mostly zero, else very skewed
UNKNOWN = -1


@dataclass(frozen=True)
class Block:
    """The levels of one column of the questionnaire.

    ``levels`` names them, the first is the reference: the commonest on train. ``edges`` (numbers only) are the lower
    ends of all intervals but the lowest; interval i of the number line is level ``order[i]``.
    """

    source: str
    levels: tuple[str, ...]
    edges: tuple[float, ...] = ()
    order: tuple[int, ...] = ()

    def codes(self, values: pd.Series) -> IntArray:
        """The level of each value (N,); `UNKNOWN` for an answer that train never gave and that has no `OTHER`."""
        if self.order:
            interval = np.searchsorted(self.edges, values.to_numpy(dtype=np.float64), side="right")
            return np.asarray(self.order, dtype=np.int64)[interval]
        index = {level: code for code, level in enumerate(self.levels)}
        unknown = index.get(OTHER, UNKNOWN)
        return np.asarray(values.map(index).fillna(unknown), dtype=np.int64)


@dataclass(frozen=True)
class Weighed:
    """A column of the matrix: a number per standard deviation, or a level against the reference of its block."""

    name: str
    source: str
    unit: str


class Features:
    """The layout of the matrix and the statistics of train that it needs.

    The matrix (N, P) has first the numbers, then for each block one 0/1 column a level, the reference left out: with it
    the columns of a block would add up to the constant one. Amounts are numbers, as log(1 + dollars), only where they
    have no levels but zero and more. An answer that train never gave is `OTHER` where train has rare answers, else the
    block's mean on train, which weighs nothing.
    """

    def __init__(
        self, numbers: list[str], blocks: list[Block], mean: FloatArray, scale: FloatArray, others: FloatArray
    ) -> None:
        self.numbers, self.blocks = numbers, blocks
        self.mean, self.scale = mean, scale
        self.others = others  # what an unknown answer stands for: the mean of each column, unstandardised

    @classmethod
    def fit(cls, frame: pd.DataFrame, parameters: FeatureParameters) -> Self:
        """Levels, bins, means and standard deviations of the training people."""
        kept = [name for name in COLUMNS if name not in parameters.leave_out]
        if not kept:
            raise ValueError("features.leave_out names all columns; expected one at least to learn from")
        numbers = [name for name in kept if name in RANGES and not _levels_suffice(name, parameters)]
        blocks = [_block(frame[name], parameters) for name in kept]
        layout = cls(
            numbers,
            [block for block in blocks if len(block.levels) > 1],
            np.zeros(0),
            np.ones(0),
            np.zeros(0),
        )
        raw = layout.raw(frame)
        layout.mean, layout.scale = moments(raw)
        layout.others = layout.mean
        return layout

    @property
    def width(self) -> int:
        return len(self.numbers) + sum(len(block.levels) - 1 for block in self.blocks)

    def slices(self) -> list[slice]:
        """The columns of each block in the matrix."""
        ends = np.cumsum([len(self.numbers), *(len(block.levels) - 1 for block in self.blocks)])
        return [slice(int(a), int(b)) for a, b in pairwise(ends)]

    def columns(self) -> list[Weighed]:
        """What each column of the matrix is."""
        found = [
            Weighed(
                f"log(1 + {name})" if name in AMOUNTS else name,
                name,
                "standard deviation",
            )
            for name in self.numbers
        ]
        for block in self.blocks:
            reference = f"against {block.levels[0]}"
            found += [
                Weighed(f"{block.source}: {level}", block.source, reference) for level in block.levels[1:]
            ]
        return found

    def raw(self, frame: pd.DataFrame) -> FloatArray:
        """The matrix (N, P) before standardisation."""
        matrix = np.zeros((len(frame), self.width))
        for place, name in enumerate(self.numbers):
            values = frame[name].to_numpy(dtype=np.float64)
            matrix[:, place] = np.log1p(values) if name in AMOUNTS else values
        for block, part in zip(self.blocks, self.slices(), strict=True):
            codes = block.codes(frame[block.source])
            rows = np.flatnonzero(codes > 0)
            matrix[rows, part.start + codes[rows] - 1] = 1.0
            unknown = codes == UNKNOWN
            if unknown.any():
                matrix[unknown, part] = self.others[part]
        return matrix

    def transform(self, frame: pd.DataFrame) -> FloatArray:
        """The matrix (N, P) with mean 0 and standard deviation 1 on train."""
        return (self.raw(frame) - self.mean) / self.scale

    def state(self) -> ModelState:
        blocks: list[dict[str, Any]] = [vars(block) for block in self.blocks]
        return ModelState(
            {"numbers": self.numbers, "blocks": blocks},
            {"mean": self.mean, "scale": self.scale, "others": self.others},
        )

    @classmethod
    def from_state(cls, state: ModelState) -> Self:
        blocks = [
            Block(b["source"], tuple(b["levels"]), tuple(b["edges"]), tuple(b["order"]))
            for b in state.config["blocks"]
        ]
        arrays = state.arrays
        return cls(state.config["numbers"], blocks, arrays["mean"], arrays["scale"], arrays["others"])


def moments(matrix: FloatArray) -> tuple[FloatArray, FloatArray]:
    """Mean and standard deviation of the columns (P,); a constant column gets 1, so that it becomes all zero."""
    scale = matrix.std(axis=0)
    return matrix.mean(axis=0), np.where(scale > 1e-12, scale, 1.0)


def _levels_suffice(name: str, parameters: FeatureParameters) -> bool:
    """Whether the number itself is left out: the bins of an amount follow it so closely that both together have
    weights that no data can tell apart."""
    return name in AMOUNTS and parameters.amount_bins > 1


def _block(values: pd.Series, parameters: FeatureParameters) -> Block:
    name = str(values.name)
    if name in AMOUNTS:
        # Zero is a level of its own; the bins are those of the people who have the amount at all.
        edges = np.concatenate([[0.5], _quantiles(values[values > 0], parameters.amount_bins)])
        return _binned(name, values, edges)
    if name in RANGES:
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
