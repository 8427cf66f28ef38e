"""Delimited files of labelled texts: what is read, and one message for what is wrong."""

from __future__ import annotations

import csv

import pytest

from etudes.forms.raw import RawFile
from etudes.forms.texts import read_labelled_texts, read_rows

GOOD = 'ban\ttext\tnote\n0\tfine words\tx\n\n1\t"two\nlines, ""quoted"""\ty\n'


def read(text: str, separator: str = "\t") -> list[tuple[int, str, int]]:
    raw = RawFile("talk.tsv", text.encode())
    frame = read_labelled_texts(raw, "ban", "text", ("0", "1"), separator)
    return list(frame.itertuples(index=False, name=None))


def test_a_file_without_a_header_is_read_by_the_names_that_are_given() -> None:
    raw = RawFile("talk.tsv", b"fine words\t0\nrude words\t1\n")
    frame = read_labelled_texts(raw, "ban", "text", ("0", "1"), columns=("text", "ban"))
    assert list(frame.itertuples(index=False, name=None)) == [(1, "fine words", 0), (2, "rude words", 1)]
    with pytest.raises(ValueError, match=r"talk\.tsv: the setting `columns` has no column 'ban'"):
        read_labelled_texts(raw, "ban", "text", ("0", "1"), columns=("text", "label"))


def test_quoted_fields_hold_line_ends_and_quotes() -> None:
    assert read(GOOD) == [(1, "fine words", 0), (2, 'two\nlines, "quoted"', 1)]


def test_a_text_of_a_hundred_thousand_words_is_read_and_the_limit_put_back() -> None:
    before = csv.field_size_limit()
    rows = read(f"ban,text\n0,fine\n1,{'word ' * 100_000}\n", ",")
    assert len(rows[1][1]) == 500_000 and csv.field_size_limit() == before


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("", "no column 'ban'"),
        (GOOD.replace("\t", ","), r"no column 'ban', found 'ban,text,note'.*check names and separator"),
        (GOOD.replace("1\t", "2\t"), r"row 2 \(line 5\): the label '2', expected 0 or 1"),
        (GOOD.replace("fine words", "  "), r"row 1 \(line 2\): the text is empty"),
        (GOOD + "1\tonly this\n", r"row 3 \(line 6\): 2 fields, expected 3"),
        (GOOD.replace("1\t", "0\t"), "all rows have the label 0"),
        ("ban\ttext\n", "there are no rows"),
        (GOOD + '1\t"never closed\n', r", line \d+: .*quotes"),
        (GOOD.replace("note", "text"), "the column 'text' 2 times; expected it once"),
    ],
)
def test_what_is_wrong_is_named_with_its_place(text: str, told: str) -> None:
    with pytest.raises(ValueError, match=rf"(?s)^talk\.tsv.*{told}"):
        read(text)


def test_rows_are_what_is_made_of_them_and_all_that_is_wrong_is_said_at_once() -> None:
    def parse(row: dict[str, str]) -> dict[str, int]:
        return {"pay": int(row["pay"])}

    good = RawFile("jobs.csv", b"note,pay\nx,5\n\ny,6\n")
    assert read_rows(good, ["pay"], parse) == [{"id": 1, "pay": 5}, {"id": 2, "pay": 6}]
    wrong = RawFile("jobs.csv", b"note,pay\n" + b"x,much\n" * 7 + b"x\n")
    with pytest.raises(
        ValueError, match=r"(?s)jobs\.csv: 8 rows cannot.*row 1 \(line 2\): invalid.*and 3 more"
    ):
        read_rows(wrong, ["pay"], parse)
    with pytest.raises(ValueError, match=r"no column 'place', found 'note', 'pay'.*place, pay with ','"):
        read_rows(good, ["place", "pay"], parse)
