"""What a user types after ``kedro predict STUDY``, as rows of the columns that the study declares."""

from __future__ import annotations

import json
import re
from collections.abc import Sequence

import pandas as pd

from etudes.forms.files import ends_in, names_file, read_text
from etudes.serving.columns import Column, as_frame
from etudes.serving.questions import read_file, read_table, text_or_file

JSON_START = re.compile(r"\s*(\{|\[\s*\{)")
DELIMITED = (".csv", ".tsv")
TABLE_FILES = (*DELIMITED, ".json", ".jsonl")


def rows_of(text: str, columns: Sequence[Column], usage: str) -> pd.DataFrame:
    """JSON objects, the rows of a file, or the one value that is enough.

    Args:
        text: what the user typed.
        columns: those of the predictor.
        usage: an example of what is understood, for messages.

    Raises:
        ValueError: it is none of these, or the file cannot be read.
    """
    if JSON_START.match(text):
        return _json_rows(text, "The input", usage)
    if names_file(text, TABLE_FILES) and ends_in(text.strip(), TABLE_FILES):
        return _table(text.strip(), usage)
    column = enough(columns)
    if column is None:
        raise ValueError(
            f"{text[:60]!r} is not understood; expected {usage} or a {', '.join(TABLE_FILES)} file"
        )
    return pd.DataFrame({column.name: [text_or_file(text) if column.kind == "text" else text]}, dtype=object)


def enough(columns: Sequence[Column]) -> Column | None:
    """The column whose value alone is a question: the only one that is required, or the only one."""
    required = [column for column in columns if column.required]
    return required[0] if len(required) == 1 else columns[0] if len(columns) == 1 else None


def with_pictures(frame: pd.DataFrame, columns: Sequence[Column]) -> pd.DataFrame:
    """The frame with the picture files (`RawFile`) whose paths stand in its columns of pictures.

    Raises:
        ValueError: a path is no text, or there is no such file.
    """
    for column in columns:
        if column.kind == "picture" and column.name in frame.columns:
            paths = [
                _path(cell, f"{column.name} in row {row}") for row, cell in enumerate(frame[column.name])
            ]
            files = [read_file(path, "the path of a PNG or JPEG file") for path in paths]
            frame = frame.assign(**{column.name: pd.Series(files, index=frame.index, dtype=object)})
    return frame


def _path(cell: object, place: str) -> str:
    if not isinstance(cell, str) or not cell.strip():
        raise ValueError(f"{place} is {cell!r}; expected the path of a PNG or JPEG file")
    return cell.strip()


def _table(path: str, usage: str) -> pd.DataFrame:
    raw = read_file(path, f"a table with the columns {usage}")
    if ends_in(path, DELIMITED):
        return read_table(raw, keep_spaces=True)
    text = read_text(raw)
    if ends_in(path, (".jsonl",)):
        lines = text.split("\n")  # a text in JSON may hold other line ends
        text = f"[{','.join(filter(str.strip, lines))}]"
    return _json_rows(text, path, usage)


def _json_rows(text: str, name: str, usage: str) -> pd.DataFrame:
    try:
        rows = json.loads(text)
    except (ValueError, RecursionError) as error:
        raise ValueError(f"{name} looks like JSON but is not: {error}. Expected {usage}") from error
    try:
        return as_frame(rows if isinstance(rows, list) else [rows])
    except ValueError as error:
        raise ValueError(f"{name}: {error}. Expected {usage}") from error
