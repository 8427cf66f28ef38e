"""Raw inputs: a public file as bytes, or an embedded sample in the same form.

Both give a `RawFile`, so the ingest stage of a study is the same code for the sample and for the real data.
"""

from __future__ import annotations

import importlib
from pathlib import Path
from typing import Any

from kedro.io import AbstractDataset, DatasetError

from etudes.forms.files import files_below, user_path
from etudes.forms.raw import RawFile, RawFolder
from etudes.study import OWN_DATA


class RawFolderDataset(AbstractDataset[None, RawFolder]):
    """The files of a public data set, ``<raw>/<source>/<folder>/**``, or of a user's own, ``<raw>/<folder>/**``.

    Links are followed; hidden files and what systems leave beside the data (`etudes.forms.files.is_data`) are left out.

    Args:
        source: name of the data set in the table of sources (``kedro data list``); null for a folder of your own.
        folder: a folder inside it; empty for all of it.
        suffixes: endings of the files to take (``.png``), in capital or small letters; all files if empty.
        needs: entries of the table of sources that must be there; null for all that the set needs, ``[]`` for none.
        raw: the raw folder.
        title, unit: of data of your own, what the report is headed and what it calls the rows (``tickets``).
    """

    def __init__(
        self,
        *,
        source: str | None,
        raw: str,
        folder: str = "",
        suffixes: list[str] | None = None,
        needs: list[str] | None = None,
        title: str = "",
        unit: str = "",
        metadata: dict[str, Any] | None = None,
    ) -> None:
        self._source, self._raw, self._needs = source, user_path(raw), needs
        self._path = self._raw / (source or "") / folder
        self._suffixes = tuple(suffixes or ())
        self._facts = _facts(source, title, unit)
        self.metadata = metadata

    def load(self) -> RawFolder:
        from etudes.sources.table import MissingDataError, require

        try:
            if self._source is not None:
                require(self._source, self._raw, files=self._needs)
        except MissingDataError as error:
            raise DatasetError(str(error)) from error
        if not self._path.is_dir():
            raise DatasetError(f"{self._path}: no such folder; check `raw` and `folder` in the catalog")
        try:
            found = files_below(self._path, self._suffixes)
        except ValueError as error:
            raise DatasetError(str(error)) from error
        if not found:
            kinds = f" ending in {', '.join(self._suffixes)}" if self._suffixes else ""
            raise DatasetError(f"{self._path}: holds no files{kinds} (hidden ones are left out)")
        return RawFolder(str(self._path), found, dict(self._facts))

    def save(self, data: None) -> None:
        raise DatasetError(f"{self._path} is raw data and is never written by a study")

    def _exists(self) -> bool:
        return self._path.is_dir()

    def _describe(self) -> dict[str, Any]:
        return {"source": self._source, "path": str(self._path)}


class RawFileDataset(AbstractDataset[None, RawFile]):
    """One file of a public data set, ``<raw>/<source>/<file>``, or of a user's own, ``<raw>/<file>``.

    Args:
        source: name of the data set in the table of sources (``kedro data list``); null for a file of your own.
        file: name of the file in the data set's folder.
        raw: the raw folder.
        title, unit: of data of your own, what the report is headed and what it calls the rows (``tickets``).
    """

    def __init__(
        self,
        *,
        source: str | None,
        file: str,
        raw: str,
        title: str = "",
        unit: str = "",
        metadata: dict[str, Any] | None = None,
    ) -> None:
        self._source = source
        self._facts = _facts(source, title, unit)
        self._raw, self._file = user_path(raw), file
        self._path = self._raw / (source or "") / file
        self.metadata = metadata

    def load(self) -> RawFile:
        from etudes.sources.table import MissingDataError, require

        try:
            if self._source is not None:
                require(self._source, self._raw, files=[self._file])
            content = self._path.read_bytes()
        except FileNotFoundError as error:
            raise DatasetError(
                f"{self._path}: no such file{self._like()}; check `raw` and `file` in the catalog"
            ) from error
        except (MissingDataError, OSError) as error:
            raise DatasetError(str(error)) from error
        return RawFile(str(self._path), content, dict(self._facts))

    def _like(self) -> str:
        """A file whose name differs in capitals alone."""
        folder = self._path.parent
        names = [path.name for path in folder.iterdir()] if folder.is_dir() else []
        same = [name for name in names if name.casefold() == self._path.name.casefold()]
        return f" (there is {same[0]})" if same else ""

    def save(self, data: None) -> None:
        raise DatasetError(f"{self._path} is raw data and is never written by a study")

    def _exists(self) -> bool:
        return self._path.exists()

    def _describe(self) -> dict[str, Any]:
        return {"source": self._source, "path": str(self._path)}


