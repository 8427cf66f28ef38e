"""Tables of numbers with a class: from the bytes of a CSV file to splits, and back from a user's row to an answer."""

from __future__ import annotations

import csv
import io
import math
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from etudes.benches.parameters import TableFormParameters, TableSplitParameters
from etudes.cards import data_card, fingerprint
from etudes.forms.files import SHOWN_PROBLEMS, names_file, problem_lines, read_text
from etudes.forms.raw import RawFile
from etudes.models import register_model
from etudes.serving.predictor import Column, Predictor
from etudes.splits import stratified

LABEL = "label"  # of the file; in a frame the class is ``class``, and ``label`` its number
OWN = ("id", "class", "label")
FEWEST_ROWS = 3  # of a class: one for each of train, dev and test
PLAIN = TableFormParameters(label=LABEL, leave_out=(), missing=())
Frame = pd.DataFrame


def measurements_of(frame: Frame) -> list[str]:
    """The names of the measurements in a frame, in order."""
    return [name for name in frame.columns if name not in OWN]


def matrix_of(frame: Frame) -> NDArray[np.float64]:
    """The measurements (N, D)."""
    return frame[measurements_of(frame)].to_numpy(dtype=np.float64)


def ingest(raw_table: RawFile) -> tuple[Frame, dict[str, Any]]:
    """`read` a CSV file whose column ``label`` holds the class, and say where it comes from."""
    frame, _ = read(raw_table)
    measurements = measurements_of(frame)
    facts = {"rows": len(frame), "classes": frame["class"].nunique(), "measurements": len(measurements)}
    return frame, data_card([raw_table], **facts)


def read(raw: RawFile, form: TableFormParameters = PLAIN) -> tuple[Frame, int]:
    """Check a CSV file: ``id`` (the number of the row, from 1), a column of floats a measurement, ``class``.

    The file has a header; one column holds the classes, every other one that is read holds finite numbers.

    Args:
        raw: the file.
        form: which columns are read, and what stands in an empty cell.

    Returns:
        The rows, and how many others have an empty cell.

    Raises:
        ValueError: a wrong encoding or header, no rows, a row with another number of fields, a number that is none, an
            empty label, or a single class; the message names the file and the rows.
    """
    header, rows = _read(raw)
    if form.label not in header:
        raise ValueError(
            f"{raw.name}: the header has no column '{form.label}', found {', '.join(header)}. Name the column of "
            f"classes '{form.label}'."
        )
    if unknown := [name for name in form.leave_out if name not in header]:
        raise ValueError(
            f"{raw.name}: the header has no column '{unknown[0]}' to leave out, found {', '.join(header)}"
        )
    names = [name for name in header if name not in (form.label, *form.leave_out)]
    columns = [header.index(name) for name in (form.label, *names)]
    whole = [len(row) != len(header) or not {row[i] for i in columns} & {*form.missing} for row in rows]
    kept = np.flatnonzero(whole).tolist()
    numbers = _numbers(raw, header, rows, names, kept)
    classes = [rows[n][header.index(form.label)] for n in kept]
    empty = [str(n + 1) for n, found in zip(kept, classes, strict=True) if not found]
    if empty:
        raise ValueError(
            f"{raw.name}: the label is empty in row {', '.join(empty[:SHOWN_PROBLEMS])}; expected a word in each row"
        )
    if len(set(classes)) < 2:
        found = f"all rows have the label '{classes[0]}'" if classes else "every row has an empty cell"
        raise ValueError(f"{raw.name}: {found}; expected two or more classes")
    frame = pd.DataFrame(numbers, columns=names)
    frame.insert(0, "id", np.array(kept) + 1)
    return frame.assign(**{"class": classes}), len(rows) - len(kept)


def numbered(table_frame: Frame) -> tuple[Frame, list[str]]:
    """The table with ``label``, the class as a number: the place of its name among the sorted classes, which are given too.

    Rows that are equal in measurements and class are kept once, so that none is trained on and tested on.

    Raises:
        ValueError: a class with fewer than three different rows.
    """
    frame = table_frame.drop_duplicates(subset=[*measurements_of(table_frame), "class"]).reset_index(
        drop=True
    )
    counts = frame["class"].value_counts()
    if counts.min() < FEWEST_ROWS:
        raise ValueError(
            f"The class '{counts.idxmin()}' has {counts.min()} different rows; expected at least {FEWEST_ROWS}, one for "
            "each of train, dev and test. Add rows, or leave the class out."
        )
    classes = sorted(counts.index)
    places = {name: k for k, name in enumerate(classes)}
    return frame.assign(label=frame["class"].map(places).astype("int64")), classes


