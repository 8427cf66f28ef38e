"""From raw files to what the methods see: digits with few labels, and leaves whose near-duplicates stay together."""

from __future__ import annotations

from pathlib import PurePosixPath
from typing import Any

import numpy as np
import pandas as pd

from etudes.benches.few_labels import UNKNOWN, known_labels, label_order
from etudes.cards import data_card, examples_fingerprint, fingerprint
from etudes.digits.files import DIGITS
from etudes.examples import Examples
from etudes.forms.archives import picture_files
from etudes.forms.pictures import read_picture
from etudes.forms.raw import RawFolder
from etudes.pipelines.self_training.features import Backbone, gradient_histograms, seen, views
from etudes.pipelines.self_training.parameters import DigitsParameters, LeavesParameters
from etudes.splits import without_repeats
from etudes.vision.duplicates import near_duplicates

LAYOUT = "<any folder>/<class>/<picture>.jpg"
FEWEST = 4  # groups of near-duplicates of a class: two for test, or one, and the others to learn from


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
    """All photographs, whose classes are the folders they lie in; folders above do not count.

    Returns:
        Rows ``id`` (the name), ``class`` and ``label`` (place of the class among the sorted names), sorted by id; array ``pixels`` (N, S, S, 3),
        uint8: the shorter side shrunk to S, the middle cut out; and a card.

    Raises:
        ValueError: a photograph outside of any folder, a damaged file, a single class.
    """
    found = {}
    for place, file in picture_files(raw_leaves):
        if len(PurePosixPath(place).parts) < 2:
            raise ValueError(f"{raw_leaves.name}: {place} lies outside the layout; expected {LAYOUT}")
        found[place] = read_picture(file, leaves.side, leaves.side)
    names = sorted(found)
    classes = [PurePosixPath(name).parts[-2] for name in names]
    if len(set(classes)) < 2:
        raise ValueError(
            f"{raw_leaves.name}: {len(names)} photographs of {len(set(classes))} classes; expected two classes or more, {LAYOUT}"
        )
    labels = pd.factorize(np.array(classes, dtype=object), sort=True)[0].astype(np.int64)
    rows = pd.DataFrame({"id": names, "class": classes, "label": labels})
    examples = Examples(rows, {"pixels": np.stack([found[name] for name in names])})
    return examples, data_card([raw_leaves], examples_fingerprint(examples), photographs=len(rows))


def see_leaves(
    leaves_images: Examples, pretrained: Any, leaves: LeavesParameters
) -> tuple[Examples, dict[str, Any]]:
    """Features and views of all photographs, and which of them are copies of each other.

    Photographs of one group of near-duplicates that lie in two classes contradict each other, and are left out.

    Returns:
        Rows with ``group``; arrays ``features`` (N, F), ``weak`` and ``strong`` (N, V, F); what was found.

    Raises:
        ValueError: a class with fewer than four groups.
    """
    groups = near_duplicates(leaves_images["pixels"], leaves.duplicate_bits)
    rows = leaves_images.rows.assign(group=groups)
    told = rows.groupby("group")["label"].transform("nunique").to_numpy() == 1
    kept = Examples(rows, dict(leaves_images.arrays)).take(told)
    counts = kept.rows.groupby("class")["group"].nunique()
    if counts.min() < FEWEST:
        raise ValueError(
            f"the class '{counts.idxmin()}' has {counts.min()} photographs that are no copies of each other; expected at least {FEWEST}"
        )
    look: Any = gradient_histograms
    if leaves.backbone is not None:
        look = Backbone(pretrained.network(leaves.backbone), leaves.backbone)
    pixels = np.asarray(kept["pixels"])
    weak, strong = views(pixels, leaves.views, leaves.seed, look)
    sizes = kept.rows["group"].value_counts()
    card = {
        "classes": [str(name) for name in sorted(kept.rows["class"].unique())],
        "photographs": len(kept),
        "groups": len(sizes),
        "in_groups_of_several": int(sizes[sizes > 1].sum()),
        "contradicting_left_out": int((~told).sum()),
        "fingerprint": fingerprint(kept.rows),
    }
    labels = pd.factorize(kept.rows["class"], sort=True)[0].astype(np.int64)
    arrays = {"features": seen(pixels, look), "weak": weak, "strong": strong}
    return Examples(kept.rows.assign(label=labels), arrays), card
