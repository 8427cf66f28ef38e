"""Pictures in the layout of MVTec AD, checked: ``<category>/train/good``, ``test/<good or defect>``,
``ground_truth/<defect>/<number>_mask``; and their split."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import PurePosixPath
from typing import Any

import numpy as np
import pandas as pd

from etudes.cards import LENGTH, data_card, fingerprint
from etudes.examples import Examples
from etudes.forms.files import ends_in
from etudes.forms.pictures import PICTURES, fitted, pixel_digest, read_mask, read_picture
from etudes.forms.raw import RawFile, RawFolder
from etudes.pipelines.anomaly_padim.parameters import ImagesParameters, SplitParameters
from etudes.splits import stratified_groups, without_repeats

GOOD = "good"
FEWEST_TRAINING, FEWEST_TEST = 2, 4
FEWEST = {"dev": 2, "test": 1}  # good and defective pictures of each category
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


def ingest(raw_images: RawFolder, images: ImagesParameters) -> tuple[Examples, Examples, dict[str, Any]]:
    """Training and test pictures of all categories, cut to ``crop`` x ``crop``, and where they come from.

    Returns:
        Train with the array ``pixels`` (N, S, S, 3), uint8; test with ``masks`` (M, S, S), bool, besides; the data card.
        Rows have ``id``, ``category``, ``kind`` (good, or the defect's folder) and ``defective``.

    Raises:
        ValueError: a category that is not there, too few pictures, a file in the wrong place, one that is no picture,
            a mask that is missing, empty or of another size; the message names the file.
    """
    pictures = [picture for category in images.categories for picture in _listed(raw_images, category)]
    digest = hashlib.sha256()  # of ids and files as they are read: all of them at once would fill the memory
    train, test = (
        _read(raw_images, [p for p in pictures if p.part == part], images, digest)
        for part in ("train", "test")
    )
    kinds = {c: rows["kind"].value_counts().sort_index() for c, rows in test.rows.groupby("category")}
    card = data_card(
        [raw_images],
        fingerprint=digest.hexdigest()[:LENGTH],
        categories=list(images.categories),
        train_rows=len(train),
        test_rows=len(test),
        size=images.crop,
        kinds={category: kinds[category].to_dict() for category in images.categories},
    )
    return Examples(train.rows, {"pixels": train["pixels"]}), test, card


def _read(raw: RawFolder, pictures: Sequence[Picture], images: ImagesParameters, digest: Any) -> Examples:
    pixels = np.empty((len(pictures), images.crop, images.crop, 3), dtype=np.uint8)
    masks = np.zeros(pixels.shape[:3], dtype=bool)
    for index, picture in enumerate(pictures):
        file = raw.read(str(picture.file))
        digest.update(picture.id.encode() + b"\0" + file.content)
        full = read_picture(file)
        pixels[index] = fitted(full, images.resize, images.crop, file.name)
        if picture.mask is not None:
            mask = raw.read(str(picture.mask))
            digest.update(mask.content)
            masks[index] = _read_mask(mask, full, file.name, images)
    rows = pd.DataFrame(
        [(p.id, p.category, p.kind, p.kind != GOOD) for p in pictures],
        columns=["id", "category", "kind", "defective"],
    )
    return Examples(rows, {"pixels": pixels, "masks": masks})


def _read_mask(mask: RawFile, picture: np.ndarray, name: str, images: ImagesParameters) -> np.ndarray:
    full = read_mask(mask)
    if not full.any():
        raise ValueError(f"{mask.name}: the mask is empty; expected white pixels where the defect is")
    if full.shape != (shape := picture.shape[:2]):
        raise ValueError(
            f"{mask.name}: the mask has {full.shape[1]} x {full.shape[0]} pixels, its picture {name} has "
            f"{shape[1]} x {shape[0]}; expected the same"
        )
    return fitted(full, images.resize, images.crop, mask.name)


def _listed(raw: RawFolder, category: str) -> list[Picture]:
    """The pictures of one category, their places and numbers checked; none is opened."""
    where = raw.name
    names = [PurePosixPath(n) for n in raw if n.startswith(f"{category}/") and ends_in(n, PICTURES)]
    if not names:
        there = sorted({name.partition("/")[0] for name in raw if "/train/good/" in name})
        raise ValueError(
            f"{where}: no pictures of the category '{category}'; it has {', '.join(there) or 'no category'}. "
            f"Expected {LAYOUT}; choose with images.categories."
        )
    for name in names:
        if len(name.parts) != 4 or name.parts[1] not in ("train", "test", "ground_truth"):
            raise ValueError(f"{where}: {name} lies in the wrong place; expected {LAYOUT}")
    masks = {(n.parts[2], n.stem.removesuffix("_mask")): n for n in names if n.parts[1] == "ground_truth"}
    pictures = []
    for name in names:
        _, part, kind, _ = name.parts
        if part == "ground_truth":
            continue
        if part == "train" and kind != GOOD:
            raise ValueError(
                f"{where}: {name} would train on '{kind}'; training pictures are {category}/train/good alone"
            )
        mask = masks.pop((kind, name.stem), None) if part == "test" and kind != GOOD else None
        if mask is None and kind != GOOD:
            raise ValueError(
                f"{where}: {name} has no mask; expected "
                f"{category}/ground_truth/{kind}/{name.stem}_mask.png, white where the defect is"
            )
        pictures.append(Picture(category, part, kind, name, mask))
    for left in masks.values():
        raise ValueError(f"{where}: {left} is the mask of no test picture; remove it or add the picture")
    train = sum(picture.part == "train" for picture in pictures)
    good = sum(picture.part == "test" and picture.kind == GOOD for picture in pictures)
    defective = len(pictures) - train - good
    if train < FEWEST_TRAINING:
        raise ValueError(
            f"{where}: {train} pictures in {category}/train/good; expected at least {FEWEST_TRAINING}, a "
            "covariance needs them"
        )
    if min(good, defective) < FEWEST_TEST:
        raise ValueError(
            f"{where}: {good} good and {defective} defective pictures in {category}/test; expected at least "
            f"{FEWEST_TEST} of both, they are divided into dev and test"
        )
    return pictures


def split(
    train_images: Examples, test_images: Examples, parameters: SplitParameters
) -> tuple[Examples, Examples, Examples, dict[str, Any]]:
    """Drop repeated training pictures and divide the official test pictures into dev and test.

    A training picture that also stands in test is dropped, and of equal ones all but the first. Every kind of picture
    of a category gives ``dev_fraction`` to dev; equal test pictures go to the same half. Dev rows have a ``fold``, 0
    or 1, for choices that are checked inside dev.

    Raises:
        ValueError: too few pictures are left for a covariance, or of good or defective ones in dev or test.
    """
    train_keys, test_keys = (
        np.array([pixel_digest(picture) for picture in part["pixels"]], dtype=np.str_)
        for part in (train_images, test_images)
    )
    kept, dropped = without_repeats(train_keys, test_keys)
    train, rows = train_images.take(kept), test_images.rows
    kinds = (rows["category"] + "/" + rows["kind"]).to_numpy(dtype=np.str_)
    is_dev = stratified_groups(kinds, test_keys, parameters.dev_fraction, parameters.seed)
    dev, test = test_images.take(is_dev), test_images.take(~is_dev)
    dev.rows["fold"] = dev.rows.groupby(["category", "defective"]).cumcount() % 2
    categories = list(dict.fromkeys(rows["category"]))
    for category in categories:
        if (left := int((train.rows["category"] == category).sum())) < FEWEST_TRAINING:
            raise ValueError(
                f"{category}: {left} training pictures are left once repeated ones and those that also stand in test "
                "are dropped; expected at least 2"
            )
        for (name, fewest), part in zip(FEWEST.items(), (dev, test), strict=True):
            defects = part.rows.loc[part.rows["category"] == category, "defective"]
            good, defective = int((~defects).sum()), int(defects.sum())
            if min(good, defective) < fewest:
                raise ValueError(
                    f"{category}: {name} has {good} good and {defective} defective pictures; expected at least {fewest} "
                    "of both. Add test pictures, or change split.dev_fraction."
                )
    counts = {f"{name}_rows": len(part) for name, part in (("train", train), ("dev", dev), ("test", test))}
    prints = {"dev_fingerprint": fingerprint(*sorted(test_keys[is_dev]))}
    return train, dev, test, {"categories": categories, "unit": "images", **counts, **dropped, **prints}
