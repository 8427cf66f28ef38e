"""Action values in tables: of many agents as the rows of one array, and what is seen of a state as the number of a row."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]


@dataclass(frozen=True)
class Cells:
    """Which row of an agent's table an observation belongs to.

    A state that has a number (``counts`` is empty) is its own row. Of an observation of D numbers, each is cut into equal intervals
    from ``-reach`` to ``reach``, and what lies outside belongs to the outermost: the row is the cell of the grid.

    Args:
        states: rows of a table.
        counts: (D,) intervals of each number.
        reaches: (D,) how far they reach to both sides.
    """

    states: int
    counts: tuple[int, ...] = ()
    reaches: tuple[float, ...] = ()


class Stack:
    """Tables of K agents below one another, each with cells of its own.

    Args:
        cells: of each agent; all of states with numbers, or all of grids over the same numbers.
    """

    def __init__(self, cells: Sequence[Cells]) -> None:
        ends = np.cumsum([one.states for one in cells])
        self.begins = ends - [one.states for one in cells]  # (K,) first rows
        self.rows = int(ends[-1])
        self._counts = np.array([one.counts for one in cells], np.float64).T  # (D, K)
        self._scales = self._counts / (2 * np.array([one.reaches for one in cells], np.float64).T)

    def __len__(self) -> int:
        return len(self.begins)

    def rows_of(self, observations: NDArray, agents: NDArray) -> NDArray[np.int64]:
        """Rows (B,) of observations (B, ...) that ``agents`` (B,) see."""
        if not len(self._counts):
            return self.begins[agents] + observations
        places = np.zeros(len(agents))
        for number, count, scale in zip(
            observations.T, self._counts[:, agents], self._scales[:, agents], strict=True
        ):
            place = np.floor(number * scale + count / 2)
            places = places * count + np.minimum(np.maximum(place, 0), count - 1)
        return self.begins[agents] + places.astype(np.int64)
