"""Kedro datasets of this project: every write is whole or not at all.

The classes are imported when they are first named: some bring pandas' database
layer and plotly with them.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from etudes.datasets.atomic import (
        CSVDataset,
        HTMLDataset,
        JSONDataset,
        ParquetDataset,
        PictureDataset,
        PlotlyDataset,
    )
    from etudes.datasets.examples import ExamplesDataset
    from etudes.datasets.model import ModelDataset
    from etudes.datasets.raw import (
        PretrainedDataset,
        RawFileDataset,
        RawFolderDataset,
        SampleDataset,
        WordVectorsDataset,
    )

_MODULES = {
    "CSVDataset": "atomic",
    "ExamplesDataset": "examples",
    "HTMLDataset": "atomic",
    "JSONDataset": "atomic",
    "ModelDataset": "model",
    "ParquetDataset": "atomic",
    "PictureDataset": "atomic",
    "PlotlyDataset": "atomic",
    "PretrainedDataset": "raw",
    "RawFileDataset": "raw",
    "RawFolderDataset": "raw",
    "SampleDataset": "raw",
    "WordVectorsDataset": "raw",
}

__all__ = [
    "CSVDataset",
    "ExamplesDataset",
    "HTMLDataset",
    "JSONDataset",
    "ModelDataset",
    "ParquetDataset",
    "PictureDataset",
    "PlotlyDataset",
    "PretrainedDataset",
    "RawFileDataset",
    "RawFolderDataset",
    "SampleDataset",
    "WordVectorsDataset",
]


def __getattr__(name: str) -> Any:
    if name not in _MODULES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(f"{__name__}.{_MODULES[name]}"), name)
