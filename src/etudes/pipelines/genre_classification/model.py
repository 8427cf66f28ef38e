"""The methods of the study, one module each, and the model that answers users.

Importing this module registers every class that a model file may name.
"""

from __future__ import annotations

from typing import Any, Self

import numpy as np
import pandas as pd

from etudes.forms.files import unix_lines
from etudes.models import ModelState, register_model, registered_class
from etudes.pipelines.genre_classification.bilstm import BiLSTMClassifier
from etudes.pipelines.genre_classification.combination import Combination
from etudes.pipelines.genre_classification.doc2vec import Doc2VecClassifier
from etudes.pipelines.genre_classification.encoder import EncoderClassifier, EncoderProbe
from etudes.pipelines.genre_classification.films import parse_title
from etudes.pipelines.genre_classification.linear import Majority, TfidfClassifier
from etudes.pipelines.genre_classification.spacy_textcat import SpacyClassifier
from etudes.serving.questions import json_fields, text_or_file

__all__ = [
    "BiLSTMClassifier",
    "Combination",
    "Doc2VecClassifier",
    "EncoderClassifier",
    "EncoderProbe",
    "GenrePredictor",
    "Majority",
    "SpacyClassifier",
    "TfidfClassifier",
]


@register_model("genre_classification.predictor")
class GenrePredictor:
    """The chosen variant behind a user's raw input: columns ``title`` (may be empty, may carry a year) and ``plot``."""

    registered_name: str

    def __init__(self, model: Any, genres: list[str], card: dict[str, Any]) -> None:
        self.model, self.genres, self.card = model, genres, card

    def predict(self, frame: pd.DataFrame) -> pd.DataFrame:
        """One row per film: ``genre``, its ``probability``, and ``probabilities`` of all genres as a mapping.

        Raises:
            ValueError: no column ``plot``, or a plot that is empty or no text.
        """
        films = self._films(frame)
        probabilities = self.model.predict_proba(films)
        best = probabilities.argmax(1)
        return pd.DataFrame(
            {
                "genre": [self.genres[index] for index in best],
                "probability": probabilities[np.arange(len(best)), best],
                "probabilities": [
                    {genre: float(p) for genre, p in zip(self.genres, row, strict=True)}
                    for row in probabilities
                ],
            }
        )

    def _films(self, frame: pd.DataFrame) -> pd.DataFrame:
        if "plot" not in frame.columns:
            raise ValueError(f"expected the columns plot and (optional) title; found {list(frame.columns)}")
        empty = [i for i, plot in enumerate(frame["plot"]) if not isinstance(plot, str) or not plot.strip()]
        if empty:
            raise ValueError(f"plot is empty or no text in rows {empty[:5]}; expected a text in every row")
        titles = frame["title"] if "title" in frame.columns else [""] * len(frame)
        parsed = [parse_title(title if isinstance(title, str) else "") for title in titles]
        return pd.DataFrame(
            {
                "title": [title.name for title in parsed],
                "year": pd.array([title.year for title in parsed], dtype="Int32"),
                "series": [title.series for title in parsed],
                "plot": [unix_lines(plot) for plot in frame["plot"]],
            }
        )

    def example(self) -> pd.DataFrame:
        return pd.DataFrame(
            {
                "title": ["The Paper Lantern (1998)", '"Second Helping" (2011)'],
                "plot": [
                    "A retired inspector is drawn back into a case of murder that he never solved.",
                    "Six amateur cooks compete each week for a place in the final.",
                ],
            }
        )

    def parse(self, text: str) -> pd.DataFrame:
        """A plot; or JSON with ``title`` and ``plot``; or the path of a text file with a plot."""
        fields = json_fields(text, '{"title": ..., "plot": ...}', known=("title", "plot"))
        if fields is None:
            fields = {"plot": text_or_file(text)}
        return pd.DataFrame([{"title": fields.get("title", ""), "plot": fields.get("plot", "")}])

    def describe(self, answer: pd.DataFrame) -> str:
        """The three most probable genres of the first row."""
        ranked = sorted(answer["probabilities"].iloc[0].items(), key=lambda pair: -pair[1])[:3]
        return "\n".join(f"{genre:<12} {probability:6.1%}" for genre, probability in ranked)

    def state(self) -> ModelState:
        state = ModelState({"genres": self.genres, "card": self.card, "class": self.model.registered_name})
        state.nest("model", self.model.state())
        return state

    @classmethod
    def from_state(cls, state: ModelState) -> Self:
        model = registered_class(state.config["class"]).from_state(state.nested("model"))
        return cls(model, state.config["genres"], state.config["card"])
