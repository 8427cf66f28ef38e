"""A network behind a user's photo whose answer is a picture too."""

from __future__ import annotations

import base64

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from etudes.forms.pictures import png_text, read_picture
from etudes.serving.predictor import Column, Predictor
from etudes.vision.victims import Victims, View


class PhotoPredictor(Predictor):
    """Answers with a column ``picture`` (PNG, base64), which is the file of the answer.

    Parts: ``networks``, the network alone; ``names``, class index (as text) -> name; ``size`` and ``crop``, how photos
    are resized and cut, in pixels.
    """

    suffix = ".png"
    networks: Victims
    names: dict[str, str]
    size: int
    crop: int

    @property
    def columns(self) -> tuple[Column, ...]:
        """The photo; the example is a bright square before bands of grey."""
        bands = np.tile(np.linspace(40, 180, self.crop).astype(np.uint8)[:, None, None], (1, self.crop, 3))
        bands[self.crop // 3 : 2 * self.crop // 3, self.crop // 3 : 2 * self.crop // 3] = (230, 90, 40)
        return (Column("image", "picture", examples=(png_text(bands),)),)

    @property
    def view(self) -> View:
        """How the network sees photos."""
        return self.networks.view(self.networks.victim)

    def photos(self, frame: pd.DataFrame) -> NDArray[np.uint8]:
        """The user's photos as the network was shown others (N, crop, crop, 3)."""
        return np.stack([read_picture(raw, self.size, self.crop) for raw in frame["image"]])

    def draw(self, answer: pd.DataFrame) -> bytes:
        """The first picture."""
        return base64.b64decode(answer["picture"].iloc[0])