def _facts(source: str | None, title: str, unit: str) -> dict[str, Any]:
    """What is known of raw data before they are read.

    Raises:
        DatasetError: a title or a unit for data of the table of sources.
    """
    if source is not None and (title or unit):
        raise DatasetError(f"title and unit are for data of your own (source: null); '{source}' has its own")
    own = {name: text for name, text in (("title", title), ("unit", unit)) if text}
    return {"embedded_sample": False, "source": source or OWN_DATA, **own}


class WordVectorsDataset(AbstractDataset[None, Any]):
    """Pretrained word vectors, ``<raw>/<source>/<file>``; read, and required, only where a node looks words up."""

    def __init__(self, *, source: str, file: str, raw: str, metadata: dict[str, Any] | None = None) -> None:
        self._path = Path(raw) / source / file
        self.metadata = metadata

    def load(self) -> Any:
        from etudes.text.vectors import WordVectors

        return WordVectors(self._path)

    def save(self, data: None) -> None:
        raise DatasetError(f"{self._path} is raw data and is never written by a study")

    def _exists(self) -> bool:
        return self._path.exists()

    def _describe(self) -> dict[str, Any]:
        return {"path": str(self._path)}


class PretrainedDataset(AbstractDataset[None, Any]):
    """Pretrained networks by name (`etudes.vision.pretrained`); a file is read, and required, only where one is used."""

    def __init__(self, *, raw: str, metadata: dict[str, Any] | None = None) -> None:
        self._raw = Path(raw)
        self.metadata = metadata

    def load(self) -> Any:
        from etudes.vision.pretrained import Pretrained

        return Pretrained(self._raw)

    def save(self, data: None) -> None:
        raise DatasetError("pretrained weights are raw data and are never written by a study")

    def _exists(self) -> bool:
        return True

    def _describe(self) -> dict[str, Any]:
        return {"raw": str(self._raw)}


class SampleDataset(AbstractDataset[None, RawFile | RawFolder]):
    """One file or folder of an embedded sample, made by a seeded generator.

    Args:
        sample: module of `etudes.samples`; its function ``raw_file(part, **arguments)`` makes the `RawFile`, or
            `RawFolder` where the public data are a folder.
        part: which file of the sample.
        arguments: passed on; sizes and the seed.
    """

    def __init__(
        self, *, sample: str, part: str, arguments: dict[str, Any], metadata: dict[str, Any] | None = None
    ) -> None:
        if not sample.isidentifier():
            raise DatasetError(f"sample = '{sample}', expected the name of a module in etudes.samples")
        self._sample, self._part, self._arguments = sample, part, arguments
        self.metadata = metadata

    def load(self) -> RawFile | RawFolder:
        module = importlib.import_module(f"etudes.samples.{self._sample}")
        try:
            raw = module.raw_file(self._part, **self._arguments)
        except (TypeError, ValueError) as error:
            raise DatasetError(f"embedded sample '{self._sample}', part '{self._part}': {error}") from error
        return raw

    def save(self, data: None) -> None:
        raise DatasetError("an embedded sample is generated and never written")

    def _exists(self) -> bool:
        return True

    def _describe(self) -> dict[str, Any]:
        return {"sample": self._sample, "part": self._part, **self._arguments}
