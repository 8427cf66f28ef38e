"""From a folder of drawings to checked examples.

``<alphabet>/<character>/<drawing>.png`` is what counts of a name; folders above it do not. A zip archive stands for the
drawings in it, so Omniglot's archives are read as they are distributed.
"""

from __future__ import annotations

from pathlib import PurePosixPath

import numpy as np
import pandas as pd

from etudes.examples import Examples
from etudes.forms.archives import picture_files
from etudes.forms.raw import RawFolder

LAYOUT = "<alphabet>/<character>/<drawing>.png"


def read_characters(raw: RawFolder, side: int) -> tuple[Examples, int]:
    """All drawings, ink bright on dark, and how many were left out because they occur twice.

    Omniglot's two small sets share two alphabets: without a look at the pixels the same character would be two, and an
    episode could ask which of two equal characters it is.

    Args:
        raw: picture files, or zip archives of them.
        side: pixels of a side after shrinking.

    Returns:
        ``rows`` with ``id``, ``alphabet``, ``character``, ``drawing``; ``pixels`` (N, side, side), uint8. Sorted by id.

    Raises:
        ValueError: a name outside the layout, a damaged archive or picture, one drawing with two contents.
    """
    from etudes.forms.pictures import fitted, pixel_digest, read_picture

    rows: dict[str, tuple[str, str, str]] = {}
    pixels: dict[str, np.ndarray] = {}
    digests: dict[str, str] = {}
    repeated = 0
    for place, file in picture_files(raw):
        parts = PurePosixPath(place).parts
        if len(parts) < 3:
            raise ValueError(f"{raw.name}: {place} lies outside the layout; expected {LAYOUT}")
        alphabet, character, drawing = parts[-3:]
        name = f"{alphabet}/{character}/{drawing}"
        digest = pixel_digest(picture := read_picture(file))
        if name in rows:
            if digests[name] != digest:
                raise ValueError(
                    f"{raw.name}: there are two different drawings {name}; expected one, rename the other"
                )
            repeated += 1
            continue
        paper = fitted(picture, side, side, file.name).mean(axis=2)
        pixels[name] = (255 - np.round(paper)).astype(np.uint8)
        rows[name], digests[name] = (alphabet, character, drawing), digest
    if not rows:
        raise ValueError(f"{raw.name}: holds no drawings; expected {LAYOUT}, or zip archives of that")
    _refuse_equal_drawings(digests, raw.name)
    names = sorted(rows)
    frame = pd.DataFrame([rows[name] for name in names], columns=["alphabet", "character", "drawing"])
    frame.insert(0, "id", names)
    return Examples(frame, {"pixels": np.stack([pixels[name] for name in names])}), repeated


def check_counts(examples: Examples, needed: int, source: str) -> None:
    """Refuse characters with fewer drawings than a task needs.

    Raises:
        ValueError: with the first such character and how many there are.
    """
    counts = examples.rows.groupby(["alphabet", "character"]).size()
    short = counts[counts < needed]
    if len(short):
        (alphabet, character), count = short.index[0], short.iloc[0]
        raise ValueError(
            f"{source}: {alphabet}/{character} has {count} drawings (and {len(short) - 1} further characters have too "
            f"few); a task needs {needed} of each: support and query together. Add drawings, leave the character out, "
            "or lower meta_learning.characters.queries"
        )


def _refuse_equal_drawings(digests: dict[str, str], source: str) -> None:
    """One picture under two characters would be a question without an answer."""
    owners: dict[str, str] = {}
    for name, digest in digests.items():
        character = name.rpartition("/")[0]
        other = owners.setdefault(digest, character)
        if other != character:
            raise ValueError(
                f"{source}: the picture {name} is also a drawing of {other}; expected each picture under one character"
            )
