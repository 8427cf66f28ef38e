"""The methods of the study, one module each, and the model that answers users.

Importing this module registers every class that a model file may name.
"""

from __future__ import annotations

import base64
from typing import Any

import numpy as np
import pandas as pd
import torch

from etudes.benches.detectors import image_scores
from etudes.forms.pictures import png_text, read_picture
from etudes.models import register_model
from etudes.pipelines.anomaly_padim.backbone import Backbone
from etudes.pipelines.anomaly_padim.detector import Colours, Detector, Statistics
from etudes.pipelines.anomaly_padim.importance import Importance
from etudes.pipelines.anomaly_padim.parameters import ImagesParameters
from etudes.serving.predictor import Column, Predictor
from etudes.vision.heat_maps import overlay

__all__ = ["AnomalyPredictor", "Backbone", "Detector", "Importance", "Statistics"]

GREY = 128


@register_model("anomaly_padim.predictor")
class AnomalyPredictor(Predictor):
    """The chosen variant, a `Detector`, behind a user's picture.

    ``backbone`` is the network it looks through, left out of a variant that needs none; ``images`` says how pictures are
    resized and cut.
    """

    suffix = ".png"
    images: ImagesParameters

    def __init__(self, model: Detector, card: dict[str, Any], backbone: Backbone | None, images: Any) -> None:
        network = backbone if model.source == "network" else None
        super().__init__(model, card, backbone=network, images=images)
        self.through: Any = network or Colours()

    @property
    def columns(self) -> tuple[Column, ...]:
        """A picture, and (optional) the category that it is of. A plain grey picture is the example: nobody's data."""
        size, known = self.images.crop, tuple(self.model.gaussians)
        grey = png_text(np.full((size, size, 3), GREY, dtype=np.uint8))
        return (
            Column("image", "picture", examples=(grey,)),
            Column("category", "text", required=False, choices=known, examples=known[:1]),
        )

    def answer(self, frame: pd.DataFrame) -> pd.DataFrame:
        """One row per picture: ``category``, ``score``, ``threshold``, ``anomalous`` and ``heat_map``.

        A picture without a category is taken for the one whose normal pictures it resembles most: the smallest median
        of heat map / threshold. The heat map is a PNG in base64, laid over the picture on the scale of the threshold
        (`etudes.vision.heat_maps.overlay`).

        Raises:
            ValueError: an entry that is no picture, or too small.
        """
        rows = []
        for picture, category in zip(frame["image"], frame["category"], strict=True):
            pixels = read_picture(picture, self.images.resize, self.images.crop)
            known = list(self.model.gaussians) if pd.isna(category) else [category]
            rows.append(self._answer(pixels, known))
        return pd.DataFrame(rows)

    def _answer(self, pixels: np.ndarray, categories: list[str]) -> dict[str, Any]:
        model, thresholds = self.model, self.model.thresholds
        vectors = next(self.through.embed(pixels[None], model.channels, 1, torch.device("cpu")))
        maps = {name: model.maps(vectors, name) for name in categories}
        found = min(maps, key=lambda name: float(np.median(maps[name])) / thresholds[name])
        score, threshold = float(image_scores(maps[found])[0]), thresholds[found]
        return {
            "category": found,
            "score": score,
            "threshold": threshold,
            "anomalous": score > threshold,
            "heat_map": png_text(overlay(pixels, maps[found][0], threshold)),
        }

    def describe(self, answer: pd.DataFrame) -> str:
        """The verdict on the first picture."""
        row = answer.iloc[0]
        verdict = "anomalous" if row["anomalous"] else "normal"
        return f"{verdict}: score {row['score']:.2f}, threshold {row['threshold']:.2f} (category {row['category']})"

    def draw(self, answer: pd.DataFrame) -> bytes:
        """The heat map over the first picture."""
        return base64.b64decode(answer["heat_map"].iloc[0])
