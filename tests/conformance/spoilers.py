"""Raw inputs that were spoilt: each is refused in one message that names the file, or is valid data all the same."""

from __future__ import annotations

import io
import os
from collections.abc import Iterator, Mapping
from dataclasses import replace
from functools import cache
from pathlib import Path
from typing import Any
from unittest import mock

import numpy as np
from kedro.io import DataCatalog, DatasetError
from PIL import Image
from runs import Run, call
from subjects import catalog_of

from etudes.datasets import RawFileDataset, RawFolderDataset
from etudes.forms.raw import RawFile, RawFolder

TEXT = b"This is a text, and nothing but a text.\n" * 20
PICTURES = (".png", ".jpg", ".jpeg", ".bmp", ".tif", ".tiff", ".webp")
NOWHERE = "/there/is/no/such/folder"
Spoilt = tuple[
    str, Any, str, bool
]  # what was done, the input, the file to be named, whether it may be valid still


@cache
def picture() -> bytes:
    stream = io.BytesIO()
    Image.fromarray(np.arange(768, dtype=np.uint8).reshape(16, 16, 3)).save(stream, "PNG")
    return stream.getvalue()


def is_text(content: bytes) -> bool:
    try:
        return all(letter.isprintable() or letter in "\t\r\n" for letter in content.decode("utf-8"))
    except UnicodeDecodeError:
        return False


def spoilt(raw: Any) -> Iterator[Spoilt]:
    """What may happen to a raw input."""
    if isinstance(raw, RawFile):
        for what, content, valid in spoilt_contents(raw.content):
            yield what, replace(raw, content=content), raw.name, valid
    elif isinstance(raw, RawFolder) and len(raw):
        names = [name for name in raw if Path(name).suffix.lower() in PICTURES] or list(raw)
        name = names[len(names) // 2]
        for what, content, valid in spoilt_contents(raw.read(name).content):
            entries: Mapping[str, Any] = {**raw.entries, name: content}
            yield f"{what}: {name}", replace(raw, entries=entries), name, valid


def spoilt_contents(content: bytes) -> Iterator[tuple[str, bytes, bool]]:
    """Contents of a file that are wrong, and whether they may be right all the same.

    A text that ends early at the end of a line is a shorter text; bytes in the middle of a file without checksums are
    other data.
    """
    text, middle = is_text(content), len(content) // 2
    yield "empty", b"", False
    yield "another kind of file", picture() if text else TEXT, False
    if text:
        yield (
            "truncated at a line end",
            content[: content.rfind(b"\n", 0, middle) + 1] or content[:middle],
            True,
        )
        yield "truncated in a line", content[: content.rfind(b"\n", 0, middle) + 4], True
    else:
        yield "truncated", content[:middle], False
    yield "wrong encoding", content[:middle] + b"\xff\xfe" + content[middle:], not text


def refused(run: Run, dataset: str) -> None:
    """Every spoilt form of a raw input ends in one `ValueError` or `DatasetError` that names the file."""
    for what, value, named, may_be_valid in spoilt(run.catalog.load(dataset)):
        said = answer_to(run, dataset, value)
        if said is None:
            assert may_be_valid, f"{dataset}, {what}: it was taken as it is"
            continue
        kind = type(said).__name__
        assert isinstance(said, ValueError | DatasetError), f"{dataset}, {what}: {kind}: {said}"
        told = named in str(said) or Path(named).name in str(said)
        assert told, f"{dataset}, {what}: '{said}' does not name {named}"


def answer_to(run: Run, dataset: str, value: Any) -> Exception | None:
    """What the stages ingest and preprocess raise where one raw input is ``value``."""
    reached, values = {dataset}, {**run.parameters(), dataset: value}
    try:
        for node in run.subject.nodes("ingest", "preprocess"):
            if reached & set(node.inputs):
                values |= {name: run.catalog.load(name) for name in set(node.inputs) - values.keys()}
                values |= call(node, values)
                reached |= set(node.outputs)
    except Exception as error:
        return error
    return None


@cache
def nothing_fetched() -> DataCatalog:
    """The catalog of the public data, of which none is there."""
    with mock.patch.dict(os.environ, ETUDES_RAW=NOWHERE):
        return catalog_of.__wrapped__("full")


def missing(dataset: str) -> None:
    """Without the public data the error says where they belong."""
    raw = nothing_fetched().get(dataset)
    if not isinstance(raw, RawFileDataset | RawFolderDataset):
        return  # it comes with a library, or is read by the node that needs it
    try:
        raw.load()
    except DatasetError as error:
        assert NOWHERE in str(error), f"{dataset}: '{error}' does not say where the data belong"
    else:
        raise AssertionError(f"{dataset}: data that are not there were read")
