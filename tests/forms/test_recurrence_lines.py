"""Lines of recurrences: what is read, and what is refused by name."""

from __future__ import annotations

import pytest

from etudes.forms.raw import RawFile
from etudes.forms.recurrences import parse_recurrences
from etudes.samples import recurrences

GOOD = b"next_probability 0.1\n3;1 1;0 1;1 2 0 2\n3;2 0;1 1;2 1 2 1\n"


def test_parser_gives_what_was_drawn() -> None:
    frame, probability = parse_recurrences(recurrences.raw_file("sequences", [3, 5], 200, 17, 0.1, seed=3))
    assert probability == 0.1 and sorted(frame["modulus"].unique()) == [3, 5] and len(frame) == 400
    assert all(len(tokens) == 17 for tokens in frame["tokens"])
    small, _ = parse_recurrences(RawFile("mine.txt", GOOD))
    assert small[["a", "b", "start_0", "start_1"]].iloc[0].tolist() == [1, 1, 0, 1]
    assert small["tokens"][1].tolist() == [2, 1, 2, 1]


@pytest.mark.parametrize(
    ("content", "parts"),
    [
        (b"", ("line 1", "next_probability Q")),
        (b"next_probability 2\n", ("line 1", "0 < Q < 1")),
        (b"next_probability 0.1\n", ("holds no sequences",)),
        (GOOD + b"3;1 1;0 1\n", ("line 4", "modulus;a b;x x;x0")),
        (GOOD + b"3;1 1;0 1;1 2 x 2\n", ("line 4", "1 2 x 2")),
        (GOOD + b"3;1 1;0 1;1 2 0 3\n", ("line 4", "from 0 to modulus - 1")),
        (GOOD + b"3;1 1;0 1;1 2 0\n", ("line 4", "3 tokens; expected 4 as in line 2")),
        (GOOD + b"3;1 1;0 1;1 2 1 2\n", ("line 4", "token 2 is 1; expected 0")),
        (b"next_probability 0.1\n3;1 1;0 1;1 2 \xff 2\n", ("line 2", "0xff", "not UTF-8")),
    ],
)
def test_faulty_recurrences_are_named(content: bytes, parts: tuple[str, ...]) -> None:
    with pytest.raises(ValueError, match=r"mine\.txt") as caught:
        parse_recurrences(RawFile("mine.txt", content))
    assert all(part in str(caught.value) for part in parts), caught.value
