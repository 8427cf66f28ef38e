"""Photos from a folder: what their names say, what they show, and which of them the strip is learned on."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Sequence

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from etudes.examples import Examples
from etudes.forms.raw import RawFolder
from etudes.pipelines.adversarial_strip.parameters import SplitParameters

IMAGENET_CLASSES = 1000
# Two forms of names: the collection with one photo of each ImageNet class, and any other folder.
OF_WORDNET = re.compile(r"(?P<key>n\d{8})_(?P<name>.+)")
OF_INDEX = re.compile(r"(?P<key>\d+)_(?P<name>.+)_(?P<number>\d+)")
FORMS = (
    "<wnid>_<class name>.JPEG (one photo of each ImageNet class) or <class index>_<class name>_<number>.png"
)


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
    labels = (
        _labels_of_wordnet(raw, files, keys, names) if pattern is OF_WORDNET else [int(key) for key in keys]
    )
    frame = pd.DataFrame({"id": files, "label": np.array(labels, dtype=np.int64), "name": names})
    _check_one_name(raw, frame)
    return frame


def _labels_of_wordnet(
    raw: RawFolder, files: Sequence[str], keys: Sequence[str], names: Sequence[str]
) -> list[int]:
    first: dict[str, str] = {}
    for file, key in zip(files, keys, strict=True):
        if key in first:
            raise ValueError(
                f"{raw.name}: {first[key]} and {file} show the same class {key}; expected one photo of each of the "
                f"{IMAGENET_CLASSES:,} classes. Remove one of them."
            )
        first[key] = file
    if len(files) != IMAGENET_CLASSES:
        raise ValueError(
            f"{raw.name}: {len(files):,} photos named <wnid>_<class name>; expected one of each of the "
            f"{IMAGENET_CLASSES:,} classes, because a photo's place among the sorted names is its class index. "
            f"{_without_photo(names)}Copy or fetch the folder again."
        )
    order = {key: index for index, key in enumerate(sorted(keys))}
    return [order[key] for key in keys]


def _without_photo(names: Sequence[str]) -> str:
    """Which of torchvision's classes no file is named after."""
    from torchvision.models import SqueezeNet1_1_Weights

    left = [_letters(name) for name in names]
    absent = []
    for category in SqueezeNet1_1_Weights.IMAGENET1K_V1.meta["categories"]:
        if _letters(category) in left:
            left.remove(_letters(category))
        else:
            absent.append(category)
    # torchvision calls two of the classes by a longer name (crane bird, maillot tank suit).
    absent = [
        category for category in absent if not any(_letters(category).startswith(name) for name in left)
    ]
    if not absent:
        return ""
    return f"There is none of {', '.join(absent[:3])}{' and others' if len(absent) > 3 else ''}. "


def _letters(name: str) -> str:
    return re.sub(r"[^a-z0-9]", "", name.lower())


def _check_one_name(raw: RawFolder, frame: pd.DataFrame) -> None:
    several = frame.groupby("label")["name"].nunique()
    if (several > 1).any():
        label = several.index[several > 1][0]
        found = sorted(frame.loc[frame["label"] == label, "name"].unique())
        raise ValueError(f"{raw.name}: class {label} has the names {', '.join(found)}; expected one name")
    if len(several) < 2:
        raise ValueError(f"{raw.name}: all photos are of one class; expected the target's and others")


def read_photos(raw: RawFolder, size: int, crop: int) -> Examples:
    """All photos of a folder: rows as `parse_names`, array ``pixels`` (N, crop, crop, 3), uint8.

    Raises:
        ValueError: as `parse_names`, or a file that is no picture or too small.
    """
    from etudes.forms.pictures import read_picture

    rows = parse_names(raw)
    pixels = np.empty((len(rows), crop, crop, 3), dtype=np.uint8)
    for index, file in enumerate(rows["id"]):
        pixels[index] = read_picture(raw.read(file), size, crop)
    return Examples(rows, {"pixels": pixels})


def divide(examples: Examples, parameters: SplitParameters) -> dict[str, NDArray[np.intp]]:
    """Positions of the photos of each part: ``train``, ``dev``, ``test``, and ``networks`` for all others.

    Photos of the target are in ``networks`` alone, and of equal photos all but the first are in no part. Where every
    class has several photos, each part holds all classes in about their shares; where there is one photo of a class,
    photos of related classes go to the three parts of the strip first, and in their shares.

    Raises:
        ValueError: no photo of the target, too few others, or none of the related classes in some part.
    """
    labels = examples.rows["label"].to_numpy()
    kept = np.flatnonzero(~repeated(examples["pixels"]))
    if not (labels[kept] == parameters.target).any():
        raise ValueError(
            f"there is no photo of the target, class {parameters.target}; found the classes {labels.min()} to "
            f"{labels.max()}. Set split.target to one of them."
        )
    others = kept[labels[kept] != parameters.target]
    sizes = {"train": parameters.train, "dev": parameters.dev, "test": parameters.test}
    total = sum(sizes.values())
    if total > len(others):
        raise ValueError(
            f"split.train + dev + test = {total} photos, but only {len(others):,} different ones are not of the "
            "target; ask for fewer"
        )
    generator = np.random.default_rng(parameters.seed)
    related = np.isin(labels[others], parameters.related)
    counts = np.unique(labels[others], return_counts=True)[1]
    by_class = bool(counts.min() >= len(sizes))
    strata = labels[others] if by_class else related.astype(np.int64)
    order = spread(strata, generator)
    if not by_class:
        order = order[np.argsort(~related[order], kind="stable")]
    used = order[:total]
    used = used[spread(strata[used], generator)]
    parts = dict(zip(sizes, np.split(used, np.cumsum(list(sizes.values()))[:-1]), strict=True))
    without = [name for name, chosen in parts.items() if not related[chosen].any()]
    if without:
        raise ValueError(
            f"no photo of the related classes {list(parameters.related)} falls to {', '.join(without)}; name more "
            "classes in split.related, or add photos of them"
        )
    found = {name: np.sort(others[chosen]) for name, chosen in parts.items()}
    return {**found, "networks": np.setdiff1d(kept, np.concatenate(list(found.values())))}


def spread(strata: NDArray[np.int64], generator: np.random.Generator) -> NDArray[np.intp]:
    """A random order of N positions in which every stretch holds the strata (N,) about in their shares."""
    place = np.empty(len(strata))
    for stratum in np.unique(strata):
        members = generator.permutation(np.flatnonzero(strata == stratum))
        place[members] = (np.arange(len(members)) + generator.random()) / len(members)
    return np.argsort(place, kind="stable")


def repeated(pixels: NDArray[np.uint8]) -> NDArray[np.bool_]:
    """Which photos (N,) equal an earlier one, pixel by pixel."""
    from etudes.forms.pictures import pixel_digest

    digests = pd.Series([pixel_digest(photo) for photo in pixels])
    return digests.duplicated().to_numpy()


def fingerprint(examples: Examples) -> str:
    """Fingerprint of ids, labels and pixels, in order."""
    digest = hashlib.sha256(examples.rows[["id", "label"]].to_csv(index=False).encode())
    for photo in examples["pixels"]:
        digest.update(photo.tobytes())
    return digest.hexdigest()[:32]
