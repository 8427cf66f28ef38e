"""From raw files to what the methods see: digits with few labels, and leaves whose near-duplicates stay together."""

from __future__ import annotations

from typing import Any

import numpy as np

from etudes.benches.few_labels import UNKNOWN, known_labels, label_order
from etudes.cards import examples_fingerprint
from etudes.digits.files import DIGITS
from etudes.examples import Examples
from etudes.forms.raw import RawFolder
from etudes.pipelines.self_training.parameters import DigitsParameters, LeavesParameters
from etudes.splits import without_repeats
from etudes.vision import class_folders
from etudes.vision.frozen import Backbone, gradient_histograms, seen, views


def split_digits(
    train_images: Examples, test_images: Examples, digits: DigitsParameters
) -> tuple[Examples, Examples, Examples, Examples, dict[str, Any]]:
    """Cut dev off, forget all labels of train but a few, and look at all pictures.

    A training picture that also stands in test is dropped, and of equal ones all but the first. Train begins with the
    pictures that have views; the labelled ones are the first of them, one of each digit and then the digits in their shares.

    Returns:
        train (array ``features`` (N, F); ``label`` is `UNKNOWN` where it is not known), views of its first pictures (``weak`` and
        ``strong`` (M, V, F)), dev and test (``features`` and ``pixels``), what was done.

    Raises:
        ValueError: fewer training pictures than are to be labelled, viewed, or dev.
    """
    parts = ([picture.tobytes() for picture in part["pixels"]] for part in (train_images, test_images))
    kept, dropped = without_repeats(*parts)
    rest = train_images.take(kept)
    if len(rest) < digits.viewed + digits.dev or digits.viewed < digits.labels:
        raise ValueError(
            f"digits.labels = {digits.labels}, viewed = {digits.viewed} and dev = {digits.dev}, but there are {len(rest)} "
            "training pictures; expected labels within viewed, and viewed and dev together at most that"
        )
    order = label_order(rest.rows["label"].to_numpy(), np.random.default_rng(digits.seed))
    train, dev = rest.take(order[: len(order) - digits.dev]), rest.take(order[len(order) - digits.dev :])
    labels = known_labels(train.rows["label"].to_numpy(), np.arange(len(train)), digits.labels)
    weak, strong = views(np.asarray(train["pixels"][: digits.viewed]), digits.views, digits.seed)
    viewed = Examples(train.rows[["id"]].iloc[: digits.viewed], {"weak": weak, "strong": strong})
    train_split = Examples(train.rows.assign(label=labels), {"features": seen(np.asarray(train["pixels"]))})
    dev, test = (
        Examples(part.rows, {"pixels": part["pixels"], "features": seen(np.asarray(part["pixels"]))})
        for part in (dev, test_images)
    )
    card = {
        "classes": [str(digit) for digit in range(DIGITS)],
        "side": int(test_images["pixels"].shape[1]),
        "unit": "pictures",
        "train_rows": len(train_split),
        "labelled_rows": int((labels != UNKNOWN).sum()),
        "dev_rows": len(dev),
        "test_rows": len(test),
        **dropped,
        "dev_fingerprint": examples_fingerprint(dev),
    }
    return train_split, viewed, dev, test, card


def ingest_leaves(raw_leaves: RawFolder, leaves: LeavesParameters) -> tuple[Examples, dict[str, Any]]:
    """All photographs: `etudes.vision.class_folders.ingest`."""
    return class_folders.ingest(raw_leaves, leaves.side)


def see_leaves(
    leaves_images: Examples, pretrained: Any, leaves: LeavesParameters
) -> tuple[Examples, dict[str, Any]]:
    """Features and views of all photographs, and which of them are copies of each other (`etudes.vision.class_folders.grouped`).

    Returns:
        Rows with ``group``; arrays ``features`` (N, F), ``weak`` and ``strong`` (N, V, F); what was found.
    """
    kept, card = class_folders.grouped(leaves_images, leaves.duplicate_bits)
    look: Any = gradient_histograms
    if leaves.backbone is not None:
        look = Backbone(pretrained.network(leaves.backbone), leaves.backbone)
    pixels = np.asarray(kept["pixels"])
    weak, strong = views(pixels, leaves.views, leaves.seed, look)
    return Examples(kept.rows, {"features": seen(pixels, look), "weak": weak, "strong": strong}), card
