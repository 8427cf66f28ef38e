"""The embedded digits: the same pictures for the same seed, in the form of the public files."""

from __future__ import annotations

import numpy as np
import pytest

from digit_toys import PARTS, raw_files
from etudes.forms.idx import read_idx
from etudes.samples.digit_files import raw_file


def test_the_seed_decides_the_parts() -> None:
    first, again, other = raw_files(seed=1), raw_files(seed=1), raw_files(seed=2)
    assert all(first[part].content == again[part].content for part in PARTS)
    assert first["train_images"].content != other["train_images"].content


def test_no_picture_is_in_both_parts_and_digits_have_equal_shares() -> None:
    files = raw_files(n_train=1297, n_test=500)
    train, test = (read_idx(files[f"{part}_images"], 3) for part in ("train", "test"))
    keys = [{picture.tobytes() for picture in pictures} for pictures in (train, test)]
    assert len(keys[0]) == 1297 and not keys[0] & keys[1]
    assert np.bincount(read_idx(files["test_labels"], 1)).tolist() == [50] * 10


def test_pictures_are_enlarged_and_use_the_whole_range() -> None:
    pictures = read_idx(raw_files(side=16)["train_images"], 3)
    assert pictures.shape == (100, 16, 16) and pictures.min() == 0 and pictures.max() == 255


def test_labels_are_those_of_scikit_learn() -> None:
    from sklearn.datasets import load_digits

    digits = load_digits()
    known = {
        np.round(picture * 255 / 16).astype(np.uint8).tobytes(): label
        for picture, label in zip(digits.images, digits.target, strict=True)
    }
    files = raw_files()
    pictures, labels = read_idx(files["train_images"], 3), read_idx(files["train_labels"], 1)
    assert all(known[picture.tobytes()] == label for picture, label in zip(pictures, labels, strict=True))


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"part": "images"}, "part = 'images'"),
        ({"n_train": 1700}, "1,797 in all"),
        ({"n_test": 0}, "at least 1 each"),
        ({"side": 12}, "multiple of 8"),
    ],
)
def test_impossible_wishes_are_refused(change: dict[str, object], message: str) -> None:
    wish = {"part": "train_images", "n_train": 10, "n_test": 100, "side": 8, "seed": 0, **change}
    with pytest.raises(ValueError, match=message):
        raw_file(**wish)  # type: ignore[arg-type]
