"""Pictures of things with and without defects in the layout of MVTec AD: ``<category>/train/good``,
``<category>/test/<good or defect>`` and ``<category>/ground_truth/<defect>/<number>_mask``."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import PurePosixPath
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from etudes.examples import Examples
from etudes.forms.files import ends_in
from etudes.forms.pictures import PICTURES, fitted, read_mask, read_picture
from etudes.forms.raw import RawFile, RawFolder

GOOD = "good"
FEWEST_TRAINING, FEWEST_TEST = 2, 4
LAYOUT = (
    "<category>/train/good/<number>.png, <category>/test/<good or a defect>/<number>.png and "
    "<category>/ground_truth/<defect>/<number>_mask.png"
)


@dataclass(frozen=True)
class Picture:
    """One picture of a category: ``file`` and (of a defect) ``mask`` are names in the raw folder."""

    category: str
    part: str
    kind: str
    file: PurePosixPath
    mask: PurePosixPath | None = None

    @property
    def id(self) -> str:
        return f"{self.category}/{self.part}/{self.kind}/{self.file.stem}"


def read_defects(
    raw: RawFolder, categories: Sequence[str], resize: int, crop: int
) -> tuple[Examples, Examples, str]:
    """Training and test pictures of all categories, one category after the other, and a fingerprint of the files.

    Args:
        raw: the folder.
        categories: its folders that are read.
        resize: pixels of the shorter side after resizing.
        crop: pixels S of the square that is cut from the middle.

    Returns:
        Train with the array ``pixels`` (N, S, S, 3), uint8; test with ``masks`` (M, S, S), bool, besides. Rows have
        ``id``, ``category``, ``kind`` (good, or the defect's folder) and ``defective``.

    Raises:
        ValueError: a category that is not there, too few pictures, a file in the wrong place, one that is no picture,
            a mask that is missing, empty or of another size; the message names the file.
    """
    pictures = [picture for category in categories for picture in _listed(raw, category)]
    digest = hashlib.sha256()  # of ids and files as they are read: all of them at once would fill the memory
    train, test = (
        _read(raw, [p for p in pictures if p.part == part], resize, crop, digest)
        for part in ("train", "test")
    )
    return Examples(train.rows, {"pixels": train["pixels"]}), test, digest.hexdigest()[:32]


def _read(raw: RawFolder, pictures: Sequence[Picture], resize: int, crop: int, digest: Any) -> Examples:
    pixels = np.empty((len(pictures), crop, crop, 3), dtype=np.uint8)
    masks = np.zeros((len(pictures), crop, crop), dtype=bool)
    for index, picture in enumerate(pictures):
        file = raw.read(str(picture.file))
        digest.update(picture.id.encode() + b"\0" + file.content)
        full = read_picture(file)
        pixels[index] = fitted(full, resize, crop, file.name)
        if picture.mask is not None:
            mask = raw.read(str(picture.mask))
            digest.update(mask.content)
            masks[index] = fitted(_mask_of(mask, full, file.name), resize, crop, mask.name)
    values = [(p.id, p.category, p.kind, p.kind != GOOD) for p in pictures]
    rows = pd.DataFrame(values, columns=["id", "category", "kind", "defective"])
    return Examples(rows, {"pixels": pixels, "masks": masks})


def _mask_of(mask: RawFile, picture: NDArray[np.uint8], name: str) -> NDArray[np.bool_]:
    full = read_mask(mask)
    if not full.any():
        raise ValueError(f"{mask.name}: the mask is empty; expected white pixels where the defect is")
    if full.shape != (shape := picture.shape[:2]):
        raise ValueError(
            f"{mask.name}: the mask has {full.shape[1]} x {full.shape[0]} pixels, its picture {name} has "
            f"{shape[1]} x {shape[0]}; expected the same"
        )
    return full


def _listed(raw: RawFolder, category: str) -> list[Picture]:
    """The pictures of one category, their places and numbers checked; none is opened."""
    names = [PurePosixPath(n) for n in raw if n.startswith(f"{category}/") and ends_in(n, PICTURES)]
    if not names:
        there = sorted({name.partition("/")[0] for name in raw if "/train/good/" in name})
        raise ValueError(
            f"{raw.name}: no pictures of the category '{category}'; it has {', '.join(there) or 'no category'}. "
            f"Expected {LAYOUT}; choose with images.categories."
        )
    for name in names:
        if len(name.parts) != 4 or name.parts[1] not in ("train", "test", "ground_truth"):
            raise ValueError(f"{raw.name}: {name} lies in the wrong place; expected {LAYOUT}")
    masks = {(n.parts[2], n.stem.removesuffix("_mask")): n for n in names if n.parts[1] == "ground_truth"}
    pictures = []
    for name in names:
        _, part, kind, _ = name.parts
        if part == "ground_truth":
            continue
        if part == "train" and kind != GOOD:
            raise ValueError(
                f"{raw.name}: {name} would train on '{kind}'; training pictures are {category}/train/good alone"
            )
        mask = masks.pop((kind, name.stem), None) if kind != GOOD else None
        if mask is None and kind != GOOD:
            raise ValueError(
                f"{raw.name}: {name} has no mask; expected "
                f"{category}/ground_truth/{kind}/{name.stem}_mask.png, white where the defect is"
            )
        pictures.append(Picture(category, part, kind, name, mask))
    for left in masks.values():
        raise ValueError(f"{raw.name}: {left} is the mask of no test picture; remove it or add the picture")
    train = sum(picture.part == "train" for picture in pictures)
    good = sum(picture.kind == GOOD for picture in pictures) - train
    defective = len(pictures) - train - good
    if train < FEWEST_TRAINING:
        raise ValueError(
            f"{raw.name}: {train} pictures in {category}/train/good; expected at least {FEWEST_TRAINING}, a "
            "covariance needs them"
        )
    if min(good, defective) < FEWEST_TEST:
        raise ValueError(
            f"{raw.name}: {good} good and {defective} defective pictures in {category}/test; expected at least "
            f"{FEWEST_TEST} of both, they are divided into dev and test"
        )
    return pictures
