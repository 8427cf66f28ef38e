"""Kedro datasets of this project: every write is whole or not at all."""

from etudes.datasets.atomic import CSVDataset, HTMLDataset, JSONDataset, ParquetDataset, PlotlyDataset
from etudes.datasets.model import ModelDataset
from etudes.datasets.raw import RawFile, RawFileDataset, SampleDataset, WordVectorsDataset

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
