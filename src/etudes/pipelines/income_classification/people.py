"""From raw lines to checked people, and their splits: the format of UCI's Adult files, shared by files and questions."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd

from etudes.cards import data_card, fingerprint
from etudes.forms.lines import read_lines
from etudes.forms.raw import RawFile
from etudes.serving.columns import Column
from etudes.splits import stratified
from etudes.training.parameters import DevSplitParameters

MISSING = "?"


def _text(name: str, *examples: str) -> Column:
    return Column(name, "text", default=MISSING, stripped=True, examples=examples)


def _whole(name: str, low: int, high: int, *examples: int) -> Column:
    return Column(name, "whole", low=low, high=high, examples=examples)


# The questions in the order of the files, with the range that is believed of a number and the answers of two examples.
QUESTIONS = (
    _whole("age", 0, 120, 38, 23),
    _text("workclass", "Private", MISSING),
    # How many Americans a row stands for: it tells rows apart, not people, and no model weighs it.
    Column(
        "fnlwgt",
        "whole",
        low=0,
        high=10**8,
        required=False,
        default=0,
        about="people that the row stands for",
    ),
    _text("education", "Bachelors", "Some-college"),
    _whole("education-num", 1, 16, 13, 10),
    _text("marital-status", "Married-civ-spouse", "Never-married"),
    _text("occupation", "Exec-managerial", MISSING),
    _text("relationship", "Husband", "Own-child"),
    _text("race", "White", "Black"),
    _text("sex", "Male", "Female"),
    _whole("capital-gain", 0, 10**9, 0, 0),
    _whole("capital-loss", 0, 10**9, 0, 0),
    _whole("hours-per-week", 0, 168, 45, 20),
    _text("native-country", "United-States", MISSING),
)
COLUMNS = tuple(question.name for question in QUESTIONS)
NUMBERS = [question.name for question in QUESTIONS if question.kind == "whole"]
LABELS = ("<=50K", ">50K")
FORMAT = ", ".join((*COLUMNS, "income"))
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
    """The 14 `COLUMNS`, as texts, of people whose income is asked for; a 15th field, the known income, is read over.

    Raises:
        ValueError: no people, a wrong encoding, or a line with another number of fields.
    """
    form = f"14 fields `{', '.join(COLUMNS)}` without a header"
    found = read_lines(raw, lambda line: _fields(line, 14, 15)[:14], form, "people", "|")
    return pd.DataFrame([fields for _, fields in found], columns=list(COLUMNS))


def _fields(line: str, *counts: int) -> list[str]:
    fields = [field.strip() for field in line.split(",")]
    if len(fields) not in counts:
        raise ValueError(f"{len(fields)} of {counts[0]} fields in {line[:60]!r}; is the separator a comma?")
    return fields


def _parse_line(line: str) -> list[int | str]:
    *answers, label = _fields(line, 15)
    if "" in answers:
        raise ValueError(f"{COLUMNS[answers.index('')]} is empty; write {MISSING} for a missing answer")
    read = [question.read(text, question.name) for question, text in zip(QUESTIONS, answers, strict=True)]
    income = label.removesuffix(".")
    if income not in LABELS:
        raise ValueError(f"the income is {label[:20]!r}, expected {' or '.join(LABELS)}")
    return [*read, income]


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
    rows = {"train_rows": len(train), "test_rows": len(test), "classes": len(LABELS)}
    above = [int((frame["income"] == LABELS[1]).sum()) for frame in (train, test)]
    card = data_card([raw_train, raw_test], **rows, train_positives=above[0], test_positives=above[1])
    return train, test, card


def split(
    train_frame: pd.DataFrame, test_frame: pd.DataFrame, parameters: DevSplitParameters
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
