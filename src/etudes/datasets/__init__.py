"""Kedro datasets of this project: every write is whole or not at all.

The classes are imported when they are first named: nodes need `RawFile` alone, and the others bring pandas' database
layer and plotly with them.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from etudes.datasets.atomic import CSVDataset, HTMLDataset, JSONDataset, ParquetDataset, PlotlyDataset
    from etudes.datasets.model import ModelDataset
    from etudes.datasets.raw import RawFile, RawFileDataset, SampleDataset, WordVectorsDataset

_MODULES = {
    "CSVDataset": "atomic",
    "HTMLDataset": "atomic",
    "JSONDataset": "atomic",
    "ModelDataset": "model",
    "ParquetDataset": "atomic",
    "PlotlyDataset": "atomic",
    "RawFile": "raw",
    "RawFileDataset": "raw",
    "SampleDataset": "raw",
    "WordVectorsDataset": "raw",
}

__all__ = [
    "CSVDataset",
    "HTMLDataset",
    "JSONDataset",
    "ModelDataset",
    "ParquetDataset",
    "PlotlyDataset",
    "RawFile",
    "RawFileDataset",
    "SampleDataset",
    "WordVectorsDataset",
]


def __getattr__(name: str) -> Any:
    if name not in _MODULES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(f"{__name__}.{_MODULES[name]}"), name)
