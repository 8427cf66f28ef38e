"""What kedro-viz shows of a dataset in its side panel."""

from __future__ import annotations

from collections.abc import Callable
from functools import wraps
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from kedro_datasets._typing import TablePreview

LONGEST_CELL = 200  # characters; a film's plot or a picture's pixels would fill the panel


def when_saved(preview: Callable[..., Any]) -> Callable[..., Any]:
    """A dataset's preview that is None before the dataset was saved; kedro-viz would warn of each one that is missing."""

    @wraps(preview)
    def guarded(self: Any, *args: Any, **kwargs: Any) -> Any:
        return preview(self, *args, **kwargs) if self.exists() else None

    return guarded


def table_preview(path: Path, rows: int) -> TablePreview:
    """The first rows of a Parquet file; one cell that is no JSON would stop ``kedro viz build`` for all studies."""
    import pyarrow.parquet as pq
    from kedro_datasets._typing import TablePreview

    file = pq.ParquetFile(path)
    first = [batch.to_pylist() for batch in islice(file.iter_batches(batch_size=rows), 1)]
    columns = file.schema_arrow.names
    data = [[_cell(row[column]) for column in columns] for batch in first for row in batch]
    return TablePreview({"index": list(range(len(data))), "columns": columns, "data": data})


def _cell(value: Any) -> Any:
    if value is None or isinstance(value, bool | int):
        return value
    if isinstance(value, float):
        return value if abs(value) < float("inf") else str(value)  # JSON has no NaN and no infinity
    text = str(value)
    return text if len(text) <= LONGEST_CELL else f"{text[:LONGEST_CELL]}…"
