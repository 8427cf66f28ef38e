"""Colour photographs of one size in folders of classes (CIFAR-10 and its like): checked, and how they are split."""

from __future__ import annotations

from pathlib import PurePosixPath
from typing import Any, Protocol

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from etudes.cards import data_card, examples_fingerprint
from etudes.examples import Examples
from etudes.forms.archives import picture_files
from etudes.forms.pictures import pixel_digest, read_picture
from etudes.forms.raw import RawFolder
from etudes.splits import stratified, without_repeats
from etudes.training.parameters import DevSplitParameters

LAYOUT = "<train or test>/<class>/<picture>.png"
PARTS = ("train", "test")
SIDES = range(8, 129, 4)  # pixels: the network halves them twice
FEWEST = 4  # pictures of each part


class Split(Protocol):
    """The parameters of a split: the share of each class of the training pictures that goes to dev, and the seed."""

    dev_fraction: float
    seed: int


def ingest_photographs(raw_photographs: RawFolder) -> tuple[Examples, dict[str, Any]]:
    """All pictures, and what there is of them.

    Args:
        raw_photographs: picture files, or zip archives of them; folders above the layout do not count.

    Returns:
        Rows ``id``, ``part``, ``class``, ``label`` (place of the class among the sorted names), sorted by id; array
        ``pixels`` (N, S, S, 3), uint8; and a card.

    Raises:
        ValueError: a name outside the layout, a damaged picture or archive, pictures of different sizes or of one that
            the network cannot halve, a part with too few pictures.
    """
    raw = raw_photographs
    found: dict[str, NDArray[np.uint8]] = {}
    for place, file in picture_files(raw):
        parts = PurePosixPath(place).parts
        if len(parts) < 3 or parts[-3] not in PARTS:
            raise ValueError(f"{raw.name}: {place} lies outside the layout; expected {LAYOUT}")
        name = "/".join(parts[-3:])
        if name in found:
            raise ValueError(f"{raw.name}: there are two pictures {name}; expected one, rename the other")
        found[name] = read_picture(file)
        height, width = found[name].shape[:2]
        if height != width or height not in SIDES:
            raise ValueError(
                f"{file.name}: {height} x {width} pixels; expected a square with a side that is a multiple of 4, "
                f"{SIDES.start} to {SIDES[-1]}"
            )
        first = next(iter(found.values()))
        if found[name].shape != first.shape:
            raise ValueError(
                f"{file.name}: {height} x {width} pixels, the others have {first.shape[0]} x {first.shape[1]}; expected "
                "one size"
            )
    names = sorted(found)
    rows = pd.DataFrame([name.split("/") for name in names], columns=["part", "class", "file"])
    rows = rows.drop(columns="file").assign(label=pd.factorize(rows["class"], sort=True)[0].astype(np.int64))
    rows.insert(0, "id", names)
    counts = rows["part"].value_counts()
    for part in PARTS:
        if counts.get(part, 0) < FEWEST:
            raise ValueError(
                f"{raw.name}: {counts.get(part, 0)} pictures in {part}; expected at least {FEWEST}, {LAYOUT}"
            )
    examples = Examples(rows, {"pixels": np.stack([found[name] for name in names])})
    side, classes = int(examples["pixels"].shape[1]), sorted(set(rows["class"]))
    rows_by_part = {f"{part}_rows": int(counts[part]) for part in PARTS}
    card = data_card([raw], examples_fingerprint(examples), classes=classes, side=side, **rows_by_part)
    return examples, card


def split_photographs(
    photographs_images: Examples, photographs_data_card: dict[str, Any], photographs: Split
) -> tuple[Examples, Examples, Examples, dict[str, Any]]:
    """Cut dev from train, class by class; a training picture that stands in test or a second time is dropped.

    Raises:
        ValueError: too few training pictures are left.
    """
    in_train = (photographs_images.rows["part"] == "train").to_numpy()
    train, test = photographs_images.take(in_train), photographs_images.take(~in_train)
    rows, dropped = without_repeats(*(list(map(pixel_digest, part["pixels"])) for part in (train, test)))
    kept = train.take(rows)
    if len(kept) < FEWEST:
        raise ValueError(
            f"{len(kept)} training photographs are left without those that stand in test; expected {FEWEST} or more"
        )
    is_dev = stratified(kept.rows["label"].to_numpy(), photographs.dev_fraction, photographs.seed)
    parts = kept.take(~is_dev), kept.take(is_dev), test
    counts = {f"{name}_rows": len(part) for name, part in zip(("train", "dev", "test"), parts, strict=True)}
    return *parts, {**photographs_data_card, **counts, **dropped}


def split(
    pictures_images: Examples, data_card: dict[str, Any], split: DevSplitParameters
) -> tuple[Examples, Examples, Examples, dict[str, Any]]:
    """`split_photographs` for a study of classifiers, whose card names the unit of a row and the dev split.

    Raises:
        ValueError: too few training pictures are left.
    """
    train, dev, test, card = split_photographs(pictures_images, data_card, split)
    return train, dev, test, {**card, "unit": "pictures", "dev_fingerprint": examples_fingerprint(dev)}
