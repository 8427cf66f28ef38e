"""What kedro-viz is given for the side panel of a dataset."""

from __future__ import annotations

import base64
import inspect
import json
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import plotly.graph_objects as go
import pytest

from etudes.datasets import (
    CSVDataset,
    ExamplesDataset,
    JSONDataset,
    ParquetDataset,
    PictureDataset,
    PlotlyDataset,
)
from etudes.forms.pictures import png_bytes

PNG = png_bytes(np.zeros((2, 3), dtype=np.uint8))
FRAME = pd.DataFrame(
    {
        "vector": [np.arange(2), np.arange(3)],
        "score": [0.5, float("nan")],
        "when": pd.to_datetime(["2020-01-01", None]),
        "text": ["x" * 1000, "short"],
    }
)
# What kedro-viz draws by: the name of the annotation, not the value.
KINDS = [
    (PictureDataset, "picture.png", "ImagePreview", PNG),
    (PlotlyDataset, "figure.json", "PlotlyPreview", go.Figure(go.Bar(y=[1]))),
    (JSONDataset, "card.json", "JSONPreview", {"a": 1}),
    (CSVDataset, "table.csv", "TablePreview", pd.DataFrame({"a": [1]})),
    (ParquetDataset, "frame.parquet", "TablePreview", FRAME),
    (ExamplesDataset, "split", "TablePreview", FRAME),
]


@pytest.mark.parametrize(
    ("kind", "name", "drawn_as", "data"), KINDS, ids=lambda value: getattr(value, "__name__", "")
)
def test_a_preview_is_named_as_kedro_viz_expects_is_json_and_is_empty_before_a_run(
    kind: Any, name: str, drawn_as: str, data: Any, tmp_path: Path
) -> None:
    dataset = kind(filepath=(tmp_path / name).as_posix())
    annotation = inspect.signature(dataset.preview).return_annotation
    assert getattr(annotation, "__name__", annotation) == drawn_as
    assert dataset.preview() is None
    dataset.save(data)
    json.dumps(dataset.preview(), allow_nan=False)
    assert dataset.preview()


def test_a_picture_is_previewed_whole(tmp_path: Path) -> None:
    dataset = PictureDataset(filepath=str(tmp_path / "picture.png"))
    dataset.save(PNG)
    assert base64.b64decode(dataset.preview()) == PNG


def test_a_table_shows_its_first_rows_arrays_as_text_and_long_texts_cut(tmp_path: Path) -> None:
    dataset = ParquetDataset(filepath=(tmp_path / "frame.parquet").as_posix())
    dataset.save(pd.concat([FRAME] * 4, ignore_index=True))
    shown = dataset.preview(nrows=2)
    assert shown["columns"] == list(FRAME.columns) and shown["index"] == [0, 1]
    assert shown["data"][0][:3] == ["[0, 1]", 0.5, "2020-01-01 00:00:00"]
    assert shown["data"][1][1:] == [None, None, "short"]
    assert shown["data"][0][3] == "x" * 200 + "…"
    dataset.save(FRAME[:0])
    assert dataset.preview() == {"index": [], "columns": list(FRAME.columns), "data": []}
