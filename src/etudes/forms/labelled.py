"""Small pictures whose folders are their labels, checked: ``.../<label>/<file>``, in as many levels as are named."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import PurePosixPath

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from etudes.examples import Examples
from etudes.forms.archives import picture_files
from etudes.forms.pictures import fitted, pixel_digest, read_picture
from etudes.forms.raw import RawFolder


def labelled_pictures(raw: RawFolder, levels: Sequence[str], side: int) -> tuple[Examples, int]:
    """All pictures in grey, and how many were left out because they occur twice.

    What counts of a name are its last parts; folders above them do not. An archive stands for the files in it. Pictures are
    compared by their pixels: the same under the same name counts once, so that sets which overlap can lie side by side.

    Args:
        raw: picture files, or zip archives of them.
        levels: names of the last parts of a picture's name: those of its labels, outermost first, and of the file.
        side: pixels of a side after shrinking.

    Returns:
        ``rows`` with ``id`` and a column for each level; ``pixels`` (N, side, side), uint8. Sorted by id.

    Raises:
        ValueError: a name outside the layout, a damaged archive or picture, two pictures under one name, one picture
            under two labels.
    """
    layout = "/".join(f"<{level}>" for level in levels) + ".png"
    found: dict[str, tuple[tuple[str, ...], NDArray[np.uint8]]] = {}
    digests: dict[str, str] = {}
    repeated = 0
    for place, file in picture_files(raw):
        parts = PurePosixPath(place).parts[-len(levels) :]
        if len(parts) < len(levels):
            raise ValueError(f"{raw.name}: {place} lies outside the layout; expected {layout}")
        name = "/".join(parts)
        digest = pixel_digest(picture := read_picture(file))
        if name in found:
            if digests[name] != digest:
                raise ValueError(
                    f"{raw.name}: there are two different pictures {name}; expected one, rename the other"
                )
            repeated += 1
            continue
        grey = np.round(fitted(picture, side, side, file.name).mean(axis=2)).astype(np.uint8)
        found[name], digests[name] = (parts, grey), digest
    if not found:
        raise ValueError(f"{raw.name}: holds no pictures; expected {layout}, or zip archives of that")
    _refuse_two_labels(digests, raw.name)
    names = sorted(found)
    frame = pd.DataFrame([found[name][0] for name in names], columns=list(levels))
    frame.insert(0, "id", names)
    return Examples(frame, {"pixels": np.stack([found[name][1] for name in names])}), repeated


def _refuse_two_labels(digests: dict[str, str], source: str) -> None:
    """One picture under two labels would be a question without an answer."""
    owners: dict[str, str] = {}
    for name, digest in digests.items():
        label = name.rpartition("/")[0]
        other = owners.setdefault(digest, label)
        if other != label:
            raise ValueError(
                f"{source}: the picture {name} is also one of {other}; expected each picture under one label"
            )
