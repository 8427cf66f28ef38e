"""What a table must look like, and what is said of one that does not."""

from __future__ import annotations

import pytest

from etudes.forms.raw import RawFile
from etudes.pipelines.{{ cookiecutter.pipeline_name }}.table import (
    measurements_of,
    parse_questions,
    parse_table,
)


def raw(text: str) -> RawFile:
    return RawFile("table.csv", text.encode())


def test_rows_keep_their_numbers_measurements_and_labels() -> None:
    frame = parse_table(raw("﻿width, label, height\r\n1.5, oak, 20\r\n\r\n2, elm, 3e1\r\n"))
    assert frame.to_dict("list") == {
        "id": [1, 2],
        "width": [1.5, 2.0],
        "height": [20.0, 30.0],
        "label": ["oak", "elm"],
    }
    assert measurements_of(frame) == ["width", "height"]


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("width,label\n", "no rows"),
        ("width,kind\n1,oak\n", "no column 'label', found width, kind"),
        ("width,width,label\n1,2,oak\n", "each once.*'width'"),
        ("id,label\n1,oak\n", "none of them id or target; found 'id'"),
        (
            "width,label\n1,oak\nwide,elm\n",
            "1 of 2 rows.*\n  row 2: width is 'wide', expected a finite number",
        ),
        ("width,label\nnan,oak\n", "row 1: width is 'nan'"),
        ("width,label\n1,oak,2\n", "row 1: 3 fields, expected 2"),
        ("width,label\n1,\n", "the label is empty in row 1"),
    ],
)
def test_a_wrong_table_is_refused_by_file_and_row(text: str, said: str) -> None:
    with pytest.raises(ValueError, match=rf"(?s)^table\.csv: .*{said}"):
        parse_table(raw(text))


def test_a_file_that_is_not_utf8_is_refused_by_line() -> None:
    with pytest.raises(ValueError, match=r"^table\.csv, line 2: not UTF-8"):
        parse_table(RawFile("table.csv", "width,label\n1,Grün\n".encode("latin-1")))


def test_questions_need_no_label_and_may_have_columns_in_any_order() -> None:
    frame = parse_questions(raw("height,label,width\n20,oak,1\n"), ["width", "height"])
    assert frame.to_dict("list") == {"width": [1.0], "height": [20.0]}
    with pytest.raises(ValueError, match="the header lacks width; found height"):
        parse_questions(raw("height,label\n20,oak\n"), ["width", "height"])
