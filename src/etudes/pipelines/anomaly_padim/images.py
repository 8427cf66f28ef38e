"""The stages ingest and preprocess: pictures of good parts to learn from, the official test pictures in two halves."""

from __future__ import annotations

from typing import Any

import numpy as np

from etudes.cards import data_card, fingerprint
from etudes.examples import Examples
from etudes.forms.defects import FEWEST_TRAINING, read_defects
from etudes.forms.pictures import pixel_digest
from etudes.forms.raw import RawFolder
from etudes.pipelines.anomaly_padim.parameters import ImagesParameters, SplitParameters
from etudes.splits import stratified_groups, without_repeats

FEWEST = {"dev": 2, "test": 1}  # good and defective pictures of each category


def ingest(raw_images: RawFolder, images: ImagesParameters) -> tuple[Examples, Examples, dict[str, Any]]:
    """The pictures of all categories, checked, and where they come from; returns and raises as `read_defects`."""
    train, test, digest = read_defects(raw_images, images.categories, images.resize, images.crop)
    kinds = {name: rows["kind"].value_counts() for name, rows in test.rows.groupby("category")}
    card = data_card(
        [raw_images],
        fingerprint=digest,
        categories=list(images.categories),
        train_rows=len(train),
        test_rows=len(test),
        size=images.crop,
        kinds={name: kinds[name].sort_index().to_dict() for name in images.categories},
    )
    return train, test, card


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
    both = (train_images["pixels"], test_images["pixels"])
    train_keys, test_keys = (np.array([pixel_digest(picture) for picture in part]) for part in both)
    kept, dropped = without_repeats(train_keys, test_keys)
    kinds = (test_images.rows["category"] + "/" + test_images.rows["kind"]).to_numpy(dtype=np.str_)
    is_dev = stratified_groups(kinds, test_keys, parameters.dev_fraction, parameters.seed)
    train, dev, test = train_images.take(kept), test_images.take(is_dev), test_images.take(~is_dev)
    dev.rows["fold"] = dev.rows.groupby(["category", "defective"]).cumcount() % 2
    categories = list(dict.fromkeys(test_images.rows["category"]))
    for category in categories:
        if (left := int((train.rows["category"] == category).sum())) < FEWEST_TRAINING:
            raise ValueError(
                f"{category}: {left} training pictures are left once repeated ones and those that also stand in test "
                f"are dropped; expected at least {FEWEST_TRAINING}"
            )
        for (name, fewest), part in zip(FEWEST.items(), (dev, test), strict=True):
            defects = part.rows.loc[part.rows["category"] == category, "defective"]
            good, defective = int((~defects).sum()), int(defects.sum())
            if min(good, defective) < fewest:
                raise ValueError(
                    f"{category}: {name} has {good} good and {defective} defective pictures; expected at least {fewest} "
                    "of both. Add test pictures, or change split.dev_fraction."
                )
    card = {
        "categories": categories,
        "unit": "images",
        "train_rows": len(train),
        "dev_rows": len(dev),
        "test_rows": len(test),
        **dropped,
        "dev_fingerprint": fingerprint(*sorted(test_keys[is_dev])),
    }
    return train, dev, test, card
