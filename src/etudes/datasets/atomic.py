"""The datasets of kedro-datasets that studies write, with atomic saves.

kedro-datasets opens the final file and writes into it: a full disk or a kill leaves half a file that looks like a
result. These classes write beside it and rename. Only local files are treated so; object stores publish a file when
its upload ends.
"""

from __future__ import annotations

from pathlib import Path, PurePosixPath
from typing import Any

from kedro_datasets.json import JSONDataset as _JSON
from kedro_datasets.pandas import CSVDataset as _CSV
from kedro_datasets.pandas import ParquetDataset as _Parquet
from kedro_datasets.plotly import JSONDataset as _Plotly
from kedro_datasets.text import TextDataset as _Text

from etudes.atomic import atomic_file


class _AtomicSave:
    """Redirects `save` to a temporary file and renames it when it is complete."""

    _filepath: PurePosixPath
    _protocol: str
    _version: Any

    def save(self, data: Any) -> None:
        if self._protocol != "file" or self._version is not None:
            super().save(data)  # type: ignore[misc]
            return
        final = self._filepath
        try:
            with atomic_file(Path(final)) as temporary:
                self._filepath = PurePosixPath(temporary)
                # Without Kedro's wrapper, whose message would name the temporary file.
                super().save.__wrapped__(self, data)  # type: ignore[misc]
        finally:
            self._filepath = final


class JSONDataset(_AtomicSave, _JSON):
    """`kedro_datasets.json.JSONDataset` with atomic saves."""


class ParquetDataset(_AtomicSave, _Parquet):
    """`kedro_datasets.pandas.ParquetDataset` with atomic saves."""


class CSVDataset(_AtomicSave, _CSV):
    """`kedro_datasets.pandas.CSVDataset` with atomic saves."""


class PlotlyDataset(_AtomicSave, _Plotly):
    """`kedro_datasets.plotly.JSONDataset` with atomic saves; previewed by kedro-viz."""


class HTMLDataset(_AtomicSave, _Text):
    """A text file with atomic saves, for report pages."""
