"""The methods of the study, one module each, and the model that answers users.

Importing this module registers every class that a model file may name.
"""

from __future__ import annotations

import base64
from typing import Any

import numpy as np
import pandas as pd
import torch

from etudes.forms.pictures import png_bytes, read_picture
from etudes.models import register_model
from etudes.pipelines.anomaly_padim.backbone import Backbone
from etudes.pipelines.anomaly_padim.detector import Detector, Statistics, colour_vectors, image_scores
from etudes.pipelines.anomaly_padim.importance import Importance
from etudes.pipelines.anomaly_padim.parameters import ImagesParameters
from etudes.pipelines.anomaly_padim.pictures import overlay
from etudes.serving.predictor import Column, Predictor

__all__ = ["AnomalyPredictor", "Backbone", "Detector", "Importance", "Statistics"]

CATEGORY = "category"
GREY = 128


@register_model("anomaly_padim.predictor")
class AnomalyPredictor(Predictor):
    """The chosen variant, a `Detector`, behind a user's picture.

    ``backbone`` is the network it looks through, None for a variant that needs none; ``images`` says how pictures are
    resized and cut.
    """

    suffix = ".png"
    backbone: Backbone | None
    images: ImagesParameters

    @property
    def categories(self) -> list[str]:
        return list(self.model.gaussians)

    @property
    def columns(self) -> tuple[Column, ...]:
        """A picture, and (optional) the category that it is of. A plain grey picture is the example: nobody's data."""
        size = self.images.crop
        grey = base64.b64encode(png_bytes(np.full((size, size, 3), GREY, dtype=np.uint8))).decode()
        categories = tuple(self.categories)
        return (
            Column("image", "picture", examples=(grey,)),
            Column(CATEGORY, "text", required=False, choices=categories, examples=categories[:1]),
        )

    def answer(self, frame: pd.DataFrame) -> pd.DataFrame:
        """One row per picture: ``category``, ``score``, ``threshold``, ``anomalous`` and ``heat_map``.

        A picture without a category is taken for the one whose normal pictures it resembles most: the smallest median
        of heat map / threshold. The heat map is a PNG in base64, laid over the picture on the scale
        of the threshold (`pictures.overlay`).

        Raises:
            ValueError: an entry that is no picture, or too small.
        """
        answers = []
        for picture, category in zip(frame["image"], frame[CATEGORY], strict=True):
            pixels = read_picture(picture, self.images.resize, self.images.crop)
            answers.append(self._answer(pixels, None if pd.isna(category) else category))
        return pd.DataFrame(answers)

    def _answer(self, pixels: np.ndarray, category: str | None) -> dict[str, Any]:
        device = torch.device("cpu")
        if self.backbone is None:
            vectors = next(colour_vectors(pixels[None], 1, device))
        else:
            vectors = next(self.backbone.embed(pixels[None], self.model.channels, 1, device))
        thresholds = self.model.thresholds
        maps = {
            name: self.model.maps(vectors, name)[0] for name in ([category] if category else self.categories)
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

    def describe(self, answer: pd.DataFrame) -> str:
        """The verdict on the first picture."""
        row = answer.iloc[0]
        verdict = "anomalous" if row["anomalous"] else "normal"
        return f"{verdict}: score {row['score']:.2f}, threshold {row['threshold']:.2f} (category {row[CATEGORY]})"

    def draw(self, answer: pd.DataFrame) -> bytes:
        """The heat map over the first picture."""
        return base64.b64decode(answer["heat_map"].iloc[0])