def split(table_frame: Frame, parameters: TableSplitParameters) -> tuple[Frame, Frame, Frame, dict[str, Any]]:
    """Cut the table into train, dev and test, each with the same share of every class; `numbered` says what a row has.

    Raises:
        ValueError: a class with fewer than three different rows.
    """
    names = measurements_of(table_frame)
    frame, classes = numbered(table_frame)
    is_test = stratified(frame["label"].to_numpy(), parameters.test_fraction, parameters.seed)
    rest, test = (frame[rows].reset_index(drop=True) for rows in (~is_test, is_test))
    share = parameters.dev_fraction / (1 - parameters.test_fraction)
    is_dev = stratified(rest["label"].to_numpy(), share, parameters.seed)
    train, dev = (rest[rows].reset_index(drop=True) for rows in (~is_dev, is_dev))
    card = {
        **counted(table_frame, frame, classes, train, dev, test),
        "dev_fingerprint": fingerprint(dev),
        "train_medians": train[names].median().tolist(),
    }
    return train, dev, test, card


def counted(table_frame: Frame, frame: Frame, classes: list[str], *parts: Frame) -> dict[str, Any]:
    """What every split of a table says of itself: ``frame`` is the table without equal rows, ``parts`` its train, dev and test."""
    train, dev, test = map(len, parts)
    return {
        "classes": classes,
        "measurements": measurements_of(frame),
        "unit": "rows",
        "train_rows": train,
        "dev_rows": dev,
        "test_rows": test,
        "equal_rows_left_out": len(table_frame) - len(frame),
    }


def _read(raw: RawFile) -> tuple[list[str], list[list[str]]]:
    rows = [[field.strip() for field in row] for row in csv.reader(io.StringIO(read_text(raw))) if row]
    if len(rows) < 2:
        raise ValueError(f"{raw.name}: there are no rows in it. Expected a header and a line for each row.")
    header, *rest = rows
    own = ("id", "class")  # columns that the study adds
    wrong = [name for name in header if not name or name in own or header.count(name) > 1]
    if wrong or len(header) < 2:
        found = f"found {', '.join(repr(name) for name in wrong or header)}"
        raise ValueError(
            f"{raw.name}: the first line must name two columns or more, each once, none of them "
            f"{' or '.join(own)}; {found}"
        )
    return header, rest


def _numbers(
    raw: RawFile, header: list[str], rows: list[list[str]], names: list[str], kept: list[int]
) -> np.ndarray:
    """The columns ``names`` of the rows ``kept``, (len(kept), len(names)) floats."""
    numbers = np.empty((len(kept), len(names)))
    problems: list[str] = []
    for place, index in enumerate(kept):
        row = rows[index]
        if len(row) != len(header):
            problems.append(f"row {index + 1}: {len(row)} fields, expected {len(header)}")
            continue
        fields = dict(zip(header, row, strict=True))
        try:
            numbers[place] = [_number(name, fields[name]) for name in names]
        except ValueError as error:
            problems.append(f"row {index + 1}: {error}")
    if problems:
        raise ValueError(
            f"{raw.name}: {len(problems)} of {len(rows)} rows cannot be read.{problem_lines(problems)}\nMend them; a row with "
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


@register_model("tables.predictor")
class TablePredictor(Predictor):
    """The chosen variant behind a row of measurements; ``split_card`` says what they and the classes are called."""

    split_card: dict[str, Any]

    @property
    def columns(self) -> tuple[Column, ...]:
        pairs = zip(self.split_card["measurements"], self.split_card["train_medians"], strict=True)
        return tuple(Column(name, "number", examples=(middle,)) for name, middle in pairs)

    def answer(self, frame: Frame) -> Frame:
        """``label``, the most probable class of each row, and its ``probability``."""
        probabilities = self.model.predict_proba(frame)
        best = probabilities.argmax(1)
        classes = [self.split_card["classes"][k] for k in best]
        return pd.DataFrame({"label": classes, "probability": probabilities[np.arange(len(best)), best]})

    def parse(self, text: str) -> Frame:
        """A line of measurements in the order of the table, JSON of them, or the path of a ``.csv`` with a header."""
        fields = text.split(",")
        if text.lstrip().startswith(("{", "[")) or names_file(text, (".csv", ".json", ".jsonl")):
            return super().parse(text)
        names = self.split_card["measurements"]
        if len(fields) != len(names):
            raise ValueError(f"found {len(fields)} numbers, expected {len(names)}: {', '.join(names)}")
        return pd.DataFrame([[field.strip() for field in fields]], columns=names)

    def describe(self, answer: Frame) -> str:
        """One line a row."""
        rows = answer.to_dict("records")
        return "\n".join(f"{row['label']} (probability {row['probability']:.1%})" for row in rows)
