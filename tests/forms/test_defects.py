"""Pictures in the layout of MVTec AD: what is read, and what is refused by name."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from etudes.examples import Examples
from etudes.forms.defects import read_defects
from etudes.forms.pictures import png_bytes
from etudes.forms.raw import RawFolder
from etudes.samples.textures import raw_file

Entries = dict[str, Any]
SAMPLE = raw_file("images", size=64, train=16, good=8, defective=4, seed=7)


@pytest.fixture
def entries() -> Entries:
    return dict(SAMPLE.entries)


def read(
    entries: Entries, categories: tuple[str, ...] = ("fabric", "board"), resize: int = 64, crop: int = 64
) -> tuple[Examples, Examples, str]:
    return read_defects(RawFolder("made", entries, {}), categories, resize, crop)


def test_all_pictures_are_read_with_their_masks(entries: Entries) -> None:
    train, test, _ = read(entries)
    assert len(train) == 2 * 16 and len(test) == 2 * (8 + 4 * 4)
    assert train["pixels"].shape == (32, 64, 64, 3) and train["pixels"].dtype == np.uint8
    assert set(train.rows["kind"]) == {"good"} and not train.rows["defective"].any()
    assert test.rows["defective"].tolist() == test["masks"].any((1, 2)).tolist()
    assert test.rows["id"][0].startswith("fabric/test/")
    kinds = test.rows[test.rows["category"] == "board"]["kind"].value_counts().to_dict()
    assert kinds == {"good": 8, "misplaced": 4, "missing_pad": 4, "scratch": 4, "spot": 4}


def test_one_category_can_be_chosen_and_pictures_are_resized_and_cut(entries: Entries) -> None:
    train, test, _ = read(entries, ("board",), 48, 32)
    assert set(train.rows["category"]) == {"board"} and len(train) == 16
    assert train["pixels"].shape[1:] == (32, 32, 3) and test["masks"].shape[1:] == (32, 32)


def test_the_fingerprint_follows_pictures_and_masks(entries: Entries) -> None:
    before = read(entries)[2]
    assert read(entries)[2] == before
    mask = np.zeros((64, 64), dtype=np.uint8)
    mask[3:9, 3:9] = 255
    entries["board/ground_truth/spot/000_mask.png"] = png_bytes(mask)
    assert read(entries)[2] != before


def test_other_files_beside_the_pictures_are_left_alone(entries: Entries) -> None:
    entries["board/license.txt"] = b"terms"
    assert len(read(entries)[0]) == 32


def without(entries: Entries, part: str, keep: int = 0) -> None:
    for name in [name for name in sorted(entries) if part in name][keep:]:
        del entries[name]


def replaced(name: str, content: bytes) -> Callable[[Entries], None]:
    def spoil(entries: Entries) -> None:
        assert name in entries
        entries[name] = content

    return spoil


def moved(old: str, new: str) -> Callable[[Entries], None]:
    def spoil(entries: Entries) -> None:
        entries[new] = entries.pop(old)

    return spoil


def removed(*parts: str, keep: int = 0) -> Callable[[Entries], None]:
    def spoil(entries: Entries) -> None:
        for part in parts:
            without(entries, part, keep)

    return spoil


EMPTY = png_bytes(np.zeros((64, 64), dtype=np.uint8))
SMALL = png_bytes(np.full((32, 32), 255, dtype=np.uint8))
CASES: dict[str, tuple[Callable[[Entries], None], str]] = {
    "unknown category": (removed("board/"), "no pictures of the category 'board'; it has fabric"),
    "no training pictures": (removed("board/train/"), "0 pictures in board/train/good; expected at least 2"),
    "one training picture": (removed("board/train/", keep=1), "1 pictures in board/train/good"),
    "no good test pictures": (removed("board/test/good"), "0 good and 16 defective pictures in board/test"),
    "few defective": (
        removed("board/test/m", "board/test/s", "board/ground_truth/"),
        "8 good and 0 defective pictures in board/test; expected at least 4 of both",
    ),
    "missing mask": (
        removed("board/ground_truth/spot/001"),
        r"board/test/spot/001\.png has no mask; expected board/ground_truth/spot/001_mask\.png",
    ),
    "mask of no picture": (
        removed("board/test/spot/001"),
        r"board/ground_truth/spot/001_mask\.png is the mask of no test picture",
    ),
    "empty mask": (
        replaced("board/ground_truth/spot/001_mask.png", EMPTY),
        r"spot/001_mask\.png: the mask is empty",
    ),
    "small mask": (
        replaced("board/ground_truth/spot/001_mask.png", SMALL),
        r"the mask has 32 x 32 pixels, its picture .*spot/001\.png has 64 x 64",
    ),
    "no picture": (replaced("board/train/good/003.png", b"hello"), r"good/003\.png: no picture can be read"),
    "damaged mask": (replaced("board/ground_truth/spot/001_mask.png", b"x"), r"001_mask\.png: no picture"),
    "defects to train on": (
        moved("board/train/good/003.png", "board/train/spot/003.png"),
        r"board/train/spot/003\.png would train on 'spot'",
    ),
    "wrong place": (
        moved("board/train/good/003.png", "board/003.png"),
        r"board/003\.png lies in the wrong place",
    ),
}


@pytest.mark.parametrize("case", CASES)
def test_a_fault_is_named_with_its_file(entries: Entries, case: str) -> None:
    spoil, message = CASES[case]
    spoil(entries)
    with pytest.raises(ValueError, match=message):
        read(entries)


def test_a_truncated_picture_is_refused(entries: Entries) -> None:
    entries["fabric/test/good/000.png"] = entries["fabric/test/good/000.png"][:900]
    with pytest.raises(
        ValueError, match=r"fabric/test/good/000\.png: no picture can be read from its 900 bytes"
    ):
        read(entries)
