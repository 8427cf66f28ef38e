"""Pictures of the ten digits with their labels: what the files hold, and the splits that studies are made of."""

from __future__ import annotations

import hashlib
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from etudes.cards import data_card, examples_fingerprint
from etudes.digits.parameters import DigitSplitParameters
from etudes.examples import Examples
from etudes.forms.idx import read_idx
from etudes.forms.raw import RawFile
from etudes.splits import stratified, without_repeats

DIGITS = 10
SIDES = range(8, 65)  # pixels
FEWEST_TRAIN, FEWEST_TEST = 5, 2  # pictures of each digit


def read_digits(images: RawFile, labels: RawFile, part: str) -> Examples:
    """Pictures and labels of two IDX files, row by row.

    Args:
        images: pictures (N, H, W).
        labels: digits (N,).
        part: ``train`` or ``test``, which starts every id.

    Returns:
        rows ``id``, ``label`` (0..9); array ``pixels`` (N, S, S), uint8, 0 is the background.

    Raises:
        ValueError: the files do not belong together, a label is no digit, the pictures are no squares of a side that
            is a multiple of four (networks halve it twice), or all of them are alike.
    """
    pixels, digits = read_idx(images, 3), read_idx(labels, 1)
    if len(pixels) != len(digits):
        raise ValueError(
            f"{images.name} holds {len(pixels):,} pictures, {labels.name} {len(digits):,} labels; expected one label "
            "for each picture. Do the two files belong together?"
        )
    wrong = np.flatnonzero(digits >= DIGITS)
    if len(wrong):
        raise ValueError(
            f"{labels.name}: the label {digits[wrong[0]]} at position {wrong[0]} (and {len(wrong) - 1} more) is no "
            "digit; expected 0 to 9"
        )
    height, width = pixels.shape[1:]
    if height != width or height % 4 or height not in SIDES:
        raise ValueError(
            f"{images.name}: pictures of {height} x {width} pixels; expected squares whose side is a multiple of 4 "
            f"between {SIDES.start} and {SIDES.stop - 1} pixels. Pad or resize them."
        )
    if (pixels == pixels[0]).all() and len(pixels) > 1:
        raise ValueError(
            f"{images.name}: all {len(pixels):,} pictures are alike; expected pictures of digits"
        )
    rows = pd.DataFrame(
        {"id": [f"{part}-{i:06d}" for i in range(len(digits))], "label": digits.astype(np.int64)}
    )
    return Examples(rows, {"pixels": np.array(pixels)})


def ingest(
    raw_train_images: RawFile, raw_train_labels: RawFile, raw_test_images: RawFile, raw_test_labels: RawFile
) -> tuple[Examples, Examples, dict[str, Any]]:
    """Both parts, checked, and where they come from.

    Raises:
        ValueError: as `read_digits`; sizes that differ between the parts; a digit with too few pictures.
    """
    train = read_digits(raw_train_images, raw_train_labels, "train")
    test = read_digits(raw_test_images, raw_test_labels, "test")
    if train["pixels"].shape[1:] != test["pixels"].shape[1:]:
        raise ValueError(
            f"{raw_train_images.name} holds pictures of {_size(train)}, {raw_test_images.name} of {_size(test)} pixels; "
            "expected one size"
        )
    for examples, raw, fewest in (
        (train, raw_train_labels, FEWEST_TRAIN),
        (test, raw_test_labels, FEWEST_TEST),
    ):
        _check_counts(examples.rows["label"].to_numpy(), fewest, raw.name)
    files = (raw_train_images, raw_train_labels, raw_test_images, raw_test_labels)
    digests = [hashlib.sha256(file.content).digest() for file in files]
    side = int(train["pixels"].shape[1])
    card = data_card(files, *digests, train_rows=len(train), test_rows=len(test), classes=DIGITS, side=side)
    return train, test, card


def _size(examples: Examples) -> str:
    return " x ".join(map(str, examples["pixels"].shape[1:]))


def _check_counts(labels: NDArray[np.int64], fewest: int, name: str) -> None:
    counts = np.bincount(labels, minlength=DIGITS)
    few = [f"{digit} ({counts[digit]})" for digit in range(DIGITS) if counts[digit] < fewest]
    if few:
        raise ValueError(
            f"{name}: too few pictures of {', '.join(few)}; expected at least {fewest} of each digit"
        )


def split(
    train_images: Examples, test_images: Examples, parameters: DigitSplitParameters
) -> tuple[Examples, Examples, Examples, dict[str, Any]]:
    """Drop duplicates from train and cut dev from it; test stays as it is.

    A training picture that also stands in test is dropped, and of equal training pictures all but the first. Dev and
    test get an array ``binary`` (N, S, S), bool: each pixel is one with the chance of its intensity, drawn once from
    ``parameters.binarisation_seed``. So all models are scored on the same bits.

    Raises:
        ValueError: a digit has too few training pictures once duplicates are dropped.
    """
    rows, dropped = without_repeats(
        *([picture.tobytes() for picture in part["pixels"]] for part in (train_images, test_images))
    )
    kept = train_images.take(rows)
    labels = kept.rows["label"].to_numpy()
    _check_counts(labels, FEWEST_TRAIN, "the training pictures without duplicates")
    is_dev = stratified(labels, parameters.dev_fraction, parameters.seed)
    train_split = kept.take(~is_dev)
    generator = np.random.default_rng(parameters.binarisation_seed)
    dev_split, test_split = (with_bits(part, generator) for part in (kept.take(is_dev), test_images))
    card = {
        "classes": [str(digit) for digit in range(DIGITS)],
        "side": int(test_images["pixels"].shape[1]),
        "unit": "pictures",
        "train_rows": len(train_split),
        "dev_rows": len(dev_split),
        "test_rows": len(test_split),
        **dropped,
        "dev_fingerprint": examples_fingerprint(dev_split),
    }
    return train_split, dev_split, test_split, card


def with_bits(examples: Examples, generator: np.random.Generator) -> Examples:
    """The examples with an array ``binary`` beside ``pixels``: Bernoulli draws of the intensities."""
    bits = binarised(examples["pixels"], generator)
    return Examples(examples.rows, {**examples.arrays, "binary": bits})


def binarised(pixels: NDArray[np.uint8], generator: np.random.Generator) -> NDArray[np.bool_]:
    """Each pixel one with the chance intensity / 255 (Salakhutdinov and Murray 2008)."""
    chances = np.asarray(pixels, dtype=np.float32) / 255
    return generator.random(chances.shape, dtype=np.float32) < chances
