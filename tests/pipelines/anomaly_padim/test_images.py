"""Pictures in the layout of MVTec AD: what is read, and what is refused by name."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from etudes.examples import Examples
from etudes.forms.pictures import png_bytes
from etudes.forms.raw import RawFolder
from etudes.pipelines.anomaly_padim import nodes

Entries = dict[str, Any]
Settings = Callable[..., Any]


@pytest.fixture
def entries(folder: RawFolder) -> Entries:
    return dict(folder.entries)


def ingest(entries: Entries, parameters: Any) -> tuple[Examples, Examples, dict[str, Any]]:
    return nodes.ingest(RawFolder("made", entries, {}), parameters)


def test_all_pictures_are_read_with_their_masks(folder: RawFolder, settings: Settings) -> None:
    train, test, card = nodes.ingest(folder, settings("images"))
    assert len(train) == 2 * 16 and len(test) == 2 * (8 + 4 * 4)
    assert train["pixels"].shape == (32, 64, 64, 3) and train["pixels"].dtype == np.uint8
    assert set(train.rows["kind"]) == {"good"} and not train.rows["defective"].any()
    assert test.rows["defective"].tolist() == test["masks"].any((1, 2)).tolist()
    assert test.rows["id"][0] == "fabric/test/good/000" or "fabric/test/" in test.rows["id"][0]
    assert card["embedded_sample"] and card["categories"] == ["fabric", "board"]
    assert card["kinds"]["board"] == {"good": 8, "misplaced": 4, "missing_pad": 4, "scratch": 4, "spot": 4}


def test_one_category_can_be_chosen_and_pictures_are_resized_and_cut(
    folder: RawFolder, settings: Settings
) -> None:
    train, test, card = nodes.ingest(folder, settings("images", categories=["board"], resize=48, crop=32))
    assert set(train.rows["category"]) == {"board"}
    assert train["pixels"].shape[1:] == (32, 32, 3) and test["masks"].shape[1:] == (32, 32)
    assert card["train_rows"] == 16


def test_the_fingerprint_follows_pictures_and_masks(entries: Entries, settings: Settings) -> None:
    before = ingest(entries, settings("images"))[2]["fingerprint"]
    assert ingest(entries, settings("images"))[2]["fingerprint"] == before
    mask = np.zeros((64, 64), dtype=np.uint8)
    mask[3:9, 3:9] = 255
    entries["board/ground_truth/spot/000_mask.png"] = png_bytes(mask)
    assert ingest(entries, settings("images"))[2]["fingerprint"] != before


def test_other_files_beside_the_pictures_are_left_alone(entries: Entries, settings: Settings) -> None:
    entries["board/license.txt"] = b"terms"
    assert len(ingest(entries, settings("images"))[0]) == 32


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
def test_a_fault_is_named_with_its_file(entries: Entries, settings: Settings, case: str) -> None:
    spoil, message = CASES[case]
    spoil(entries)
    with pytest.raises(ValueError, match=message):
        ingest(entries, settings("images"))


def test_a_truncated_picture_is_refused(entries: Entries, settings: Settings) -> None:
    entries["fabric/test/good/000.png"] = entries["fabric/test/good/000.png"][:900]
    with pytest.raises(
        ValueError, match=r"fabric/test/good/000\.png: no picture can be read from its 900 bytes"
    ):
        ingest(entries, settings("images"))


def test_parameters_that_make_no_sense_are_refused(settings: Settings) -> None:
    for changes in ({"crop": 80}, {"categories": []}, {"categories": ["a/b"]}, {"categories": ["a", "a"]}):
        with pytest.raises(ValueError, match="images"):
            settings("images", **changes)


def split(train: Examples, test: Examples, settings: Settings, **changes: Any) -> tuple[Any, ...]:
    return nodes.split(train, test, settings("split", **changes))


def test_halves_are_stratified_disjoint_and_seeded(folder: RawFolder, settings: Settings) -> None:
    train, test, _ = nodes.ingest(folder, settings("images"))
    kept, dev, half, card = split(train, test, settings)
    assert len(kept) == len(train)
    counts = dev.rows.groupby(["category", "kind"]).size()
    assert set(counts) == {2, 4} and counts.equals(half.rows.groupby(["category", "kind"]).size())
    assert not set(dev.rows["id"]) & set(half.rows["id"])
    assert set(dev.rows["id"]) | set(half.rows["id"]) == set(test.rows["id"])
    again = split(train, test, settings)
    other = split(train, test, settings, seed=1)
    assert again[3] == card and other[3]["dev_fingerprint"] != card["dev_fingerprint"]
    folds = dev.rows.groupby(["category", "defective"])["fold"].value_counts()
    assert folds.min() >= 2, "both folds have good and defective pictures of each category"
    assert dev["masks"].any((1, 2)).tolist() == dev.rows["defective"].tolist()


def with_pixels(examples: Examples, target: int, source: np.ndarray) -> Examples:
    pixels = np.array(examples["pixels"])
    pixels[target] = source
    return Examples(examples.rows, {**examples.arrays, "pixels": pixels})


def test_training_pictures_that_repeat_or_stand_in_test_are_dropped(
    folder: RawFolder, settings: Settings
) -> None:
    train, test, _ = nodes.ingest(folder, settings("images"))
    train = with_pixels(train, 3, train["pixels"][5])
    train = with_pixels(train, 7, test["pixels"][0])
    kept, _, _, card = split(train, test, settings)
    assert card["dropped_because_repeated"] == card["dropped_because_in_test"] == 1
    assert {train.rows["id"][5], train.rows["id"][7]} == set(train.rows["id"]) - set(kept.rows["id"])


def test_equal_test_pictures_go_to_the_same_half(folder: RawFolder, settings: Settings) -> None:
    train, test, _ = nodes.ingest(folder, settings("images"))
    good = np.flatnonzero((test.rows["kind"] == "good") & (test.rows["category"] == "board"))
    for seed in range(4):
        repeated = with_pixels(test, good[5], test["pixels"][good[2]])
        _, dev, _, _ = split(train, repeated, settings, seed=seed)
        pair = {test.rows["id"][good[2]], test.rows["id"][good[5]]}
        assert len(pair & set(dev.rows["id"])) in (0, 2)


def test_a_half_without_enough_pictures_is_named(folder: RawFolder, settings: Settings) -> None:
    train, test, _ = nodes.ingest(folder, settings("images"))
    with pytest.raises(
        ValueError, match=r"fabric: dev has 0 good and 0 defective .* change split\.dev_fraction"
    ):
        split(train, test, settings, dev_fraction=0.05)
    kinds = test.rows["kind"].where(~test.rows["defective"], test.rows["id"])
    single = Examples(test.rows.assign(kind=kinds), test.arrays)  # every defect a kind of its own
    with pytest.raises(ValueError, match="dev has 4 good and 0 defective"):
        split(train, single, settings)


def test_training_pictures_that_are_all_the_same_are_refused(folder: RawFolder, settings: Settings) -> None:
    train, test, _ = nodes.ingest(folder, settings("images"))
    pixels = np.array(train["pixels"])
    pixels[:16] = pixels[0]
    same = Examples(train.rows, {"pixels": pixels})
    with pytest.raises(ValueError, match="fabric: 1 training pictures are left"):
        split(same, test, settings)
