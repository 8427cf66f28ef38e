"""The datasets of kedro-datasets that studies write, with atomic saves.

kedro-datasets opens the final file and writes into it: a full disk or a kill leaves half a file that looks like a
result. These classes write beside it and rename. Only local files are treated so; object stores publish a file when
its upload ends.
"""

from __future__ import annotations

import base64
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING, Any, ClassVar

from kedro.io import AbstractDataset, DatasetError
from kedro_datasets.json import JSONDataset as _JSON
from kedro_datasets.pandas import CSVDataset as _CSV
from kedro_datasets.pandas import ParquetDataset as _Parquet
from kedro_datasets.plotly import JSONDataset as _Plotly
from kedro_datasets.text import TextDataset as _Text

from etudes.atomic import atomic_file
from etudes.datasets.preview import table_preview, when_saved

if TYPE_CHECKING:
    from kedro_datasets._typing import ImagePreview, TablePreview


# The locale's encoding, which Kedro's classes take, lacks characters on some machines.
WRITE_TEXT = {"open_args_save": {"mode": "w", "encoding": "utf-8"}}


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

    DEFAULT_FS_ARGS: ClassVar = WRITE_TEXT

    preview = when_saved(_JSON.preview)


class ParquetDataset(_AtomicSave, _Parquet):
    """`kedro_datasets.pandas.ParquetDataset` with atomic saves, and a preview of columns that hold arrays."""

    @when_saved
    def preview(self, nrows: int = 5) -> TablePreview:
        """The first rows, for kedro-viz."""
        return table_preview(Path(self._filepath), nrows)


class CSVDataset(_AtomicSave, _CSV):
    """`kedro_datasets.pandas.CSVDataset` with atomic saves."""

    DEFAULT_FS_ARGS: ClassVar = WRITE_TEXT

    preview = when_saved(_CSV.preview)


class PlotlyDataset(_AtomicSave, _Plotly):
    """`kedro_datasets.plotly.JSONDataset` with atomic saves; previewed by kedro-viz."""

    preview = when_saved(_Plotly.preview)


class HTMLDataset(_AtomicSave, _Text):
    """A text file with atomic saves, for report pages."""

    DEFAULT_FS_ARGS: ClassVar = {"open_args_load": {"mode": "r", "encoding": "utf-8"}, **WRITE_TEXT}


class PictureDataset(AbstractDataset[bytes, bytes]):
    """A PNG as bytes, with atomic saves; previewed by kedro-viz.

    Args:
        filepath: a local file.
        metadata: ignored by Kedro; the layer for kedro-viz.
    """

    def __init__(self, *, filepath: str, metadata: dict[str, Any] | None = None) -> None:
        self._filepath = Path(filepath)
        self.metadata = metadata

    def load(self) -> bytes:
        try:
            return self._filepath.read_bytes()
        except FileNotFoundError as error:
            raise DatasetError(f"{self._filepath}: no such picture; run the stage report first") from error

    def save(self, data: bytes) -> None:
        if not isinstance(data, bytes) or not data.startswith(b"\x89PNG\r\n"):
            raise DatasetError(f"{self._filepath}: expected the bytes of a PNG, found {type(data).__name__}")
        with atomic_file(self._filepath) as temporary:
            temporary.write_bytes(data)

    @when_saved
    def preview(self) -> ImagePreview:
        """The picture in base64, for kedro-viz, which knows what to draw by the annotation alone."""
        from kedro_datasets._typing import ImagePreview

        return ImagePreview(base64.b64encode(self.load()).decode())

    def _exists(self) -> bool:
        return self._filepath.exists()

    def _describe(self) -> dict[str, Any]:
        return {"filepath": str(self._filepath)}
