"""What a user types: read where it can be, and refused by name where it cannot."""

from __future__ import annotations

import base64
import time
from pathlib import Path

import numpy as np
import pytest

from etudes.forms.pictures import png_bytes, read_picture
from etudes.forms.raw import RawFile
from etudes.serving.ask import short_name
from etudes.serving.pictures import picture_file
from etudes.serving.questions import (
    LARGEST_FILE,
    LARGEST_SEED,
    read_file,
    read_table,
    seed_of,
    text_or_file,
)


@pytest.mark.parametrize("value", [0, 7, "7", 7.0, np.int64(7), LARGEST_SEED])
def test_a_whole_number_is_a_seed(value: object) -> None:
    assert seed_of(value, "seed") == int(value)  # type: ignore[call-overload]


@pytest.mark.parametrize(
    "value", [-1, LARGEST_SEED + 1, 0.5, "x", "", None, True, float("inf"), 10**400, [7]]
)
def test_anything_else_is_no_seed(value: object) -> None:
    with pytest.raises(
        ValueError, match=f"^the seed is .*; expected a whole number from 0 to {LARGEST_SEED}"
    ):
        seed_of(value, "the seed")


def test_a_file_that_is_too_large_is_refused_before_it_is_read(tmp_path: Path) -> None:
    path = tmp_path / "part.png"
    with path.open("wb") as file:
        file.truncate(LARGEST_FILE + 1)
    with pytest.raises(ValueError, match=r"part\.png: 50,000,001 bytes are too many"):
        read_file(str(path), "a file")


@pytest.mark.parametrize("name", ["nothing.png", ".", "a\0b", "~nobody-of-that-name/x", "a" * 5000])
def test_what_is_no_file_is_refused(name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    with pytest.raises(ValueError, match=r"(no such file|cannot be read .*); expected a list"):
        read_file(name, "a list")


def test_a_text_may_lie_in_a_file(tmp_path: Path) -> None:
    path = tmp_path / "a plot.txt"
    path.write_text("A wolf returns.", encoding="utf-8-sig")
    assert text_or_file(str(path)) == "A wolf returns."
    assert text_or_file("He wrote wolf.txt") == "He wrote wolf.txt"
    for absent in ("wolf.txt", "WOLF.TXT", "~/a wolf that is absent.txt"):
        with pytest.raises(ValueError, match=r"(?i)wolf.*\.txt: no such file; expected a UTF-8 text file"):
            text_or_file(absent)


def test_a_file_that_is_no_text_is_not_taken_for_one(tmp_path: Path) -> None:
    (tmp_path / "plot.docx").write_bytes(b"PK\3\4")
    with pytest.raises(ValueError, match=r"plot\.docx is a file; expected one that ends in \.txt"):
        text_or_file(str(tmp_path / "plot.docx"))
    (tmp_path / "plot.txt").write_bytes("A café.".encode("cp1252"))
    with pytest.raises(ValueError, match=r"plot\.txt, line 1: byte 0xe9 is not UTF-8"):
        text_or_file(str(tmp_path / "plot.txt"))


def test_lines_of_a_text_end_alike_wherever_it_comes_from(tmp_path: Path) -> None:
    (tmp_path / "PROMPT.TXT").write_bytes(b"\xef\xbb\xbfThe cat\r\nand\rthe dog")
    for text in (str(tmp_path / "PROMPT.TXT"), "The cat\r\nand\rthe dog"):
        assert text_or_file(text) == "The cat\nand\nthe dog"


def test_cells_of_a_table_are_texts_without_spaces_around_them() -> None:
    frame = read_table(RawFile("people.csv", b'\xef\xbb\xbfage, work , note\n 07, NA,\n8,a b, "x, y"\n'))
    assert frame.to_dict("list") == {"age": ["07", "8"], "work": ["NA", "a b"], "note": ["", "x, y"]}


@pytest.mark.parametrize(
    "content",
    [
        b"a,b\r\n1,x y\r\n",
        b"a,b\r1,x y\r",
        b"\xef\xbb\xbfa;b\n1;x y\n",
        b"a\tb\n1\tx y",
    ],
)
def test_a_table_is_the_same_whatever_it_was_saved_with(content: bytes) -> None:
    assert read_table(RawFile("t.csv", content)).to_dict("list") == {"a": ["1"], "b": ["x y"]}


@pytest.mark.parametrize("shape", [(60_000, 1), (1, 60_000), (1_000_000, 1)])
def test_a_long_thin_picture_is_refused_at_once(shape: tuple[int, int], tmp_path: Path) -> None:
    path = tmp_path / "thin.png"
    path.write_bytes(png_bytes(np.zeros(shape, np.uint8)))
    before = time.process_time()
    for sent in (path.read_bytes(), base64.b64encode(path.read_bytes()).decode()):
        with pytest.raises(
            ValueError, match=r"image in row 0: .* pixels; expected a picture at most 100 times"
        ):
            read_picture(picture_file(sent, "image in row 0"), size=256, crop=224)
    assert time.process_time() - before < 0.5


@pytest.mark.parametrize(
    ("text", "name"),
    [
        ("7", "7"),
        ("../parts/my part.01.png", "my-part-01"),
        ('{"seed": 7, "label": 3}', "seed-7-label-3"),
        ("[0, 1.4]", "0-1-4"),
        ("§", "answer"),
        ("word " * 30, "-".join(["word"] * 8)),
    ],
)
def test_an_answers_file_is_named_after_the_question(text: str, name: str) -> None:
    assert short_name(text) == name
