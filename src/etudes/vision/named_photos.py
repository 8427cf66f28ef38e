"""Photos in one folder whose class stands in their file name: ImageNet's one photo a class, or a folder of one's own."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from etudes.cards import data_card, fingerprint
from etudes.examples import Examples
from etudes.forms.pictures import pixel_digest, read_picture
from etudes.forms.raw import RawFolder
from etudes.vision.parameters import PhotoParameters

IMAGENET_CLASSES = 1000
OF_WORDNET = re.compile(r"(?P<key>n\d{8})_(?P<name>.+)")
OF_INDEX = re.compile(r"(?P<key>\d+)_(?P<name>.+)_(?P<number>\d+)")
FORMS = (
    "<wnid>_<class name>.JPEG (one photo of each ImageNet class) or <class index>_<class name>_<number>.png"
)


def ingest(raw_images: RawFolder, photos: PhotoParameters) -> tuple[Examples, dict[str, Any]]:
    """All photos of a folder, and what there is of them.

    Returns:
        Rows as `parse_names`, array ``pixels`` (N, crop, crop, 3), uint8; and a card.

    Raises:
        ValueError: as `parse_names`, or a file that is no picture or too small.
    """
    rows = parse_names(raw_images)
    pixels = np.empty((len(rows), photos.crop, photos.crop, 3), dtype=np.uint8)
    for index, file in enumerate(rows["id"]):
        pixels[index] = read_picture(raw_images.read(file), photos.size, photos.crop)
    counts = {"photos": len(rows), "classes": int(rows["label"].nunique()), "pixels": photos.crop}
    card = data_card([raw_images], *fingerprinted(rows, pixels), **counts)
    return Examples(rows, {"pixels": pixels}), card


def photos_fingerprint(examples: Examples) -> str:
    """Fingerprint of ids, labels and pixels, in order."""
    return fingerprint(*fingerprinted(examples.rows, examples["pixels"]))


def fingerprinted(rows: pd.DataFrame, pixels: NDArray[np.uint8]) -> tuple[pd.DataFrame, NDArray[np.uint8]]:
    """What tells one set of photos from another."""
    return rows[["id", "label"]], pixels


def different(photos: Examples) -> NDArray[np.intp]:
    """Places of the photos; of equal ones (array ``pixels``) the first alone."""
    digests = pd.Series([pixel_digest(photo) for photo in photos["pixels"]])
    return np.flatnonzero(~digests.duplicated().to_numpy())


def class_card(photos: Examples) -> dict[str, Any]:
    """What a split's card says of the classes: ``classes``, how many there are, and ``names`` by the index as text."""
    names = photos.rows.drop_duplicates("label").set_index("label")["name"].sort_index()
    return {
        "classes": int(names.index.max()) + 1,
        "names": {str(label): name for label, name in names.items()},
    }


def parse_names(raw: RawFolder) -> pd.DataFrame:
    """What the file names say: ``id`` (the name), ``label`` (class index) and ``name`` (of the class), by file name.

    ``n01484850_great_white_shark.JPEG``: the class index is the place among all files, so that exactly one photo of
    each of the 1,000 classes is needed. ``3_three_0012.png``: the class index is the first number.

    Raises:
        ValueError: a name of neither form, both forms in one folder, a class twice or missing in the first form, or
            two names of one class in the second.
    """
    files = list(raw)
    stems = [file.rpartition("/")[2].rpartition(".")[0] for file in files]
    for pattern in (OF_WORDNET, OF_INDEX):
        found = [pattern.fullmatch(stem) for stem in stems]
        if any(found):
            break
    wrong = [file for file, match in zip(files, found, strict=True) if match is None]
    if wrong:
        raise ValueError(
            f"{raw.name}: {wrong[0]} (and {len(wrong) - 1} more of {len(files)} files) is not named as the others; "
            f"expected {FORMS}"
        )
    keys = [match["key"] for match in found if match]
    names = [match["name"].replace("_", " ") for match in found if match]
    if pattern is OF_WORDNET:
        _check_thousand(raw, files, keys, names)
        keys = [str(place) for place in np.argsort(np.argsort(keys))]
    frame = pd.DataFrame({"id": files, "label": np.array(keys, dtype=np.int64), "name": names})
    for label, found_names in frame.groupby("label")["name"].unique().items():
        if len(found_names) > 1:
            raise ValueError(
                f"{raw.name}: class {label} has the names {', '.join(sorted(found_names))}; expected one name"
            )
    if frame["label"].nunique() < 2:
        raise ValueError(f"{raw.name}: all photos are of one class; expected two or more")
    return frame


def _check_thousand(raw: RawFolder, files: Sequence[str], keys: Sequence[str], names: Sequence[str]) -> None:
    first: dict[str, str] = {}
    for file, key in zip(files, keys, strict=True):
        if first.setdefault(key, file) != file:
            raise ValueError(
                f"{raw.name}: {first[key]} and {file} show the same class {key}; expected one photo of each of the "
                f"{IMAGENET_CLASSES:,} classes. Remove one of them."
            )
    if len(files) != IMAGENET_CLASSES:
        raise ValueError(
            f"{raw.name}: {len(files):,} photos named <wnid>_<class name>; expected one of each of the "
            f"{IMAGENET_CLASSES:,} classes, because a photo's place among the sorted names is its class index. "
            f"{_without_photo(names)}Copy or fetch the folder again."
        )


def _without_photo(names: Sequence[str]) -> str:
    """Which of torchvision's classes no file is named after."""
    from torchvision.models import SqueezeNet1_1_Weights

    left, absent = [_letters(name) for name in names], []
    for category in SqueezeNet1_1_Weights.IMAGENET1K_V1.meta["categories"]:
        if _letters(category) in left:
            left.remove(_letters(category))
        else:
            absent.append(category)
    # torchvision calls two of the classes by a longer name (crane bird, maillot tank suit).
    absent = [category for category in absent if not _letters(category).startswith(tuple(left))]
    if not absent:
        return ""
    return f"There is none of {', '.join(absent[:3])}{' and others' if len(absent) > 3 else ''}. "


def _letters(name: str) -> str:
    return re.sub(r"[^a-z0-9]", "", name.lower())
