"""Texts of users: none is refused, and what was not read is said."""

from __future__ import annotations

import pandas as pd
import pytest

from etudes.serving.texts import cut_note, refuse_blank


def test_a_text_of_spaces_is_refused_by_column_and_row() -> None:
    refuse_blank(pd.Series(["a word", "."], name="plot"))
    with pytest.raises(ValueError, match="plot in row 2 is nothing but spaces; expected a text"):
        refuse_blank(pd.Series(["a", "b", " \n\t"], name="plot"))


def test_what_is_read_whole_is_not_called_cut() -> None:
    assert cut_note({"characters": 5, "characters_read": 5}) == []
    assert cut_note({"characters": 1500, "characters_read": 1000}) == [
        "cut: the first 1,000 of 1,500 characters were read"
    ]
