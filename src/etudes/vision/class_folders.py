"""Photographs in folders of their classes: checked, cut to one size, and grouped with their near-duplicates."""

from __future__ import annotations

from pathlib import PurePosixPath
from typing import Any

import numpy as np
import pandas as pd

from etudes.cards import data_card, examples_fingerprint
from etudes.examples import Examples
from etudes.forms.archives import picture_files
from etudes.forms.pictures import read_picture
from etudes.forms.raw import RawFolder
from etudes.splits import stratified_groups
from etudes.vision.duplicates import near_duplicates
from etudes.vision.parameters import FolderParameters

LAYOUT = "<any folder>/<class>/<picture>.jpg"
TEST = "test"  # the folder of pictures that are tested on
FEWEST = 4  # groups of near-duplicates of a class: some to test on, and the others to learn from


def ingest(raw: RawFolder, side: int) -> tuple[Examples, dict[str, Any]]:
    """All photographs, whose classes are the folders they lie in; folders above do not count.

    Args:
        raw: picture files, or zip archives of them.
        side: S of the square that is cut from the middle once the shorter side is shrunk to it, pixels.

    Returns:
        Rows ``id`` (the name) and ``class``, sorted by id; ``label`` is the place of the class among the sorted names; array ``pixels``
        (N, S, S, 3), uint8; and a card.

    Raises:
        ValueError: a photograph outside of any folder, a damaged file, fewer than two classes.
    """
    found = {}
    for place, file in picture_files(raw):
        if len(PurePosixPath(place).parts) < 2:
            raise ValueError(f"{raw.name}: {place} lies outside the layout; expected {LAYOUT}")
        found[place] = read_picture(file, side, side)
    names = sorted(found)
    rows = pd.DataFrame({"id": names, "class": [PurePosixPath(name).parts[-2] for name in names]})
    if rows["class"].nunique() < 2:
        raise ValueError(
            f"{raw.name}: {len(names)} photographs of {rows['class'].nunique()} classes; expected two classes or more, {LAYOUT}"
        )
    examples = Examples(_labelled(rows), {"pixels": np.stack([found[name] for name in names])})
    return examples, data_card([raw], examples_fingerprint(examples), photographs=len(rows))


def grouped(photographs: Examples, bits: int) -> tuple[Examples, dict[str, Any]]:
    """The photographs with ``group``, which is the same for near-duplicates (`near_duplicates`); and how many there are.

    Photographs of one group that lie in two classes contradict each other, and are left out.

    Raises:
        ValueError: a class with fewer than four groups.
    """
    rows = photographs.rows.assign(group=near_duplicates(list(photographs["pixels"]), bits))
    told = rows.groupby("group")["class"].transform("nunique").to_numpy() == 1
    counts = rows[told].groupby("class")["group"].nunique()
    if counts.min() < FEWEST:
        raise ValueError(
            f"the class '{counts.idxmin()}' has {counts.min()} photographs that are no copies of each other; expected at least {FEWEST}"
        )
    kept = Examples(rows, photographs.arrays).take(told)
    sizes = kept.rows["group"].value_counts()
    card = {
        "classes": sorted(counts.index),
        "photographs": len(kept),
        "groups": len(sizes),
        "in_groups_of_several": int(sizes[sizes > 1].sum()),
        "contradicting_left_out": int((~told).sum()),
    }
    return Examples(_labelled(kept.rows), kept.arrays), card


def ingest_parts(raw_pictures: RawFolder, pictures: FolderParameters) -> tuple[Examples, dict[str, Any]]:
    """`ingest`, and whether each picture lies in a folder ``test`` (``held_back``)."""
    examples, card = ingest(raw_pictures, pictures.side)
    held_back = [TEST in PurePosixPath(name).parts[:-2] for name in examples.rows["id"]]
    return Examples(examples.rows.assign(held_back=held_back), examples.arrays), card


def split(
    photographs_images: Examples, pictures: FolderParameters
) -> tuple[Examples, Examples, Examples, dict[str, Any]]:
    """Train, dev and test. Test are the pictures in a folder of that name; where there is none, a share of each class.

    Of near-duplicates on both sides of a folder's split, those to train on are dropped.

    Raises:
        ValueError: a class without pictures in one of the parts.
    """
    kept, card = grouped(photographs_images, pictures.duplicate_bits)
    labels, group, is_test = (kept.rows[name].to_numpy() for name in ("label", "group", "held_back"))
    if not is_test.any():
        is_test = stratified_groups(labels, group, pictures.test_fraction, pictures.seed)
    twin = ~is_test & np.isin(group, group[is_test])
    rest = kept.take(~is_test & ~twin)
    rest_labels, rest_group = (rest.rows[name].to_numpy() for name in ("label", "group"))
    is_dev = stratified_groups(rest_labels, rest_group, pictures.dev_fraction, pictures.seed)
    parts = {"train": rest.take(~is_dev), "dev": rest.take(is_dev), "test": kept.take(is_test)}
    for name, part in parts.items():
        counts = np.bincount(part.rows["label"], minlength=len(card["classes"]))
        if counts.min() < 1:
            raise ValueError(
                f"no picture of the class '{card['classes'][int(counts.argmin())]}' is in {name}; expected at least one of "
                "each class in train, dev and test. Add pictures, or raise pictures.dev_fraction or test_fraction."
            )
    split_card = {
        **card,
        "unit": "pictures",
        "side": pictures.side,
        **{f"{name}_rows": len(part) for name, part in parts.items()},
        "dropped_because_in_test": int(twin.sum()),
        "dev_fingerprint": examples_fingerprint(parts["dev"]),
    }
    return parts["train"], parts["dev"], parts["test"], split_card


def _labelled(rows: pd.DataFrame) -> pd.DataFrame:
    return rows.assign(label=pd.factorize(rows["class"], sort=True)[0].astype(np.int64))
