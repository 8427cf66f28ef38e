"""What a user's columns may hold: everything else is refused, with its column and row."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
import pytest

from etudes.forms.pictures import png_bytes
from etudes.forms.raw import RawFile
from etudes.serving.columns import Column, as_frame, checked

COLUMNS = (
    Column("prompt", "text"),
    Column("temperature", "number", required=False, default=1.0, low=0),
    Column("seed", "whole", required=False, low=0, high=9),
    Column("colour", "text", required=False, choices=("red", "green")),
    Column("points", "json", required=False),
)


def read(**cells: Any) -> pd.Series:
    """One row, as it is after the check."""
    columns = {name: pd.Series([cell], dtype=object) for name, cell in ({"prompt": "a"} | cells).items()}
    return checked(pd.DataFrame(columns), COLUMNS).iloc[0]


@pytest.mark.parametrize(
    ("column", "cell", "value"),
    [
        ("prompt", " a\r\nb ", " a\nb "),
        ("temperature", "0.5", 0.5),
        ("temperature", " 1e-1 ", 0.1),
        ("temperature", 2, 2.0),
        ("temperature", np.float32(0.25), 0.25),
        ("temperature", "", 1.0),
        ("temperature", None, 1.0),
        ("seed", "7", 7),
        ("seed", 7.0, 7),
        ("seed", "7.0", 7),
        ("seed", np.int64(7), 7),
        ("colour", " red ", "red"),
        ("points", "[1, 2]", [1, 2]),
        ("points", np.array([1, 2]), [1, 2]),
        ("points", {"a": 1}, {"a": 1}),
    ],
)
def test_what_is_meant_without_doubt_is_taken(column: str, cell: Any, value: Any) -> None:
    assert read(**{column: cell})[column] == value


@pytest.mark.parametrize(
    ("column", "cell"),
    [
        ("prompt", ["a"]),
        ("prompt", 5),
        ("prompt", True),
        ("prompt", b"a"),
        ("prompt", "\ud800"),
        ("temperature", True),
        ("temperature", np.True_),
        ("temperature", [0.5]),
        ("temperature", "half"),
        ("temperature", "nan"),
        ("temperature", "1_000"),
        ("temperature", "0x1"),
        ("temperature", float("inf")),
        ("temperature", "1e999"),
        ("temperature", -0.1),
        ("temperature", 10**400),
        ("seed", 1.5),
        ("seed", "1.5"),
        ("seed", 10),
        ("seed", True),
        ("seed", 2**53 + 2.0),
        ("colour", "blue"),
        ("points", 5),
        ("points", "[1"),
    ],
)
def test_anything_else_is_refused_with_column_and_row(column: str, cell: Any) -> None:
    with pytest.raises(ValueError, match=f"^{column} in row 0 is .*; expected "):
        read(**{column: cell})


@pytest.mark.parametrize("cell", ["", "\ufeff", None, float("nan"), pd.NA])
def test_an_empty_cell_of_a_required_column_is_refused(cell: Any) -> None:
    with pytest.raises(ValueError, match="prompt in row 0 is empty; expected a text"):
        read(prompt=cell)


def test_a_required_column_with_a_default_may_have_empty_cells() -> None:
    work = Column("work", "text", default="?")
    assert checked(pd.DataFrame({"work": ["", None, "x"]}), [work])["work"].tolist() == ["?", "?", "x"]
    with pytest.raises(ValueError, match="the column work must be there"):
        checked(pd.DataFrame({"other": [1]}), [work])


def test_spaces_around_a_text_count_unless_it_is_stripped() -> None:
    work = Column("work", "text", default="?", stripped=True)
    assert checked(pd.DataFrame({"work": [" x ", " "]}), [work])["work"].tolist() == ["x", "?"]
    assert read(prompt=" ")["prompt"] == " "


def test_every_declared_column_is_there_in_its_order_and_type() -> None:
    full = checked(pd.DataFrame({"seed": [1, 2], "prompt": ["a", "b"]}, index=[5, 3]), COLUMNS)
    assert full.columns.tolist() == [column.name for column in COLUMNS] and full.index.tolist() == [0, 1]
    assert full.dtypes.astype(str).tolist() == ["str", "float64", "int64", "str", "object"]
    some = checked(pd.DataFrame({"prompt": ["a", "b"], "seed": [1, None]}), COLUMNS)
    assert some["seed"].dtype == "Int64" and some["seed"].isna().tolist() == [False, True]
    assert some["colour"].isna().all() and some["points"].isna().all()


@pytest.mark.parametrize(
    ("frame", "message"),
    [
        (pd.DataFrame({"promt": ["a"]}), r"there is no column 'promt' \(did you mean 'prompt'\?\)"),
        (pd.DataFrame({"seed": [1]}), "the column prompt must be there. Expected prompt; optional temperat"),
        (pd.DataFrame([["a", "b"]], columns=["prompt", "prompt"]), "the column prompt is there twice"),
        (pd.DataFrame({"prompt": []}), "there are no rows"),
        (pd.DataFrame({"prompt": ["a"], 0: ["b"]}), "there is no column '0'"),
        (pd.DataFrame({"prompt": ["a"] * 9, "seed": [-1] * 9}), "seed in row 4 is -1.*; and 4 more$"),
        (pd.DataFrame({"prompt": ["a"], "colour": ["gren"]}), r"is 'gren' \(did you mean 'green'\?\)"),
    ],
)
def test_a_frame_of_another_form_is_refused_by_name(frame: pd.DataFrame, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        checked(frame, COLUMNS)


def test_a_picture_is_a_file_of_bytes_or_base64() -> None:
    import base64

    png = png_bytes(np.zeros((2, 2, 3), dtype=np.uint8))
    cells = [png, base64.b64encode(png).decode(), RawFile("part.png", png)]
    files = checked(pd.DataFrame({"image": cells}), [Column("image", "picture")])["image"]
    assert [file.content for file in files] == [png] * 3
    assert [file.name for file in files] == ["image in row 0", "image in row 1", "part.png"]
    with pytest.raises(ValueError, match="image in row 0: found int, expected the bytes"):
        checked(pd.DataFrame({"image": [5]}), [Column("image", "picture")])


def test_records_columns_and_single_values_are_rows() -> None:
    for data in ({"prompt": "a"}, {"prompt": ["a"]}, [{"prompt": "a"}], {"prompt": np.array(["a"])}):
        assert as_frame(data).to_dict("records") == [{"prompt": "a"}]
    assert as_frame([{"a": True}, {"a": 1}])["a"].tolist() == [True, 1]
    for data in ("a", 5, [1], {"a": [1], "b": [1, 2]}, {"a": [1], "b": 2}, None):
        with pytest.raises(ValueError, match="the input is no table"):
            as_frame(data)
