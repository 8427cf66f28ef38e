"""The methods of the study, one module each, and the model that answers users.

Importing this module registers every class that a model file may name.
"""

from __future__ import annotations

import base64
from typing import Any, Self

import numpy as np
import pandas as pd
import torch

from etudes.forms.pictures import png_bytes, read_picture
from etudes.models import ModelState, register_model
from etudes.pipelines.anomaly_padim.backbone import Backbone
from etudes.pipelines.anomaly_padim.detector import Detector, Statistics, colour_vectors, image_scores
from etudes.pipelines.anomaly_padim.importance import Importance
from etudes.pipelines.anomaly_padim.parameters import ImagesParameters
from etudes.pipelines.anomaly_padim.pictures import overlay
from etudes.serving.pictures import picture_frame, pictures_of
from etudes.serving.questions import json_fields

__all__ = ["AnomalyPredictor", "Backbone", "Detector", "Importance", "Statistics"]

CATEGORY = "category"
GREY = 128


@register_model("anomaly_padim.predictor")
class AnomalyPredictor:
    """The chosen variant behind a user's picture: columns ``image`` and (optional) ``category``.

    Args:
        detector: the variant.
        backbone: the network it looks through, with its weights; None for a variant that needs none.
        images: how pictures are resized and cut.
        card: where it comes from.
    """

    registered_name: str
    suffix = ".png"

    def __init__(
        self, detector: Detector, backbone: Backbone | None, images: ImagesParameters, card: dict[str, Any]
    ) -> None:
        self.detector, self.backbone, self.images, self.card = detector, backbone, images, card

    @property
    def categories(self) -> list[str]:
        return list(self.detector.gaussians)

    def predict(self, frame: pd.DataFrame) -> pd.DataFrame:
        """One row per picture: ``category``, ``score``, ``threshold``, ``anomalous`` and ``heat_map``.

        A picture without a category is taken for the one whose normal pictures it resembles most: the smallest median
        of heat map / threshold. The heat map is a PNG in base64, laid over the picture on the scale
        of the threshold (`pictures.overlay`).

        Raises:
            ValueError: no column ``image``, an entry that is no picture, or an unknown category.
        """
        pictures = pictures_of(frame)
        asked = frame[CATEGORY] if CATEGORY in frame.columns else [""] * len(frame)
        answers = []
        for row, (picture, category) in enumerate(zip(pictures, asked, strict=True)):
            pixels = read_picture(picture, self.images.resize, self.images.crop)
            answers.append(self._answer(pixels, self._category(category, row)))
        return pd.DataFrame(answers)

    def _category(self, category: Any, row: int) -> str | None:
        if category == "" or pd.isna(category):
            return None
        if category not in self.categories:
            raise ValueError(
                f"{CATEGORY} in row {row}: '{category}' is not known; expected one of {', '.join(self.categories)}, "
                "or nothing"
            )
        return str(category)

    def _answer(self, pixels: np.ndarray, category: str | None) -> dict[str, Any]:
        device = torch.device("cpu")
        if self.backbone is None:
            vectors = next(colour_vectors(pixels[None], 1, device))
        else:
            vectors = next(self.backbone.embed(pixels[None], self.detector.channels, 1, device))
        thresholds = self.detector.thresholds
        maps = {
            name: self.detector.maps(vectors, name)[0]
            for name in ([category] if category else self.categories)
        }
        found = category or min(maps, key=lambda name: float(np.median(maps[name])) / thresholds[name])
        score, threshold = float(image_scores(maps[found][None])[0]), thresholds[found]
        picture = png_bytes(overlay(pixels, maps[found], threshold))
        return {
            CATEGORY: found,
            "score": score,
            "threshold": threshold,
            "anomalous": score > threshold,
            "heat_map": base64.b64encode(picture).decode(),
        }

    def example(self) -> pd.DataFrame:
        """A plain grey picture: it shows the form of the input, and holds nobody's data."""
        size = self.images.crop
        grey = png_bytes(np.full((size, size, 3), GREY, dtype=np.uint8))
        return pd.DataFrame({"image": [base64.b64encode(grey).decode()], CATEGORY: [self.categories[0]]})

    def parse(self, text: str) -> pd.DataFrame:
        """The path of a picture, or JSON with ``image`` (a path) and ``category``."""
        expected = (
            f'{{"image": path, "category": name}}, the name one of {", ".join(self.categories)}, or left out'
        )
        fields = json_fields(text, expected, known=("image", CATEGORY))
        if fields is None:
            fields = {"image": text}
        if not isinstance(fields.get("image"), str):
            raise ValueError(f"The input has no path under image; expected {expected}")
        frame = picture_frame(fields["image"], self.images.resize, self.images.crop)
        return frame.assign(**{CATEGORY: fields.get(CATEGORY, "")})

    def describe(self, answer: pd.DataFrame) -> str:
        """The verdict on the first picture."""
        row = answer.iloc[0]
        verdict = "anomalous" if row["anomalous"] else "normal"
        return f"{verdict}: score {row['score']:.2f}, threshold {row['threshold']:.2f} (category {row[CATEGORY]})"

    def draw(self, answer: pd.DataFrame) -> bytes:
        """The heat map over the first picture."""
        return base64.b64decode(answer["heat_map"].iloc[0])

    def state(self) -> ModelState:
        state = ModelState({"card": self.card, "images": self.images.model_dump(mode="json")})
        state.nest("detector", self.detector.state())
        if self.backbone is not None:
            state.nest("backbone", self.backbone.state())
        return state

    @classmethod
    def from_state(cls, state: ModelState) -> Self:
        backbone = Backbone.from_state(state.nested("backbone")) if "backbone" in state.config else None
        images = ImagesParameters.model_validate(state.config["images"])
        return cls(Detector.from_state(state.nested("detector")), backbone, images, state.config["card"])
