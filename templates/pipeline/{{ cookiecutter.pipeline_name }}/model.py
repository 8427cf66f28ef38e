"""The model that answers users.

Importing this module registers every class that a model file may name.
"""

from __future__ import annotations

from typing import Any, Self

import numpy as np
import pandas as pd

from etudes.models import ModelState, register_model, registered_class
from etudes.pipelines.{{ cookiecutter.pipeline_name }}.methods import (
    MostFrequent,
    NearestCentroid,
)
from etudes.pipelines.{{ cookiecutter.pipeline_name }}.table import parse_questions
from etudes.serving.questions import read_file

__all__ = ["MostFrequent", "NearestCentroid", "TablePredictor"]


@register_model("{{ cookiecutter.pipeline_name }}.predictor")
class TablePredictor:
    """The chosen variant behind a user's raw input: a row of measurements.

    Args:
        model: the variant.
        measurements: names of the columns, in the order of the model.
        classes: names of the classes, in the order of the model.
        middle: a value of each measurement that is usual (the training median), for the example.
        card: where the model comes from, see `etudes.serving.predictor`.
    """

    registered_name: str

    def __init__(
        self,
        model: Any,
        measurements: list[str],
        classes: list[str],
        middle: list[float],
        card: dict[str, Any],
    ) -> None:
        self.model, self.measurements, self.classes = model, measurements, classes
        self.middle, self.card = middle, card

    def predict(self, frame: pd.DataFrame) -> pd.DataFrame:
        """One row for each row of measurements: ``label`` (the most probable class) and its ``probability``.

        Raises:
            ValueError: a measurement that is missing, unknown, or no finite number.
        """
        missing = [name for name in self.measurements if name not in frame.columns]
        unknown = [str(name) for name in frame.columns if name not in self.measurements]
        if missing or unknown:
            said = [f"missing: {', '.join(missing)}"] if missing else []
            said += [f"unknown: {', '.join(unknown)}"] if unknown else []
            raise ValueError(f"Columns {'; '.join(said)}. Expected {', '.join(self.measurements)}")
        numbers = frame[self.measurements].apply(pd.to_numeric, errors="coerce")
        matrix = numbers.to_numpy(dtype=np.float64, na_value=np.nan)
        bad = np.argwhere(~np.isfinite(matrix))
        if len(bad):
            row, column = bad[0]
            name = self.measurements[column]
            raise ValueError(f"row {row}: {name} is {frame[name].iloc[row]!r}, expected a finite number")
        probabilities = self.model.predict_proba(matrix)
        best = probabilities.argmax(axis=1)
        return pd.DataFrame(
            {
                "label": [self.classes[k] for k in best],
                "probability": probabilities[np.arange(len(best)), best],
            }
        )

    def example(self) -> pd.DataFrame:
        return pd.DataFrame([self.middle], columns=self.measurements)

    def parse(self, text: str) -> pd.DataFrame:
        """A line of measurements in the order of the table, or the path of a ``.csv`` with a header."""
        if text.endswith(".csv"):
            return parse_questions(read_file(text, "a CSV file with a header"), self.measurements)
        fields = text.split(",")
        if len(fields) != len(self.measurements):
            raise ValueError(
                f"found {len(fields)} numbers, expected {len(self.measurements)}: {', '.join(self.measurements)}"
            )
        return pd.DataFrame([[field.strip() for field in fields]], columns=self.measurements)

    def describe(self, answer: pd.DataFrame) -> str:
        """One line a row."""
        return "\n".join(
            f"{row['label']} (probability {row['probability']:.1%})" for row in answer.to_dict("records")
        )

    def state(self) -> ModelState:
        state = ModelState(
            {
                "class": self.model.registered_name,
                "measurements": self.measurements,
                "classes": self.classes,
                "middle": self.middle,
                "card": self.card,
            }
        )
        state.nest("model", self.model.state())
        return state

    @classmethod
    def from_state(cls, state: ModelState) -> Self:
        config = {key: state.config[key] for key in ("measurements", "classes", "middle", "card")}
        return cls(registered_class(state.config["class"]).from_state(state.nested("model")), **config)
