"""Photos for networks, for the choice of settings, and for the numbers, of which every seed has its own."""

from __future__ import annotations

from typing import Any

import numpy as np

from etudes.benches.parameters import PhotoSplitParameters
from etudes.cards import examples_fingerprint
from etudes.examples import Examples
from etudes.training.parameters import RunParameters
from etudes.vision.named_photos import class_card, different
from etudes.vision.parameters import PhotoParameters


def split(
    photos_images: Examples, split: PhotoSplitParameters, photos: PhotoParameters, run: RunParameters
) -> tuple[Examples, Examples, Examples, dict[str, Any]]:
    """Photos for the network, for the choice of settings, and for the numbers; of equal photos all but the first are in none.

    The test photos of seed s are part s of the order behind the dev photos, modulo the whole parts that there are, so
    that runs with other seeds are about other photos.

    Raises:
        ValueError: fewer different photos than are asked for.
    """
    kept = different(photos_images)
    if split.dev + split.test > len(kept):
        raise ValueError(
            f"split.dev + split.test = {split.dev} + {split.test}, but there are {len(kept)} different photos; ask for fewer"
        )
    order = kept[np.random.default_rng(split.seed).permutation(len(kept))]
    dev, others = order[: split.dev], order[split.dev :]
    first = run.seed % (len(others) // split.test) * split.test
    test = others[first : first + split.test]
    train, dev_photos, test_photos = (
        photos_images.take(np.sort(places)) for places in (np.setdiff1d(others, test), dev, test)
    )
    card = {
        "unit": "photos",
        "train_rows": len(train),
        "dev_rows": len(dev),
        "test_rows": len(test),
        "dropped_because_repeated": len(photos_images) - len(kept),
        **photos.model_dump(),
        **class_card(photos_images),
        "dev_fingerprint": examples_fingerprint(dev_photos),
    }
    return train, dev_photos, test_photos, card
