"""The alphabet, windows, and a text cut in three parts."""

from __future__ import annotations

import os
from pathlib import Path

import numpy as np
import pytest

from etudes.datasets import RawFileDataset
from etudes.forms.raw import RawFile
from etudes.samples import prose
from etudes.text.characters import UNKNOWN, Alphabet, cut_text, parse_text, stream, windows


@pytest.mark.parametrize(
    ("content", "part"),
    [
        (b"", "holds no text"),
        (b" \n\n", "holds no text"),
        (b"caf\xe9", "line 1: byte 0xe9 is not UTF-8"),
        (b"a\nb\0c", "line 2: holds a zero byte"),
    ],
)
def test_faulty_text_is_named(content: bytes, part: str) -> None:
    with pytest.raises(ValueError, match=part):
        parse_text(RawFile("mine.txt", content))


def test_text_keeps_its_lines_whatever_ends_them() -> None:
    assert parse_text(RawFile("mine.txt", "\ufeffOne\r\ntwo\n\nthree".encode())) == "One\ntwo\n\nthree"


def test_alphabet_goes_there_and_back() -> None:
    alphabet = Alphabet.of("hello\n")
    assert alphabet.characters == [UNKNOWN, "\n", "e", "h", "l", "o"]
    assert alphabet.decode(alphabet.encode("hello\n")) == "hello\n"
    assert alphabet.encode("hex").tolist() == [3, 2, 0]
    with pytest.raises(ValueError, match="starts with"):
        Alphabet(["a"])


def test_windows_predict_every_id_once() -> None:
    ids = np.arange(23)
    cut = windows(ids, 5)
    assert cut.shape == (4, 6)
    np.testing.assert_array_equal(cut[:, 1:].ravel(), np.arange(1, 21))
    np.testing.assert_array_equal(stream(cut), np.arange(21))


def test_parts_follow_each_other_and_share_no_character() -> None:
    text = prose.raw_file("text", 4000).content.decode()
    *splits, card = cut_text(text, 16, 0.1, 0.1)
    alphabet, counts = Alphabet(card["alphabet"]), card["characters"]
    train, dev, test = (alphabet.decode(stream(np.asarray(split["tokens"]))) for split in splits)
    assert sum(counts.values()) == len(text) and counts["dev"] == counts["test"] == 400
    assert text.startswith(train) and text[counts["train"] :].startswith(dev)
    known = "".join(c if c in alphabet.ids else UNKNOWN for c in text)
    assert known[counts["train"] + counts["dev"] :].startswith(test)
    assert set(alphabet.characters[1:]) == set(text[: counts["train"]])
    changed = cut_text(text[:-500] + "#" * 500, 16, 0.1, 0.1)[3]
    assert changed["dev_fingerprint"] != card["dev_fingerprint"]


def test_too_short_a_text_is_refused() -> None:
    with pytest.raises(ValueError, match=r"of which dev 10, test 10; expected more than text\.context = 16"):
        cut_text("too short " * 10, 16, 0.1, 0.1)


@pytest.mark.real_data
def test_tiny_shakespeare_is_read_and_cut() -> None:
    folder = Path(os.environ.get("ETUDES_RAW", ""))
    if not (folder / "tiny_shakespeare" / "input.txt").exists():
        pytest.skip("needs the public data: set ETUDES_RAW to a folder that holds tiny_shakespeare")
    raw = RawFileDataset(source="tiny_shakespeare", file="input.txt", raw=str(folder)).load()
    text = parse_text(raw)
    assert len(text) == 1_115_394 and text.count("\n") == 40_000
    train, _, _, card = cut_text(text, 128, 0.05, 0.05)
    assert 60 < len(card["alphabet"]) <= 66
    assert Alphabet(card["alphabet"]).decode(train["tokens"][0][:14]) == "First Citizen:"
