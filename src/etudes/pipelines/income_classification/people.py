"""From raw lines to checked people: the format of UCI's Adult files, shared by training files and by questions."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence

import pandas as pd

from etudes.forms.files import read_text
from etudes.forms.raw import RawFile

COLUMNS = (
    "age",
    "workclass",
    "fnlwgt",
    "education",
    "education-num",
    "marital-status",
    "occupation",
    "relationship",
    "race",
    "sex",
    "capital-gain",
    "capital-loss",
    "hours-per-week",
    "native-country",
)
# The columns of whole numbers with the range that is believed.
RANGES = {
    "age": (0, 120),
    "fnlwgt": (0, 10**8),
    "education-num": (1, 16),
    "capital-gain": (0, 10**9),
    "capital-loss": (0, 10**9),
    "hours-per-week": (0, 168),
}
ANSWERS = tuple(name for name in COLUMNS if name not in RANGES)
LABELS = ("<=50K", ">50K")
MISSING = "?"
COMMENT = "|"
FORMAT = ", ".join((*COLUMNS, "income"))
SHOWN_PROBLEMS = 5
NUMBER = re.compile(r"[+-]?\d{1,12}")


def parse_people(raw: RawFile) -> pd.DataFrame:
    """People of one file: ``id`` (the number of their line), the 14 `COLUMNS`, ``income`` (one of `LABELS`).

    Fields are apart by commas, spaces around them do not count; blank lines and lines that begin with ``|`` are
    skipped; a label may end in a full stop, as those of ``adult.test`` do.

    Raises:
        ValueError: no people, a wrong encoding, a line with another number of fields, a number that is none or out
            of its range, an empty answer, or a label other than the two; the message names file and lines.
    """
    rows = _read_lines(raw, _parse_line, "15 fields", FORMAT)
    return pd.DataFrame(rows, columns=["id", *COLUMNS, "income"])


def parse_questions(raw: RawFile) -> pd.DataFrame:
    """The 14 `COLUMNS` of people whose income is asked for; a 15th field, the known income, is read over.

    Raises:
        ValueError: as `parse_people`.
    """
    rows = _read_lines(raw, _parse_question, "14 fields", ", ".join(COLUMNS))
    return pd.DataFrame([answers for _, *answers in rows], columns=list(COLUMNS))


def _read_lines(
    raw: RawFile, parse: Callable[[str], list[int | str]], fields: str, form: str
) -> list[tuple[int | str, ...]]:
    """What ``parse`` makes of every line, behind the line's number."""
    problems: list[str] = []
    rows: list[tuple[int | str, ...]] = []
    for number, line in enumerate(read_text(raw).split("\n"), start=1):
        if not line.strip() or line.startswith(COMMENT):
            continue
        try:
            rows.append((number, *parse(line)))
        except ValueError as error:
            problems.append(f"line {number}: {error}")
    if problems:
        more = f"\n  ... and {len(problems) - SHOWN_PROBLEMS} more" if len(problems) > SHOWN_PROBLEMS else ""
        shown = "\n  ".join(problems[:SHOWN_PROBLEMS])
        lines = "line" if len(problems) == 1 else "lines"
        raise ValueError(
            f"{raw.name}: {len(problems)} {lines} cannot be read. Expected {fields} `{form}` without a header, UTF-8."
            f"\n  {shown}{more}\nMend the lines, or get the file again."
        )
    if not rows:
        raise ValueError(
            f"{raw.name}: there are no people in it. Expected lines of {fields} `{form}`; get the file again."
        )
    return rows


def check_answers(fields: Sequence[str], names: Sequence[str] = COLUMNS) -> list[int | str]:
    """The answers of one person, numbers as int, from texts in the order of ``names``.

    Raises:
        ValueError: a number that is none or out of its range, or an empty answer; the message names the column.
    """
    answers: list[int | str] = []
    for name, field in zip(names, fields, strict=True):
        if name in RANGES:
            answers.append(_number(name, field))
        elif not field:
            raise ValueError(f"{name} is empty; write {MISSING} for a missing answer")
        else:
            answers.append(field)
    return answers


def _parse_line(line: str) -> list[int | str]:
    fields = [field.strip() for field in line.split(",")]
    if len(fields) != len(COLUMNS) + 1:
        raise ValueError(f"{len(fields)} of 15 fields in {line[:60]!r}; is the separator a comma?")
    *answers, label = fields
    checked = check_answers(answers)
    if label.removesuffix(".") not in LABELS:
        raise ValueError(f"the income is {label[:20]!r}, expected {' or '.join(LABELS)}")
    return [*checked, label.removesuffix(".")]


def _parse_question(line: str) -> list[int | str]:
    fields = [field.strip() for field in line.split(",")]
    if len(fields) not in (len(COLUMNS), len(COLUMNS) + 1):
        raise ValueError(f"{len(fields)} of 14 fields in {line[:60]!r}; is the separator a comma?")
    return check_answers(fields[: len(COLUMNS)])


def _number(name: str, field: str) -> int:
    low, high = RANGES[name]
    if not NUMBER.fullmatch(field):
        raise ValueError(f"{name} is {field[:20]!r}, expected a whole number from {low} to {high}")
    if not low <= int(field) <= high:
        raise ValueError(f"{name} is {field}, expected a whole number from {low} to {high}")
    return int(field)
