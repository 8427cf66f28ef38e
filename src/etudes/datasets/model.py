"""A dataset for trained models."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from kedro.io import AbstractDataset, DatasetError

from etudes.atomic import recover_folder
from etudes.models import DESCRIPTION, ModelFileError, load_model, save_model


class ModelDataset(AbstractDataset[Any, Any]):
    """Saves and loads a model folder (`etudes.models`): safetensors and JSON, no pickle.

    Args:
        filepath: the model's folder.
        metadata: ignored by Kedro; the layer for kedro-viz.
    """

    def __init__(self, *, filepath: str, metadata: dict[str, Any] | None = None) -> None:
        self._filepath = Path(filepath)
        self.metadata = metadata

    def load(self) -> Any:
        try:
            return load_model(self._filepath)
        except ModelFileError as error:
            raise DatasetError(str(error)) from error

    def save(self, data: Any) -> None:
        save_model(data, self._filepath)

    def _exists(self) -> bool:
        recover_folder(self._filepath)
        return (self._filepath / DESCRIPTION).exists()

    def _describe(self) -> dict[str, Any]:
        return {"filepath": str(self._filepath)}
