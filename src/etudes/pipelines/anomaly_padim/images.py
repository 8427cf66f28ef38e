"""Pictures in the layout of MVTec AD, checked: ``<category>/train/good``, ``test/<good or defect>``,
``ground_truth/<defect>/<number>_mask``."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import PurePosixPath

import numpy as np
import pandas as pd

from etudes.examples import Examples
from etudes.forms.files import ends_in
from etudes.forms.pictures import PICTURES, fitted, read_mask, read_picture
from etudes.forms.raw import RawFile, RawFolder
from etudes.pipelines.anomaly_padim.parameters import ImagesParameters

GOOD = "good"
FEWEST_TRAINING = 2
FEWEST_TEST = 4
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
    stem: str
    file: str
    mask: str | None = None

    @property
    def id(self) -> str:
        return f"{self.category}/{self.part}/{self.kind}/{self.stem}"


def read_images(raw: RawFolder, parameters: ImagesParameters) -> tuple[Examples, Examples, str]:
    """Training and test pictures of all categories, cut to ``crop`` x ``crop``, and a fingerprint of the files.

    Returns:
        Train with the array ``pixels`` (N, S, S, 3), uint8; test with ``masks`` (M, S, S), bool, besides. Rows have
        ``id``, ``category``, ``kind`` (good, or the defect's folder) and ``defective``.

    Raises:
        ValueError: a category that is not there, too few pictures, a file in the wrong place, one that is no picture,
            a mask that is missing, empty or of another size; the message names the file.
    """
    pictures = [picture for category in parameters.categories for picture in _listed(raw, category)]
    digest = hashlib.sha256()
    parts = []
    for part in ("train", "test"):
        members = [picture for picture in pictures if picture.part == part]
        size = parameters.crop
        pixels = np.empty((len(members), size, size, 3), dtype=np.uint8)
        masks = np.zeros((len(members), size, size), dtype=bool)
        for index, picture in enumerate(members):
            content = raw.read(picture.file)
            digest.update(picture.id.encode() + b"\0" + content.content)
            full = read_picture(content)
            pixels[index] = fitted(full, parameters.resize, size, content.name)
            if picture.mask is not None:
                mask = raw.read(picture.mask)
                digest.update(mask.content)
                masks[index] = _read_mask(mask, full, content.name, parameters)
        rows = pd.DataFrame(
            {
                "id": [picture.id for picture in members],
                "category": [picture.category for picture in members],
                "kind": [picture.kind for picture in members],
                "defective": [picture.kind != GOOD for picture in members],
            }
        )
        arrays = {"pixels": pixels} if part == "train" else {"pixels": pixels, "masks": masks}
        parts.append(Examples(rows, arrays))
    return parts[0], parts[1], digest.hexdigest()[:32]


def _listed(raw: RawFolder, category: str) -> list[Picture]:
    """The pictures of one category, their places and numbers checked; none is opened."""
    names = [
        PurePosixPath(name) for name in raw if name.startswith(f"{category}/") and ends_in(name, PICTURES)
    ]
    if not names:
        there = sorted({name.partition("/")[0] for name in raw if "/train/good/" in name})
        raise ValueError(
            f"{raw.name}: no pictures of the category '{category}'; it has {', '.join(there) or 'no category'}. "
            f"Expected {LAYOUT}; choose with images.categories."
        )
    masks = {
        (name.parts[2], name.stem.removesuffix("_mask")): name
        for name in names
        if len(name.parts) == 4 and name.parts[1] == "ground_truth"
    }
    pictures = []
    for name in names:
        if len(name.parts) != 4 or name.parts[1] not in ("train", "test", "ground_truth"):
            raise ValueError(f"{raw.name}: {name} lies in the wrong place; expected {LAYOUT}")
        _, part, kind, _ = name.parts
        if part == "train" and kind != GOOD:
            raise ValueError(
                f"{raw.name}: {name} would train on '{kind}'; training pictures are {category}/train/good alone"
            )
        if part == "ground_truth":
            continue
        mask = None
        if part == "test" and kind != GOOD:
            found = masks.pop((kind, name.stem), None)
            if found is None:
                raise ValueError(
                    f"{raw.name}: {name} has no mask; expected "
                    f"{category}/ground_truth/{kind}/{name.stem}_mask.png, white where the defect is"
                )
            mask = str(found)
        pictures.append(Picture(category, part, kind, name.stem, str(name), mask))
    if masks:
        left = next(iter(masks.values()))
        raise ValueError(f"{raw.name}: {left} is the mask of no test picture; remove it or add the picture")
    _check_numbers(raw, category, pictures)
    return pictures


def _check_numbers(raw: RawFolder, category: str, pictures: Sequence[Picture]) -> None:
    train = sum(picture.part == "train" for picture in pictures)
    good = sum(picture.part == "test" and picture.kind == GOOD for picture in pictures)
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


def _read_mask(mask: RawFile, picture: np.ndarray, name: str, parameters: ImagesParameters) -> np.ndarray:
    full = read_mask(mask)
    if not full.any():
        raise ValueError(f"{mask.name}: the mask is empty; expected white pixels where the defect is")
    if full.shape != (shape := picture.shape[:2]):
        raise ValueError(
            f"{mask.name}: the mask has {full.shape[1]} x {full.shape[0]} pixels, its picture {name} has "
            f"{shape[1]} x {shape[0]}; expected the same"
        )
    return fitted(full, parameters.resize, parameters.crop, mask.name)
