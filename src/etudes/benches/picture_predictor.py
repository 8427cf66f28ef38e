"""A classifier of pictures behind a user's picture."""

from __future__ import annotations

import base64

import numpy as np
import pandas as pd

from etudes.examples import Examples
from etudes.forms.pictures import png_bytes, read_picture
from etudes.models import register_model
from etudes.serving.predictor import Column, Predictor

BANDS = 96  # pixels of the example's side


def _example() -> str:
    """A pale disk on a brown table, as a PNG in base64."""
    y, x = np.mgrid[:BANDS, :BANDS] / (BANDS - 1) - 0.5
    sheet = np.where((np.hypot(x, y) < 0.4)[..., None], [235, 225, 190], [120, 80, 50]).astype(np.uint8)
    return base64.b64encode(png_bytes(sheet)).decode()


@register_model("classifiers.pictures")
class PicturePredictor(Predictor):
    """The chosen variant behind a user's picture; ``side`` and ``classes`` are those it was trained on."""

    side: int
    classes: list[str]
    columns = (Column("image", "picture", about="one thing of the classes", examples=(_example(),)),)

    def answer(self, frame: pd.DataFrame) -> pd.DataFrame:
        """One row per picture: ``class``, ``probability``, ``probabilities`` of all classes.

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
                "class": [self.classes[k] for k in best],
                "probability": probabilities[np.arange(len(best)), best],
                "probabilities": [
                    dict(zip(self.classes, map(float, row), strict=True)) for row in probabilities
                ],
            }
        )

    def describe(self, answer: pd.DataFrame) -> str:
        """The three most probable classes of the first picture."""
        ranked = sorted(answer["probabilities"].iloc[0].items(), key=lambda pair: -pair[1])[:3]
        return "\n".join(f"{name}  {probability:6.1%}" for name, probability in ranked)
