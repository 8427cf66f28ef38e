"""Delimited files of texts: lines with a header, fields in quotes where they hold line ends; a row may carry one of two labels."""

from __future__ import annotations

import csv
import io
from collections.abc import Callable, Sequence
from typing import Any

import pandas as pd

from etudes.forms.files import problem_lines, read_text
from etudes.forms.raw import RawFile

Record = dict[str, Any]


def read_rows(
    raw: RawFile,
    columns: Sequence[str],
    parse: Callable[[dict[str, str]], Record],
    separator: str = ",",
    header: Sequence[str] = (),
) -> list[Record]:
    """Each row's ``id`` (its number, from 1) and what ``parse`` makes of it; blank lines are skipped.

    Args:
        raw: UTF-8; its first line names the columns, unless ``header`` does.
        columns: those that must be there.
        parse: of the fields of a row by the name of their column; raises a ValueError that says what is wrong in it.
        separator: between fields.
        header: the columns' names of a file whose first line is a row like all others.

    Raises:
        ValueError: a wrong encoding or separator, a column that is missing or there twice, rows with another number of fields or that
            ``parse`` refuses; the message names the file and the rows.
    """
    rows = _rows(raw, separator)
    where = "the setting `columns`" if header else "the first line"
    header = [*header] or (rows.pop(0)[1] if rows else [])
    if missing := [name for name in columns if name not in header]:
        raise ValueError(
            f"{raw.name}: {where} has no column '{missing[0]}', found {', '.join(map(repr, header))[:300]}. Expected the "
            f"columns {', '.join(columns)} with {separator!r} between them; check names and separator."
        )
    if twice := [name for name in columns if header.count(name) > 1]:
        raise ValueError(
            f"{raw.name}: the first line has the column '{twice[0]}' {header.count(twice[0])} times; expected it once"
        )
    problems, found = [], []
    for number, (line, fields) in enumerate(rows, start=1):
        try:
            if len(fields) != len(header):
                raise ValueError(f"{len(fields)} fields, expected {len(header)}")
            found.append({"id": number, **parse(dict(zip(header, fields, strict=True)))})
        except ValueError as error:
            problems.append(f"row {number} (line {line}): {error}")
    if problems:
        raise ValueError(
            f"{raw.name}: {len(problems)} row{'s' * (len(problems) > 1)} cannot be read.{problem_lines(problems)}\nMend them; a text that holds the "
            'separator, a line end or a quote stands in quotes ("), a quote in it is written twice.'
        )
    return found


def read_labelled_texts(
    raw: RawFile,
    label: str,
    text: str,
    values: tuple[str, str],
    separator: str = "\t",
    columns: Sequence[str] = (),
) -> pd.DataFrame:
    """Check the file: ``id`` (the number of the row, from 1), ``text``, and ``label``, 0 or 1.

    Args:
        raw: as for `read_rows`.
        label, text: the names of these columns.
        values: what stands for 0, and what for 1.
        separator: between fields.
        columns: names of the columns of a file whose first line is a row like all others.

    Raises:
        ValueError: as `read_rows`; a label that is none of the two, an empty text, no rows, or a single label.
    """
    labels = dict(zip(values, (0, 1), strict=True))

    def parse(row: dict[str, str]) -> Record:
        if (said := row[label].strip()) not in labels:
            raise ValueError(f"the label {row[label][:30]!r}, expected {' or '.join(values)}")
        if not row[text].strip():
            raise ValueError("the text is empty")
        return {"text": row[text], "label": labels[said]}

    frame = pd.DataFrame(
        read_rows(raw, (label, text), parse, separator, columns), columns=["id", "text", "label"]
    )
    if frame["label"].nunique() < 2:
        told = (
            f"all rows have the label {values[frame['label'].iloc[0]]}" if len(frame) else "there are no rows"
        )
        raise ValueError(f"{raw.name}: {told}; expected rows of both labels, {' and '.join(values)}")
    return frame


def _rows(raw: RawFile, separator: str) -> list[tuple[int, list[str]]]:
    """The rows with the numbers of the lines that they end in; blank lines are left out."""
    content = read_text(raw)
    before = csv.field_size_limit(max(len(content), 1))  # a text may be long
    try:
        reader = csv.reader(io.StringIO(content, newline=""), delimiter=separator, strict=True)
        return [(reader.line_num, fields) for fields in reader if fields]
    except csv.Error as error:
        raise ValueError(
            f"{raw.name}, line {reader.line_num}: {error}; expected fields with {separator!r} between them, "
            'and quotes (") around those that hold a line end or a quote'
        ) from error
    finally:
        csv.field_size_limit(before)
