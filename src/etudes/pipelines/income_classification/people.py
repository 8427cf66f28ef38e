"""From raw lines to checked people, and their splits: the format of UCI's Adult files, shared by files and questions."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Any

import numpy as np
import pandas as pd

from etudes.cards import data_card, fingerprint
from etudes.forms.lines import read_lines
from etudes.forms.raw import RawFile
from etudes.pipelines.income_classification.parameters import SplitParameters
from etudes.splits import stratified

COLUMNS = (
    *("age", "workclass", "fnlwgt", "education", "education-num", "marital-status", "occupation"),
    *("relationship", "race", "sex", "capital-gain", "capital-loss", "hours-per-week", "native-country"),
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
LABELS = ("<=50K", ">50K")
MISSING = "?"
FORMAT = ", ".join((*COLUMNS, "income"))
NUMBER = re.compile(r"[+-]?\d{1,12}")
# fnlwgt says how many Americans a row stands for: it tells rows apart, not people.
ANSWERS = [name for name in COLUMNS if name != "fnlwgt"]


def parse_people(raw: RawFile) -> pd.DataFrame:
    """People of one file: ``id`` (the number of their line), the 14 `COLUMNS`, ``income`` (one of `LABELS`).

    Fields are apart by commas, spaces around them do not count; blank lines and lines that begin with ``|`` are
    skipped; a label may end in a full stop, as those of ``adult.test`` do.

    Raises:
        ValueError: no people, a wrong encoding, a line with another number of fields, a number that is none or out
            of its range, an empty answer, or a label other than the two; the message names file and lines.
    """
    form = f"15 fields `{FORMAT}` without a header"
    rows = [(number, *fields) for number, fields in read_lines(raw, _parse_line, form, "people", "|")]
    return pd.DataFrame(rows, columns=["id", *COLUMNS, "income"])


def parse_questions(raw: RawFile) -> pd.DataFrame:
    """The 14 `COLUMNS` of people whose income is asked for; a 15th field, the known income, is read over.

    Raises:
        ValueError: as `parse_people`.
    """
    form = f"14 fields `{', '.join(COLUMNS)}` without a header"
    rows = [fields for _, fields in read_lines(raw, _parse_question, form, "people", "|")]
    return pd.DataFrame(rows, columns=list(COLUMNS))


def check_answers(fields: Sequence[str]) -> list[int | str]:
    """The answers of one person, numbers as int, from texts in the order of `COLUMNS`.

    Raises:
        ValueError: a number that is none or out of its range, or an empty answer; the message names the column.
    """
    answers: list[int | str] = []
    for name, field in zip(COLUMNS, fields, strict=True):
        if name in RANGES:
            low, high = RANGES[name]
            if not NUMBER.fullmatch(field) or not low <= int(field) <= high:
                raise ValueError(f"{name} is {field[:20]!r}, expected a whole number from {low} to {high}")
            answers.append(int(field))
        elif not field:
            raise ValueError(f"{name} is empty; write {MISSING} for a missing answer")
        else:
            answers.append(field)
    return answers


def _fields(line: str, *counts: int) -> list[str]:
    fields = [field.strip() for field in line.split(",")]
    if len(fields) not in counts:
        raise ValueError(f"{len(fields)} of {counts[0]} fields in {line[:60]!r}; is the separator a comma?")
    return fields


def _parse_line(line: str) -> list[int | str]:
    *answers, label = _fields(line, 15)
    checked, income = check_answers(answers), label.removesuffix(".")
    if income not in LABELS:
        raise ValueError(f"the income is {label[:20]!r}, expected {' or '.join(LABELS)}")
    return [*checked, income]


def _parse_question(line: str) -> list[int | str]:
    return check_answers(_fields(line, 14, 15)[:14])


def ingest(raw_train: RawFile, raw_test: RawFile) -> tuple[pd.DataFrame, pd.DataFrame, dict[str, Any]]:
    """Check both files and say where they come from.

    Raises:
        ValueError: unreadable lines, or too few people of a class: two in the training file, one in the test file.
    """
    train, test = parse_people(raw_train), parse_people(raw_test)
    for raw, frame, least in ((raw_train, train, 2), (raw_test, test, 1)):
        counts = {label: int((frame["income"] == label).sum()) for label in LABELS}
        if min(counts.values()) < least:
            found = " and ".join(f"{count} of {label}" for label, count in counts.items())
            raise ValueError(
                f"{raw.name}: found {found}; expected at least {least} of each. Add people, or get the file again."
            )
    above = {
        f"{part}_positives": int((f["income"] == LABELS[1]).sum())
        for part, f in (("train", train), ("test", test))
    }
    rows = {"train_rows": len(train), "test_rows": len(test), "classes": len(LABELS)}
    return train, test, data_card([raw_train, raw_test], **rows, **above)


def split(
    train_frame: pd.DataFrame, test_frame: pd.DataFrame, parameters: SplitParameters
) -> tuple[pd.DataFrame, pd.DataFrame, pd.DataFrame, dict[str, Any]]:
    """Cut dev from train, stratified; nobody is dropped, equal people are counted.

    Two people may well give equal answers to 13 questions, and in a census both of them count. ``twin`` says of a test
    row that a training row has the same answers (``fnlwgt`` and the income aside), so that the scores of the others can
    stand beside those of all.
    """
    labelled, test = (
        frame.assign(label=(frame["income"] == LABELS[1]).astype("int64"))
        for frame in (train_frame, test_frame)
    )
    is_dev = stratified(labelled["label"].to_numpy(), parameters.dev_fraction, parameters.seed)
    train, dev = (labelled[rows].reset_index(drop=True) for rows in (~is_dev, is_dev))
    whole = [*COLUMNS, "label"]
    test = test.assign(twin=_stand_in(test, labelled, ANSWERS))
    card = {
        "classes": list(LABELS),
        "unit": "people",
        "train_rows": len(train),
        "dev_rows": len(dev),
        "test_rows": len(test),
        "test_with_equal_answers_in_train": int(test["twin"].sum()),
        "test_rows_that_stand_in_train": int(_stand_in(test, labelled, whole).sum()),
        "repeated_rows_in_train": int(labelled.duplicated(subset=whole).sum()),
        "dev_fingerprint": fingerprint(dev[["id", *COLUMNS, "income"]]),
    }
    return train, dev, test, card


def _stand_in(rows: pd.DataFrame, others: pd.DataFrame, columns: list[str]) -> np.ndarray:
    return pd.MultiIndex.from_frame(rows[columns]).isin(pd.MultiIndex.from_frame(others[columns]))
