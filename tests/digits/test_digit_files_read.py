"""Digits are checked when they come in, split without leaks, and become bits once."""

from __future__ import annotations

import gzip
import os
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from digit_toys import PARTS, SPLIT, made_digits, raw_files
from etudes.digits.files import binarised, ingest, split
from etudes.forms.idx import idx_bytes, read_idx
from etudes.forms.raw import RawFile
from etudes.splits import stratified


def changed(part: str, change: Callable[[np.ndarray], np.ndarray]) -> list[RawFile]:
    files = raw_files()
    raw = files[part]
    values = read_idx(raw, 3 if part.endswith("images") else 1)
    files[part] = RawFile(raw.name, idx_bytes(change(values.copy())), raw.facts)
    return [files[name] for name in PARTS]


def with_value(position: int, value: int) -> Callable[[np.ndarray], np.ndarray]:
    def change(values: np.ndarray) -> np.ndarray:
        values[position] = value
        return values

    return change


FAULTS: dict[str, tuple[str, Callable[[np.ndarray], np.ndarray], str]] = {
    "another count": ("train_labels", lambda v: v[:-1], "holds 100 pictures, .* 99 labels"),
    "no digit": ("train_labels", with_value(3, 11), "label 11 at position 3 .* 0 to 9"),
    "a side that cannot be halved twice": ("train_images", lambda v: v[:, :6, :6], "6 x 6 pixels"),
    "no squares": ("train_images", lambda v: np.repeat(v, 2, axis=1), "16 x 8 pixels"),
    "all alike": ("train_images", lambda v: v * 0, "are alike"),
    "another size in test": (
        "test_images",
        lambda v: np.kron(v, np.ones((1, 2, 2), np.uint8)),
        "expected one size",
    ),
    "a digit too few": (
        "test_labels",
        lambda v: np.where(v == 7, 1, v).astype(np.uint8),
        r"too few pictures of 7 \(0\)",
    ),
}


@pytest.mark.parametrize("case", FAULTS)
def test_wrong_files_are_refused(case: str) -> None:
    part, change, message = FAULTS[case]
    with pytest.raises(ValueError, match=message):
        ingest(*changed(part, change))


def test_pictures_keep_their_labels() -> None:
    files = raw_files()
    train, test, card = ingest(*files.values())
    assert np.array_equal(train.rows["label"], read_idx(files["train_labels"], 1))
    assert np.array_equal(test["pixels"], read_idx(files["test_images"], 3))
    assert card["embedded_sample"] and (card["train_rows"], card["test_rows"], card["side"]) == (100, 40, 8)


def test_packed_and_plain_files_give_the_same_pictures() -> None:
    files = raw_files()
    packed = [RawFile(raw.name, gzip.compress(raw.content), raw.facts) for raw in files.values()]
    for plain, from_gzip in zip(ingest(*files.values())[:2], ingest(*packed)[:2], strict=True):
        assert np.array_equal(plain["pixels"], from_gzip["pixels"])


def test_every_digit_gives_its_share_to_dev_and_nothing_is_in_two_splits() -> None:
    train, test, _ = ingest(*raw_files().values())
    parts = split(train, test, SPLIT)[:3]
    ids = [set(part.rows["id"]) for part in parts]
    assert not ids[0] & ids[1] and not ids[0] & ids[2]
    assert np.bincount(parts[1].rows["label"]).tolist() == [2] * 10
    assert len(parts[0]) + len(parts[1]) == len(train) and len(parts[2]) == len(test)


def test_the_split_depends_on_its_seed_alone() -> None:
    train, test, _ = ingest(*raw_files().values())
    first, again = (split(train, test, SPLIT)[1] for _ in range(2))
    other = split(train, test, SPLIT.model_copy(update={"seed": 1}))[1]
    assert first.rows["id"].tolist() == again.rows["id"].tolist() != other.rows["id"].tolist()
    assert np.array_equal(first["binary"], again["binary"])


def test_duplicates_leave_train_and_are_counted() -> None:
    train, test, _ = ingest(*raw_files().values())
    pixels = np.array(train["pixels"])
    pixels[0] = test["pixels"][5]
    pixels[1] = pixels[2]
    card = split(made_digits(pixels, train.rows["label"].to_numpy()), test, SPLIT)[3]
    assert (card["dropped_because_in_test"], card["dropped_because_repeated"]) == (1, 1)
    assert card["train_rows"] + card["dev_rows"] == len(train) - 2


def test_the_stratified_dev_split_leaves_something_of_each_digit_on_both_sides() -> None:
    labels = np.array([0] * 2 + [1] * 50)
    is_dev = stratified(labels, 0.1, 0)
    assert is_dev[labels == 0].sum() == 1 and is_dev[labels == 1].sum() == 5


def test_bits_are_one_as_often_as_pixels_are_bright() -> None:
    pixels = np.full((400, 8, 8), 51, np.uint8)
    bits = binarised(pixels, np.random.default_rng(0))
    assert bits.mean() == pytest.approx(0.2, abs=0.01)
    generator = np.random.default_rng(1)
    assert not binarised(np.zeros((9, 8, 8), np.uint8), generator).any()
    assert binarised(np.full((9, 8, 8), 255, np.uint8), generator).all()


@pytest.mark.real_data
def test_the_public_files_hold_what_they_should() -> None:
    folder = Path(os.environ.get("ETUDES_RAW", "")) / "mnist" / "MNIST" / "raw"
    if not os.environ.get("ETUDES_RAW") or not folder.is_dir():
        pytest.skip("needs MNIST: set ETUDES_RAW to a folder that holds mnist")
    names = ("train-images-idx3", "train-labels-idx1", "t10k-images-idx3", "t10k-labels-idx1")
    files = [RawFile(name, (folder / f"{name}-ubyte.gz").read_bytes()) for name in names]
    train, test, card = ingest(*files)
    assert (card["train_rows"], card["test_rows"], card["side"]) == (60_000, 10_000, 28)
    counts = [5923, 6742, 5958, 6131, 5842, 5421, 5918, 6265, 5851, 5949]
    assert np.bincount(train.rows["label"]).tolist() == counts
    assert np.bincount(test.rows["label"]).tolist() == [980, 1135, 1032, 1010, 982, 892, 958, 1028, 974, 1009]
    *_, found = split(train, test, SPLIT)
    dropped = found["dropped_because_in_test"] + found["dropped_because_repeated"]
    assert found["train_rows"] + found["dev_rows"] + dropped == len(train)
