"""A dataset for the splits and checked data of all studies: a table, or examples with arrays."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import pandas as pd
from kedro.io import AbstractDataset, DatasetError

from etudes.atomic import recover_folder
from etudes.datasets.preview import table_preview, when_saved
from etudes.examples import ROWS, Examples

if TYPE_CHECKING:
    from kedro_datasets._typing import TablePreview


class ExamplesDataset(AbstractDataset[Any, Any]):
    """Saves a DataFrame or `etudes.examples.Examples` as a folder and gives the same back.

    So a split has the same name and place in every study, whether its examples are rows of a table or pictures.

    Args:
        filepath: the folder.
        metadata: ignored by Kedro; the layer for kedro-viz.
    """

    def __init__(self, *, filepath: str, metadata: dict[str, Any] | None = None) -> None:
        self._filepath = Path(filepath)
        self.metadata = metadata

    def load(self) -> pd.DataFrame | Examples:
        recover_folder(self._filepath)
        try:
            if any(self._filepath.glob("*.npy")):
                return Examples.load(self._filepath)
            return pd.read_parquet(self._filepath / ROWS)
        except FileNotFoundError as error:
            raise DatasetError(
                f"{self._filepath} holds no examples; run the stages before this one"
            ) from error
        except (ValueError, OSError) as error:
            raise DatasetError(
                f"{self._filepath}: the examples cannot be read ({error}). Run the stages before this one again."
            ) from error

    def save(self, data: pd.DataFrame | Examples) -> None:
        if isinstance(data, Examples):
            if not data.arrays:
                raise DatasetError(f"{self._filepath}: examples without arrays; save their rows instead")
            data.save(self._filepath)
        elif isinstance(data, pd.DataFrame):
            from etudes.atomic import atomic_folder

            with atomic_folder(self._filepath) as temporary:
                data.to_parquet(temporary / ROWS, index=False)
        else:
            raise DatasetError(
                f"{self._filepath}: found a {type(data).__name__}, expected a DataFrame or Examples"
            )

    @when_saved
    def preview(self, rows: int = 5) -> TablePreview:
        """The first rows, for kedro-viz."""
        return table_preview(self._filepath / ROWS, rows)

    def _exists(self) -> bool:
        recover_folder(self._filepath)
        return (self._filepath / ROWS).exists()

    def _describe(self) -> dict[str, Any]:
        return {"filepath": str(self._filepath)}
