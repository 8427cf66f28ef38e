"""From a folder of pictures to splits whose near-duplicates stay on one side; and the user's picture."""

from __future__ import annotations

import base64
from pathlib import PurePosixPath
from typing import Any

import numpy as np
import pandas as pd

from etudes.cards import examples_fingerprint
from etudes.examples import Examples
from etudes.forms.pictures import png_bytes, read_picture
from etudes.forms.raw import RawFolder
from etudes.models import register_model
from etudes.pipelines.food_classification.parameters import PicturesParameters
from etudes.serving.predictor import Column, Predictor
from etudes.splits import stratified_groups
from etudes.vision import class_folders

TEST = "test"
BANDS = 96  # pixels of the example's side


def ingest(raw_pictures: RawFolder, pictures: PicturesParameters) -> tuple[Examples, dict[str, Any]]:
    """All pictures (`etudes.vision.class_folders.ingest`), and whether each lies in a folder ``test`` (``reviewed``)."""
    examples, card = class_folders.ingest(raw_pictures, pictures.side)
    reviewed = [TEST in PurePosixPath(name).parts[:-2] for name in examples.rows["id"]]
    return Examples(examples.rows.assign(reviewed=reviewed), examples.arrays), card


def split(
    photographs_images: Examples, pictures: PicturesParameters
) -> tuple[Examples, Examples, Examples, dict[str, Any]]:
    """Train, dev and test. Test are the pictures in a folder of that name; where there is none, a share of each class.

    Of near-duplicates on both sides of a folder's split, those to train on are dropped.

    Raises:
        ValueError: a class without pictures in one of the parts.
    """
    kept, card = class_folders.grouped(photographs_images, pictures.duplicate_bits)
    labels, group, is_test = (kept.rows[name].to_numpy() for name in ("label", "group", "reviewed"))
    if not is_test.any():
        is_test = stratified_groups(labels, group, pictures.test_fraction, pictures.seed)
    twin = ~is_test & np.isin(group, group[is_test])
    rest = kept.take(~is_test & ~twin)
    rest_labels, rest_group = (rest.rows[name].to_numpy() for name in ("label", "group"))
    is_dev = stratified_groups(rest_labels, rest_group, pictures.dev_fraction, pictures.seed)
    parts = {"train": rest.take(~is_dev), "dev": rest.take(is_dev), "test": kept.take(is_test)}
    for name, part in parts.items():
        counts = np.bincount(part.rows["label"], minlength=len(card["classes"]))
        if counts.min() < 1:
            raise ValueError(
                f"no picture of the class '{card['classes'][int(counts.argmin())]}' is in {name}; expected at least one of "
                "each class in train, dev and test. Add pictures, or raise pictures.dev_fraction or test_fraction."
            )
    split_card = {
        **card,
        "unit": "pictures",
        "side": pictures.side,
        **{f"{name}_rows": len(part) for name, part in parts.items()},
        "dropped_because_in_test": int(twin.sum()),
        "dev_fingerprint": examples_fingerprint(parts["dev"]),
    }
    return *parts.values(), split_card


def _example() -> str:
    """A pale disk on a brown table, as a PNG in base64."""
    y, x = np.mgrid[:BANDS, :BANDS] / (BANDS - 1) - 0.5
    sheet = np.where((np.hypot(x, y) < 0.4)[..., None], [235, 225, 190], [120, 80, 50]).astype(np.uint8)
    return base64.b64encode(png_bytes(sheet)).decode()


@register_model("food_classification.predictor")
class DishPredictor(Predictor):
    """The chosen variant behind a user's picture; ``side`` and ``classes`` are those it was trained on."""

    side: int
    classes: list[str]
    columns = (Column("image", "picture", about="one dish", examples=(_example(),)),)

    def answer(self, frame: pd.DataFrame) -> pd.DataFrame:
        """One row per picture: ``dish``, ``probability``, ``probabilities`` of all classes.

        Raises:
            ValueError: an entry that is no picture.
        """
        found = []
        for row, picture in enumerate(frame["image"]):
            try:
                found.append(read_picture(picture, self.side, self.side))
            except ValueError as error:
                raise ValueError(f"image in row {row}: {error}") from error
        shape = (0, self.side, self.side, 3)
        pixels = np.stack(found) if found else np.zeros(shape, np.uint8)
        rows = pd.DataFrame({"id": [str(row) for row in range(len(found))]})
        probabilities = self.model.predict_proba(Examples(rows, {"pixels": pixels}))
        best = probabilities.argmax(1)
        return pd.DataFrame(
            {
                "dish": [self.classes[k] for k in best],
                "probability": probabilities[np.arange(len(best)), best],
                "probabilities": [
                    dict(zip(self.classes, map(float, row), strict=True)) for row in probabilities
                ],
            }
        )

    def describe(self, answer: pd.DataFrame) -> str:
        """The three most probable dishes of the first picture."""
        ranked = sorted(answer["probabilities"].iloc[0].items(), key=lambda pair: -pair[1])[:3]
        return "\n".join(f"{dish}  {probability:6.1%}" for dish, probability in ranked)
