"""The parser of the census files: every fault is one message that names file, line and what was expected."""

from __future__ import annotations

import pytest

from etudes.forms.raw import RawFile
from etudes.pipelines.income_classification.people import COLUMNS, parse_people, parse_questions
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
        ("|only a comment\n\n", ("no people",)),
        (LINE[:60], ("line 1", "7 of 15 fields")),
        (LINE.replace(",", ";"), ("line 1", "1 of 15 fields", "is the separator a comma?")),
        (LINE + ", 1", ("16 of 15 fields",)),
        (", ".join([*COLUMNS, "income"]), ("line 1", "age is 'age'", "without a header")),
        (spoilt("age", "thirty"), ("line 1", "age is 'thirty'", "whole number from 0 to 120")),
        (spoilt("age", "nan"), ("age is 'nan'",)),
        (spoilt("age", "39.5"), ("age is '39.5'",)),
        (spoilt("age", "?"), ("age is '?'",)),
        (spoilt("age", "-1"), ("age is -1",)),
        (spoilt("education-num", "17"), ("education-num is 17", "from 1 to 16")),
        (spoilt("hours-per-week", "200"), ("hours-per-week is 200", "from 0 to 168")),
        (spoilt("capital-gain", "inf"), ("capital-gain is 'inf'",)),
        (spoilt("fnlwgt", "9" * 30), ("fnlwgt is '999",)),
        (spoilt("race", ""), ("race is empty", "write ? for a missing answer")),
        (spoilt("income", "50000"), ("the income is '50000'", "<=50K or >50K")),
        (spoilt("income", ""), ("the income is ''",)),
    ],
)
def test_every_fault_is_named_with_its_place(text: str, parts: tuple[str, ...]) -> None:
    with pytest.raises(ValueError, match=r"adult\.data") as caught:
        parse_people(raw(text))
    for part in parts:
        assert part in str(caught.value)


def test_only_the_first_faults_are_shown() -> None:
    lines = [LINE, *[spoilt("age", "x")] * 9]
    with pytest.raises(ValueError, match="9 lines cannot be read") as caught:
        parse_people(raw("\n".join(lines)))
    assert str(caught.value).count("age is 'x'") == 5
    assert "line 2:" in str(caught.value) and "and 4 more" in str(caught.value)


def test_another_encoding_is_named_with_line_and_byte() -> None:
    text = f"{LINE}\n{LINE}".encode() + "Curaçao".encode("cp1252")
    with pytest.raises(ValueError, match=r"adult\.data, line 2: byte 0xe7 is not UTF-8"):
        parse_people(raw(text))


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
