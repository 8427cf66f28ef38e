"""Tables whose columns are called otherwise, and whose cells are empty."""

from __future__ import annotations

import pytest

from etudes.benches import tables
from etudes.benches.parameters import TableFormParameters
from etudes.forms.raw import RawFile

TEXT = "kind,where,length,width\nx,NA,1.5,2\ny,home,NA,3\nz,home,2.5,4\nNA,home,2.5,4\n"


def read(text: str, **changed: object) -> tuple[tables.Frame, int]:
    form = {"label": "kind", "leave_out": ["where"], "missing": ["NA"], **changed}
    return tables.read(RawFile("own.csv", text.encode()), TableFormParameters.model_validate(form))


def test_rows_with_an_empty_cell_in_a_column_that_is_read_are_left_out_and_counted() -> None:
    frame, left_out = read(TEXT)
    assert frame.to_dict("list") == {"id": [1, 3], "length": [1.5, 2.5], "width": [2, 4], "class": ["x", "z"]}
    assert left_out == 2


@pytest.mark.parametrize(
    ("text", "changed", "said"),
    [
        (TEXT, {"missing": []}, r"own\.csv: 1 of 4 rows cannot be read\.\n  row 2: length is 'NA'"),
        (TEXT, {"label": "species"}, r"own\.csv: the header has no column 'species', found kind, where"),
        (TEXT, {"leave_out": ["where", "sex"]}, r"own\.csv: the header has no column 'sex' to leave out"),
        ("kind,where,length\nx,home,NA\n", {}, r"own\.csv: every row has an empty cell; expected two"),
        ("kind,where,length\nx,home,NA,5\ny,home,3\n", {}, r"row 1: 4 fields, expected 3"),
    ],
)
def test_what_is_no_table_of_the_form_is_refused(text: str, changed: dict, said: str) -> None:
    with pytest.raises(ValueError, match=said):
        read(text, **changed)
