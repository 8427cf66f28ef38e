"""What lies where after a split of pictures in folders of their classes."""

from __future__ import annotations

from typing import Any

import pytest

from etudes.forms.raw import RawFolder
from etudes.samples.dishes import raw_file
from etudes.vision.class_folders import ingest_parts, split
from etudes.vision.parameters import FolderParameters


def settings(**changes: Any) -> FolderParameters:
    usual = {"side": 32, "duplicate_bits": 0, "dev_fraction": 0.2, "test_fraction": 0.25, "seed": 0}
    return FolderParameters(**{**usual, **changes})


def sample(**changes: Any) -> RawFolder:
    return raw_file(
        **{"part": "photographs", "train": 8, "test": 4, "side": 32, "wrong": 0.0, "seed": 0} | changes
    )


def test_pictures_of_the_folder_test_are_tested_on_and_no_others() -> None:
    how = settings(duplicate_bits=0)
    train, dev, test, card = split(ingest_parts(sample(), how)[0], how)
    assert all(name.startswith("test/") for name in test.rows["id"]) and len(test) == 24
    assert not any(name.startswith("test/") for part in (train, dev) for name in part.rows["id"])
    assert (
        (card["train_rows"], card["dev_rows"], card["test_rows"])
        == (len(train), len(dev), len(test))
        == (36, 12, 24)
    )


def test_without_a_folder_test_a_share_of_each_class_is_drawn() -> None:
    whole, how = sample(), settings(duplicate_bits=0, test_fraction=0.25)
    flat = RawFolder("flat", {n.removeprefix("train/"): c for n, c in whole.entries.items() if "train/" in n})
    train, dev, test, _ = split(ingest_parts(flat, how)[0], how)
    assert test.rows.groupby("class").size().tolist() == [2] * 6 and not test.rows["held_back"].any()
    assert len(train) + len(dev) + len(test) == 48


def test_a_training_picture_that_is_nearly_one_of_test_is_dropped() -> None:
    whole, how = sample(), settings(duplicate_bits=2)
    twin = "train/soup/twin.png"
    entries = {**whole.entries, twin: whole.read("test/soup/0001.png").content}
    train, dev, test, card = split(ingest_parts(RawFolder("twins", entries), how)[0], how)
    assert card["dropped_because_in_test"] >= 1 and "test/soup/0001.png" in set(test.rows["id"])
    assert twin not in {*train.rows["id"], *dev.rows["id"]}


def test_a_class_without_pictures_to_test_on_is_refused() -> None:
    whole, how = sample(), settings()
    some = {n: c for n, c in whole.entries.items() if not n.startswith("test/soup")}
    with pytest.raises(ValueError, match="no picture of the class 'soup' is in test"):
        split(ingest_parts(RawFolder("some", some), how)[0], how)
