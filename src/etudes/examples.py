"""Examples with arrays: rows of a table and, beside each row, pictures, masks or features.

What belongs to one example cannot be separated from it: rows and arrays are taken, saved and loaded together.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Self

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike, NDArray

from etudes.atomic import atomic_folder, recover_folder

ROWS = "rows.parquet"


@dataclass(frozen=True)
class Examples:
    """N examples.

    ``rows`` has a column ``id`` (unique) and what else is known of each example; every array has N as its first
    dimension (``pixels`` (N, H, W, C) uint8, ``masks`` (N, H, W) bool ...). Arrays loaded from disk are memory maps:
    only what is read is in memory.

    Raises:
        ValueError: no column ``id``, an id that occurs twice, or an array of another length.
    """

    rows: pd.DataFrame
    arrays: Mapping[str, NDArray] = field(default_factory=dict)

    def __post_init__(self) -> None:
        if "id" not in self.rows.columns:
            raise ValueError(f"examples need a column id; found {list(self.rows.columns)}")
        twice = self.rows["id"][self.rows["id"].duplicated()]
        if len(twice):
            raise ValueError(f"the id {twice.iloc[0]!r} occurs twice; expected one example for each id")
        for name, array in self.arrays.items():
            if array.ndim == 0 or len(array) != len(self.rows):
                raise ValueError(
                    f"the array '{name}' has the shape {array.shape}; expected {len(self.rows)} entries, one a row"
                )

    def __len__(self) -> int:
        return len(self.rows)

    def __getitem__(self, name: str) -> NDArray:
        """An array by its name.

        Raises:
            KeyError: there is none; the message names those there are.
        """
        if name not in self.arrays:
            raise KeyError(f"no array '{name}'; there are {', '.join(self.arrays) or 'none'}")
        return self.arrays[name]

    def take(self, indices: ArrayLike) -> Self:
        """The examples at ``indices`` (integers or a mask (N,)), in that order; arrays are copied."""
        chosen = np.asarray(indices)
        if chosen.dtype == bool:
            chosen = np.flatnonzero(chosen)
        rows = self.rows.iloc[chosen].reset_index(drop=True)
        return type(self)(rows, {name: array[chosen] for name, array in self.arrays.items()})

    def save(self, folder: Path) -> None:
        """Write ``rows.parquet`` and one ``<name>.npy`` an array; whole or not at all."""
        with atomic_folder(folder) as temporary:
            self.rows.to_parquet(temporary / ROWS, index=False)
            for name, array in self.arrays.items():
                if not name.isidentifier():
                    raise ValueError(f"'{name}' is no name for an array; expected letters, digits and _")
                np.save(temporary / f"{name}.npy", array, allow_pickle=False)

    @classmethod
    def load(cls, folder: Path) -> Self:
        """Read what `save` wrote; arrays are mapped, not read.

        Raises:
            FileNotFoundError: there is nothing.
            ValueError: a file is damaged.
        """
        recover_folder(folder)
        if not (folder / ROWS).exists():
            raise FileNotFoundError(
                f"{folder} holds no examples ({ROWS} is missing); run the stages before this one"
            )
        rows = pd.read_parquet(folder / ROWS)
        arrays = {
            path.stem: np.load(path, mmap_mode="r" if path.stat().st_size else None, allow_pickle=False)
            for path in sorted(folder.glob("*.npy"))
        }
        return cls(rows, arrays)
