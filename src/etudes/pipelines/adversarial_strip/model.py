"""The model that answers users. Importing this module registers every class that a model file may name."""

from __future__ import annotations

import base64
from typing import Any, Self

import numpy as np
import pandas as pd

from etudes.forms.pictures import png_bytes, read_picture
from etudes.models import ModelState, register_model
from etudes.pipelines.adversarial_strip.networks import Networks
from etudes.pipelines.adversarial_strip.scoring import answers
from etudes.pipelines.adversarial_strip.strip import Strip, Strips, paste
from etudes.serving.pictures import COLUMN, picture_frame, pictures_of

__all__ = ["Networks", "Strip", "StripPredictor", "Strips"]
BATCH = 16


@register_model("adversarial_strip.predictor")
class StripPredictor:
    """The chosen strip and its victim behind a user's photo: column ``image``, a PNG or JPEG file.

    Args:
        strip: its first strip is used.
        networks: the victim alone.
        names: class index (as text) -> name.
        size, crop: how photos are resized and cut, in pixels.
        card: where the model comes from (`etudes.serving.predictor.Predictor`).
    """

    registered_name: str
    suffix = ".png"

    def __init__(
        self,
        strip: Strip,
        networks: Networks,
        names: dict[str, str],
        size: int,
        crop: int,
        card: dict[str, Any],
    ) -> None:
        self.strip, self.networks, self.names = strip, networks, names
        self.size, self.crop, self.card = size, crop, card

    def predict(self, frame: pd.DataFrame) -> pd.DataFrame:
        """One row per photo: the class ``before`` and ``after`` the strip with their probabilities, the target's
        probability after it, whether it ``succeeded``, and the ``picture`` with the strip (PNG, base64).

        Raises:
            ValueError: no column ``image``, or an entry that is no picture or too small.
        """
        photos = np.stack([read_picture(raw, self.size, self.crop) for raw in pictures_of(frame)])
        patched = paste(photos, self.strip.pixels[0])
        target = int(self.strip.card["target"])
        view = self.networks.view(self.networks.victim)
        before, after = (answers(view, pictures, target, BATCH) for pictures in (photos, patched))
        return pd.DataFrame(
            {
                "before": [self._name(label) for label in before.predicted],
                "before_probability": before.confidence,
                "after": [self._name(label) for label in after.predicted],
                "after_probability": after.confidence,
                "target_probability": np.exp(after.of_target),
                "succeeded": after.success(target),
                "picture": [base64.b64encode(png_bytes(photo)).decode() for photo in patched],
            }
        )

    def _name(self, label: int) -> str:
        return self.names.get(str(int(label)), f"class {int(label)}")

    def example(self) -> pd.DataFrame:
        """One picture of bands of grey, as base64."""
        band = np.linspace(40, 220, self.crop).astype(np.uint8)
        pixels = np.broadcast_to(band[:, None, None], (self.crop, self.crop, 3))
        return pd.DataFrame({COLUMN: [base64.b64encode(png_bytes(np.array(pixels))).decode()]})

    def parse(self, text: str) -> pd.DataFrame:
        """The path of a PNG or JPEG file.

        Raises:
            ValueError: there is no such file, or it is no picture.
        """
        return picture_frame(text, self.size, self.crop)

    def describe(self, answer: pd.DataFrame) -> str:
        """Class before and after the strip of the first row."""
        row = answer.iloc[0]
        return (
            f"without the strip: {row['before']:<24} {row['before_probability']:6.1%}\n"
            f"with the strip:    {row['after']:<24} {row['after_probability']:6.1%}"
        )

    def draw(self, answer: pd.DataFrame) -> bytes:
        """The first photo with the strip."""
        return base64.b64decode(answer["picture"].iloc[0])

    def state(self) -> ModelState:
        config = {"names": self.names, "size": self.size, "crop": self.crop, "card": self.card}
        state = ModelState(config)
        state.nest("strip", self.strip.state())
        state.nest("networks", self.networks.state())
        return state

    @classmethod
    def from_state(cls, state: ModelState) -> Self:
        config = state.config
        strip, networks = (
            Strip.from_state(state.nested("strip")),
            Networks.from_state(state.nested("networks")),
        )
        return cls(strip, networks, config["names"], config["size"], config["crop"], config["card"])
