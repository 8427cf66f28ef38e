"""Colour photographs in folders of classes: what is refused, how they are split."""

from __future__ import annotations

import io
import os
import zipfile
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest

from etudes.datasets import RawFolderDataset
from etudes.forms.pictures import png_bytes
from etudes.forms.raw import RawFolder
from etudes.samples.scenes import raw_file
from etudes.vision.photographs import ingest_photographs, split_photographs

PILE = {np.zeros((32, 32, 3), np.uint8).tobytes(), np.full((32, 32, 3), 255, np.uint8).tobytes()}
SPLIT = SimpleNamespace(dev_fraction=0.1, seed=0)


@pytest.fixture(scope="module")
def folder() -> RawFolder:
    return raw_file("photographs", train=100, test=20, side=16, seed=7)


def png(side: int = 16, seed: int = 0) -> bytes:
    return png_bytes(np.random.default_rng(seed).integers(0, 256, (side, side, 3), dtype=np.uint8))


def folder_of(**changes: bytes | None) -> RawFolder:
    """Four pictures of each part, and what a test changes; a name is ``part__class__file``."""
    names = [f"{part}__cat__{i}.png" for part in ("train", "test") for i in range(4)]
    entries = {name: png(seed=i) for i, name in enumerate(names)}
    for name, content in changes.items():
        if content is None:
            del entries[name.replace("_png", ".png")]
        else:
            entries[name.replace("_png", ".png")] = content
    return RawFolder("pictures", {name.replace("__", "/"): content for name, content in entries.items()})


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"other__cat__1_png": png()}, r"other/cat/1\.png lies outside the layout; expected <train or test>"),
        ({"train__cat__9_png": png(24)}, "24 x 24 pixels, the others have 16 x 16; expected one size"),
        (
            {"train__cat__9_png": png(18)},
            "18 x 18 pixels; expected a square with a side that is a multiple of 4",
        ),
        ({"train__cat__9_png": png()[:60]}, "train/cat/9.png"),
        ({"test__cat__0_png": None}, "3 pictures in test; expected at least 4"),
        ({"deep__train__cat__0_png": png()}, "there are two pictures train/cat/0.png"),
    ],
)
def test_bad_photographs_are_refused_in_one_message(changes: dict[str, bytes | None], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        ingest_photographs(folder_of(**changes))


def test_an_archive_stands_for_the_pictures_in_it(folder: RawFolder) -> None:
    stream = io.BytesIO()
    with zipfile.ZipFile(stream, "w") as bundle:
        bundle.writestr("index.csv", "split,class\n")
        for name in folder:
            bundle.writestr(f"data/{name}", folder.read(name).content)
    packed, card = ingest_photographs(RawFolder("packed", {"pictures.zip": stream.getvalue()}))
    plain, other = ingest_photographs(folder)
    assert packed.rows.equals(plain.rows) and card["fingerprint"] == other["fingerprint"]
    np.testing.assert_array_equal(packed["pixels"], plain["pixels"])
    with pytest.raises(ValueError, match="expected a whole zip file"):
        ingest_photographs(RawFolder("packed", {"pictures.zip": stream.getvalue()[:900]}))


def test_copies_of_test_pictures_leave_the_training_part() -> None:
    copies = {"train__cat__copy_png": png(seed=4), "train__cat__twice_png": png(seed=0)}
    examples, card = ingest_photographs(folder_of(**copies))
    train, dev, test, found = split_photographs(examples, card, SPLIT)
    assert (found["dropped_because_in_test"], found["dropped_because_repeated"]) == (1, 1)
    assert (len(train) + len(dev), len(test)) == (4, 4) and len(dev) == found["dev_rows"] == 1
    keys = [{picture.tobytes() for picture in part["pixels"]} for part in (train, dev, test)]
    assert not (keys[0] & keys[1] or keys[0] & keys[2] or keys[1] & keys[2])


@pytest.mark.real_data
def test_the_public_photographs_hold_what_they_should() -> None:
    raw = Path(os.environ.get("ETUDES_RAW", ""))
    if not os.environ.get("ETUDES_RAW") or not (raw / "cifar10").is_dir():
        pytest.skip("needs CIFAR-10: set ETUDES_RAW to a folder that holds cifar10")
    files = RawFolderDataset(source="cifar10", suffixes=[".png", ".zip"], raw=str(raw)).load()
    examples, card = ingest_photographs(files)
    assert len(card["classes"]) == 10 and card["side"] == 32
    assert (examples.rows["part"] == "test").sum() >= 2000
    assert not PILE & {picture.tobytes() for picture in examples["pixels"]}, "no picture is blank"
