"""The parser of the census files: every fault is one message that names file, line and what was expected."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pandas as pd
import pytest

from etudes.forms.raw import RawFile
from etudes.pipelines.income_classification.people import (
    COLUMNS,
    ingest,
    parse_people,
    parse_questions,
    split,
)
from etudes.samples.census import raw_file

LINE = "39, State-gov, 77516, Bachelors, 13, Never-married, Adm-clerical, Not-in-family, White, Male, 2174, 0, 40, Cuba, <=50K"


def raw(text: str | bytes, name: str = "adult.data") -> RawFile:
    return RawFile(name, text if isinstance(text, bytes) else text.encode())


def spoilt(column: str, value: str) -> str:
    fields = LINE.split(", ")
    fields[[*COLUMNS, "income"].index(column)] = value
    return ", ".join(fields)


def test_a_line_is_read_as_written() -> None:
    people = parse_people(raw(LINE))
    assert list(people.columns) == ["id", *COLUMNS, "income"]
    assert people.loc[0].tolist() == [1, *[int(f) if f.isdigit() else f for f in LINE.split(", ")]]
    assert people["age"].dtype == "int64"


def test_comments_blank_lines_full_stops_tight_commas_and_windows_ends_are_read() -> None:
    text = (
        f"|1x3 Cross validator\r\n{LINE}.\r\n\r\n{LINE.replace(', ', ',').replace('<=50K', '>50K.')}\r\n\r\n"
    )
    people = parse_people(raw(text))
    assert people["income"].tolist() == ["<=50K", ">50K"]
    assert people["id"].tolist() == [2, 4], "the id is the line in the file"


def test_a_missing_answer_is_an_answer_of_its_own() -> None:
    assert parse_people(raw(spoilt("occupation", "?")))["occupation"].tolist() == ["?"]


@pytest.mark.parametrize(
    ("text", "parts"),
    [
        ("", ("no people", "15 fields")),
        (LINE.replace(",", ";"), ("line 1", "1 of 15 fields", "is the separator a comma?")),
        (LINE + ", 1", ("16 of 15 fields",)),
        (", ".join([*COLUMNS, "income"]), ("line 1", "age is 'age'", "without a header")),
        (spoilt("age", "thirty"), ("line 1", "age is 'thirty'", "whole number from 0 to 120")),
        (spoilt("age", "39.5"), ("age is '39.5'",)),
        (spoilt("age", "-1"), ("age is '-1'",)),
        (spoilt("education-num", "17"), ("education-num is '17'", "from 1 to 16")),
        (spoilt("hours-per-week", "200"), ("hours-per-week is '200'", "from 0 to 168")),
        (spoilt("fnlwgt", "9" * 30), ("fnlwgt is '999",)),
        (spoilt("race", ""), ("race is empty", "write ? for a missing answer")),
        (spoilt("income", "50000"), ("the income is '50000'", "<=50K or >50K")),
    ],
)
def test_every_fault_is_named_with_its_place(text: str, parts: tuple[str, ...]) -> None:
    with pytest.raises(ValueError, match=r"adult\.data") as caught:
        parse_people(raw(text))
    for part in parts:
        assert part in str(caught.value)


def test_questions_may_have_an_income_or_none() -> None:
    without = LINE.rpartition(", ")[0]
    people = parse_questions(raw(f"{LINE}\n{without}"))
    assert list(people.columns) == list(COLUMNS)
    assert people.loc[0].tolist() == people.loc[1].tolist()
    with pytest.raises(ValueError, match="3 of 14 fields"):
        parse_questions(raw("1, 2, 3"))


@pytest.mark.parametrize("part", ["train", "test"])
def test_the_sample_has_the_form_of_the_public_files(part: str) -> None:
    raw_sample = raw_file(part, n_train=60, n_test=40, seed=0)
    assert len(parse_people(raw_sample)) == (60 if part == "train" else 40)
    assert raw_sample.content.startswith(b"|1x3 Cross validator") == (part == "test")


def files(*, n_train: int = 60, n_test: int = 40) -> list[RawFile]:
    return [raw_file(part, n_train, n_test, seed=5) for part in ("train", "test")]


def test_ingest_counts_people_and_positives() -> None:
    train, test, card = ingest(*files())
    assert (card["train_rows"], card["test_rows"], card["classes"]) == (60, 40, 2)
    assert card["train_positives"] == (train["income"] == ">50K").sum()
    assert card["test_positives"] == (test["income"] == ">50K").sum()


@pytest.mark.parametrize("spoiled", [0, 1])
def test_a_file_with_one_class_is_refused(spoiled: int) -> None:
    both = files()
    both[spoiled] = raw(both[spoiled].content.replace(b">50K", b"<=50K"), "own.csv")
    with pytest.raises(ValueError, match=r"own\.csv: found \d+ of <=50K and 0 of >50K; expected at least"):
        ingest(*both)


def test_dev_is_cut_from_train_in_the_shares_of_the_classes_whatever_test_is(settings: Any) -> None:
    train_frame, test_frame, _ = ingest(*files(n_train=2000, n_test=300))
    train, dev, test, card = split(train_frame, test_frame, settings("split"))
    assert sorted([*train["id"], *dev["id"]]) == train_frame["id"].tolist()
    assert test["id"].tolist() == test_frame["id"].tolist()
    assert dev["label"].mean() == pytest.approx(train["label"].mean(), abs=0.002)
    assert len(dev) == pytest.approx(300, abs=1)
    assert (
        split(train_frame, test_frame, settings("split", seed=1))[3]["dev_fingerprint"]
        != card["dev_fingerprint"]
    )
    part = split(train_frame, test_frame.head(10), settings("split"))
    pd.testing.assert_frame_equal(part[1], dev)


def test_equal_people_are_kept_and_counted(settings: Any) -> None:
    train_frame, test_frame, _ = ingest(*files())
    twice = pd.concat([train_frame, train_frame.head(2).assign(id=[901, 902])], ignore_index=True)
    copied = train_frame.head(3).assign(id=[801, 802, 803], fnlwgt=[1, 2, train_frame["fnlwgt"].iloc[2]])
    test = pd.concat([test_frame, copied], ignore_index=True)
    train, dev, marked, card = split(twice, test, settings("split"))
    assert len(train) + len(dev) == 62 and len(marked) == 43
    assert card["repeated_rows_in_train"] == 2
    assert card["test_rows_that_stand_in_train"] == 1
    assert card["test_with_equal_answers_in_train"] == marked["twin"].sum() == 3
    assert marked["id"][marked["twin"]].tolist() == [801, 802, 803]


@pytest.mark.real_data
def test_the_public_files_are_read(adult: Path, settings: Any) -> None:
    public = [RawFile(name, (adult / name).read_bytes()) for name in ("adult.data", "adult.test")]
    train_frame, test_frame, card = ingest(*public)
    assert (card["train_rows"], card["test_rows"]) == (32_561, 16_281)
    assert (card["train_positives"], card["test_positives"]) == (7_841, 3_846)
    card = split(train_frame, test_frame, settings("split"))[3]
    assert card["train_rows"] + card["dev_rows"] == 32_561 and card["test_rows_that_stand_in_train"] == 23
