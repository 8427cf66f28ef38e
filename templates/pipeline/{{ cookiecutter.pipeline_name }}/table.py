"""From the bytes of a CSV file to checked rows; a file of questions is read by the same code."""

from __future__ import annotations

import csv
import io
import math

import numpy as np
import pandas as pd

from etudes.forms.raw import RawFile

LABEL = "label"
# Columns that the study adds: the number of a row, and its class as a number.
OWN = ("id", "target")
SHOWN_PROBLEMS = 5


def parse_table(raw: RawFile) -> pd.DataFrame:
    """The rows of a CSV file: ``id`` (the number of the row, from 1), a column of floats a measurement, ``label``.

    The file has a header; one column is called ``label`` and holds words, every other one holds finite numbers.

    Raises:
        ValueError: a wrong encoding or header, no rows, a row with another number of fields, a number that is none,
            or an empty label; the message names the file and the rows.
    """
    header, rows = _read(raw)
    if LABEL not in header:
        raise ValueError(
            f"{raw.name}: the header has no column '{LABEL}', found {', '.join(header)}. Name the column of classes "
            f"'{LABEL}'."
        )
    measurements = [name for name in header if name != LABEL]
    numbers = _numbers(raw, header, rows, measurements)
    labels = [row[header.index(LABEL)] for row in rows]
    empty = [str(number) for number, label in enumerate(labels, start=1) if not label]
    if empty:
        raise ValueError(
            f"{raw.name}: the label is empty in row {', '.join(empty[:SHOWN_PROBLEMS])}; expected a word in each row"
        )
    frame = pd.DataFrame(numbers, columns=measurements)
    frame.insert(0, OWN[0], np.arange(1, len(frame) + 1))
    return frame.assign(**{LABEL: labels})


def parse_questions(raw: RawFile, measurements: list[str]) -> pd.DataFrame:
    """The ``measurements`` of the rows of a CSV file whose label is asked for; a column ``label`` is read over.

    Raises:
        ValueError: as `parse_table`, or a measurement that is not there.
    """
    header, rows = _read(raw)
    missing = [name for name in measurements if name not in header]
    if missing:
        raise ValueError(f"{raw.name}: the header lacks {', '.join(missing)}; found {', '.join(header)}")
    return pd.DataFrame(_numbers(raw, header, rows, measurements), columns=measurements)


def measurements_of(frame: pd.DataFrame) -> list[str]:
    """The names of the measurements in a frame of `parse_table`, in order."""
    return [name for name in frame.columns if name not in (*OWN, LABEL)]


def _read(raw: RawFile) -> tuple[list[str], list[list[str]]]:
    try:
        text = raw.content.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = raw.content[: error.start].count(b"\n") + 1
        raise ValueError(f"{raw.name}, line {line}: not UTF-8. Expected a UTF-8 file; convert it.") from error
    rows = [[field.strip() for field in row] for row in csv.reader(io.StringIO(text)) if row]
    if len(rows) < 2:
        raise ValueError(f"{raw.name}: there are no rows in it. Expected a header and a line for each row.")
    header, *rest = rows
    wrong = [name for name in header if not name or name in OWN or header.count(name) > 1]
    if wrong or len(header) < 2:
        found = f"found {', '.join(repr(name) for name in wrong or header)}"
        raise ValueError(
            f"{raw.name}: the first line must name two columns or more, each once, none of them "
            f"{' or '.join(OWN)}; {found}"
        )
    return header, rest


def _numbers(raw: RawFile, header: list[str], rows: list[list[str]], names: list[str]) -> np.ndarray:
    """The columns ``names`` of all rows, (N, len(names)) floats."""
    numbers = np.empty((len(rows), len(names)))
    problems: list[str] = []
    for index, row in enumerate(rows):
        if len(row) != len(header):
            problems.append(f"row {index + 1}: {len(row)} fields, expected {len(header)}")
            continue
        fields = dict(zip(header, row, strict=True))
        try:
            numbers[index] = [_number(name, fields[name]) for name in names]
        except ValueError as error:
            problems.append(f"row {index + 1}: {error}")
    if problems:
        more = f"\n  ... and {len(problems) - SHOWN_PROBLEMS} more" if len(problems) > SHOWN_PROBLEMS else ""
        shown = "\n  ".join(problems[:SHOWN_PROBLEMS])
        raise ValueError(
            f"{raw.name}: {len(problems)} of {len(rows)} rows cannot be read.\n  {shown}{more}\nMend them; a row with "
            "a missing number must be left out or filled in."
        )
    return numbers


def _number(name: str, field: str) -> float:
    try:
        value = float(field)
    except ValueError:
        value = math.nan
    if not math.isfinite(value):
        raise ValueError(f"{name} is {field[:20]!r}, expected a finite number")
    return value
