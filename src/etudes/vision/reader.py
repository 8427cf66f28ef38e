"""A classifier of small pictures behind a user's picture."""

from __future__ import annotations

import base64

import numpy as np
import pandas as pd

from etudes.examples import Examples
from etudes.forms.pictures import png_bytes, read_picture
from etudes.models import register_model
from etudes.serving.predictor import Column, Predictor

SHOWN = 3  # classes in a terminal


@register_model("vision.picture_reader")
class PictureReader(Predictor):
    """The chosen variant (probabilities (N, K) of examples with an array ``pixels``) behind a picture of any size.

    The middle square of a picture is shrunk to the ``side`` that the model was trained on; ``classes`` are their names.
    """

    side: int
    classes: list[str]

    @property
    def columns(self) -> tuple[Column, ...]:
        """The picture; the example shows bands of grey."""
        bands = np.linspace(40, 220, self.side).astype(np.uint8)[:, None, None]
        example = base64.b64encode(png_bytes(np.tile(bands, (1, self.side, 3)))).decode()
        return (Column("image", "picture", about="one object, in its middle", examples=(example,)),)

    def answer(self, frame: pd.DataFrame) -> pd.DataFrame:
        """One row a picture: ``class``, ``probability``, ``probabilities`` by class."""
        pixels = np.stack([read_picture(raw, self.side, self.side) for raw in frame["image"]])
        rows = pd.DataFrame({"id": [str(row) for row in range(len(pixels))]})
        found = self.model.predict_proba(Examples(rows, {"pixels": pixels}))
        best = found.argmax(1)
        return pd.DataFrame(
            {
                "class": [self.classes[label] for label in best],
                "probability": found[np.arange(len(best)), best],
                "probabilities": [dict(zip(self.classes, map(float, row), strict=True)) for row in found],
            }
        )

    def describe(self, answer: pd.DataFrame) -> str:
        """The most probable classes of the first picture."""
        ranked = sorted(answer["probabilities"].iloc[0].items(), key=lambda pair: -pair[1])[:SHOWN]
        width = max(len(name) for name, _ in ranked)
        return "\n".join(f"{name:<{width}}  {probability:6.1%}" for name, probability in ranked)
