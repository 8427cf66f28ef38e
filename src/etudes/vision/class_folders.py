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
from etudes.vision.duplicates import near_duplicates

LAYOUT = "<any folder>/<class>/<picture>.jpg"
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


def _labelled(rows: pd.DataFrame) -> pd.DataFrame:
    return rows.assign(label=pd.factorize(rows["class"], sort=True)[0].astype(np.int64))
