"""Which pictures networks learn from, which choose settings, and which are attacked for the numbers."""

from __future__ import annotations

from typing import Any

import numpy as np

from etudes.benches.parameters import AttackSplitParameters
from etudes.cards import examples_fingerprint
from etudes.examples import Examples
from etudes.splits import spread
from etudes.vision.named_photos import class_card, different
from etudes.vision.parameters import PhotoParameters
from etudes.vision.photographs import split_photographs


def split(
    pictures_images: Examples, data_card: dict[str, Any], split: AttackSplitParameters, fold: int = 0
) -> tuple[Examples, Examples, Examples, dict[str, Any]]:
    """Small pictures: train, dev and test keep their classes in their shares; the official test part stays test.

    Test pictures of another ``fold`` are others, as long as there are enough.

    Raises:
        ValueError: too few training pictures (`split_photographs`).
    """
    *parts, card = split_photographs(pictures_images, data_card, split)
    found = {
        name: at_most(part, getattr(split, name), split.seed, fold if name == "test" else 0)
        for name, part in zip(NAMES, parts, strict=True)
    }
    names = card["classes"]
    facts = {
        "unit": "pictures",
        **{f"{name}_rows": len(part) for name, part in found.items()},
        "classes": len(names),
        "names": {str(label): name for label, name in enumerate(names)},
        "dev_fingerprint": examples_fingerprint(found["dev"]),
        **{key: value for key, value in card.items() if key.startswith("dropped")},
    }
    return found["train"], found["dev"], found["test"], facts


NAMES = ("train", "dev", "test")


def at_most(examples: Examples, count: int, seed: int, fold: int = 0) -> Examples:
    """``count`` examples, or all if there are fewer, classes in their shares, in the order they had; column ``label``."""
    labels = examples.rows["label"].to_numpy()
    chosen = np.roll(spread(labels, np.random.default_rng(seed)), -fold * count)[:count]
    found = examples.take(np.sort(chosen))
    return Examples(found.rows.rename(columns={"class": "name"}), found.arrays)


def split_photos(
    photos_images: Examples, split: AttackSplitParameters, photos: PhotoParameters, first: int | None = None
) -> tuple[Examples, Examples, dict[str, Any]]:
    """Photos that are attacked, and those left to the networks; of equal photos all but the first are in neither.

    A photo of the class ``first`` is among the attacked ones in any case, where there is one.

    Raises:
        ValueError: more photos are asked for than there are.
    """
    kept = different(photos_images)
    if split.photos > len(kept):
        raise ValueError(
            f"split.photos = {split.photos}, but there are {len(kept)} different photos; ask for fewer"
        )
    order = kept[np.random.default_rng(split.seed).permutation(len(kept))]
    if first is not None:
        wanted = photos_images.rows["label"].to_numpy()[order] == first
        order = np.concatenate([order[wanted][:1], order[~wanted], order[wanted][1:]])
    attacked = np.sort(order[: split.photos])
    card = {"photos": split.photos, **photos.model_dump(), **class_card(photos_images)}
    return photos_images.take(attacked), photos_images.take(np.setdiff1d(kept, attacked)), card
