"""The model that answers users. Loading it imports the chosen method alone: a TF-IDF classifier needs no torch."""

from __future__ import annotations

import numpy as np
import pandas as pd

from etudes.models import register_model
from etudes.pipelines.genre_classification.films import described
from etudes.serving.predictor import Column, Predictor
from etudes.serving.texts import refuse_blank


@register_model("genre_classification.predictor")
class GenrePredictor(Predictor):
    """The chosen variant behind a user's film; ``genres`` are the names of its classes."""

    genres: list[str]
    columns = (
        Column(
            "plot",
            "text",
            examples=(
                "A gang of thieves plans to rob a bank, and the heist goes wrong.",
                "Six amateur cooks compete each week for a place in the final.",
            ),
        ),
        Column(
            "title",
            "text",
            required=False,
            default="",
            about="may carry a year",
            examples=("The Paper Lantern (1998)", '"Second Helping" (2011)'),
        ),
    )

    def answer(self, frame: pd.DataFrame) -> pd.DataFrame:
        """One row per film: ``genre``, its ``probability``, and ``probabilities`` of all genres as a mapping.

        Raises:
            ValueError: a plot of nothing but spaces.
        """
        refuse_blank(frame["plot"])
        probabilities = self.model.predict_proba(described(frame))
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

    def describe(self, answer: pd.DataFrame) -> str:
        """The three most probable genres of the first row."""
        ranked = sorted(answer["probabilities"].iloc[0].items(), key=lambda pair: -pair[1])[:3]
        return "\n".join(f"{genre:<12} {probability:6.1%}" for genre, probability in ranked)
