"""A file of texts with one of two labels each: delimited lines with a header, fields in quotes where they hold line ends."""

from __future__ import annotations

import csv
import io
from collections.abc import Sequence

import pandas as pd

from etudes.forms.files import read_text
from etudes.forms.raw import RawFile

SHOWN_PROBLEMS = 5


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
        raw: UTF-8; its first line names the columns, of which two are read, unless ``columns`` does.
        label, text: the names of these columns.
        values: what stands for 0, and what for 1.
        separator: between fields.
        columns: names of the columns of a file whose first line is a row like all others.

    Raises:
        ValueError: a wrong encoding or separator, a column that is missing, a row with another number of fields, a label that is
            none of the two, an empty text, no rows, or a single label; the message names the file and the rows.
    """
    rows = _rows(raw, separator)
    header = [*columns] or (rows.pop(0)[1] if rows else [])
    if missing := [name for name in (label, text) if name not in header]:
        where = "the setting `columns`" if columns else "the first line"
        raise ValueError(
            f"{raw.name}: {where} has no column '{missing[0]}', found {', '.join(map(repr, header))}. Expected the "
            f"columns '{label}' and '{text}' with {separator!r} between them; check names and separator."
        )
    places, labels = (header.index(label), header.index(text)), dict(zip(values, (0, 1), strict=True))
    problems, found = [], []
    for number, (line, fields) in enumerate(rows, start=1):
        if len(fields) != len(header):
            expected = f"{len(header)} with {separator!r} between them"
            problems.append(f"row {number} (line {line}): {len(fields)} fields, expected {expected}")
            continue
        said, words = (fields[place] for place in places)
        if said.strip() not in labels:
            problems.append(
                f"row {number} (line {line}): the label {said[:30]!r}, expected {' or '.join(values)}"
            )
        elif not words.strip():
            problems.append(f"row {number} (line {line}): the text is empty")
        else:
            found.append((number, words, labels[said.strip()]))
    if problems:
        more = f"\n  ... and {len(problems) - SHOWN_PROBLEMS} more" if len(problems) > SHOWN_PROBLEMS else ""
        shown = "\n  ".join(problems[:SHOWN_PROBLEMS])
        raise ValueError(
            f"{raw.name}: {len(problems)} rows cannot be read.\n  {shown}{more}\nMend them; a text that holds the "
            'separator, a line end or a quote stands in quotes ("), a quote in it is written twice.'
        )
    frame = pd.DataFrame(found, columns=["id", "text", "label"])
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
