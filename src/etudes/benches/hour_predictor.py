"""A forecaster behind a user's table of consecutive hours."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pandas as pd

from etudes.benches.hours import latest
from etudes.forms.hours import BELOW_ZERO
from etudes.models import register_model
from etudes.serving.predictor import Column, Predictor


@register_model("hours.predictor")
class HoursPredictor(Predictor):
    """The chosen variant behind a table of consecutive hours: ``hour`` of the day, and the measurements of ``split_card``.

    The model has ``hours``, k of them, that a forecast sees, and ``forecasts(windows)``, a mapping of names to values (N,). Every
    hour from the k-th on is answered; the ones before, of which too little is known, are not.
    """

    split_card: dict[str, Any]

    @property
    def columns(self) -> tuple[Column, ...]:
        k: int = self.model.hours
        pairs = zip(self.split_card["measurements"], self.split_card["train_medians"], strict=True)
        hour = Column(
            "hour", "whole", low=0, high=23, about="hour of the day", examples=tuple(n % 24 for n in range(k))
        )
        return (
            hour,
            *(
                Column(name, "number", low=-math.inf if name in BELOW_ZERO else 0, examples=(middle,) * k)
                for name, middle in pairs
            ),
        )

    def answer(self, frame: pd.DataFrame) -> pd.DataFrame:
        """The forecasts after each hour; NaN where fewer than k hours are known.

        Raises:
            ValueError: fewer than k rows, or an hour that does not follow that before it.
        """
        k, hour = self.model.hours, frame["hour"].to_numpy()
        if len(frame) < k:
            raise ValueError(f"found {len(frame)} hours; expected {k} consecutive ones or more")
        wrong = np.flatnonzero((np.diff(hour) - 1) % 24)
        if len(wrong):
            row = int(wrong[0]) + 1
            raise ValueError(
                f"hour in row {row} is {hour[row]} after {hour[row - 1]}; expected consecutive hours, nothing is filled in"
            )
        found = self.model.forecasts(latest(frame.drop(columns="hour"), hour, k))
        before = np.full(k - 1, np.nan)
        return pd.DataFrame({name: np.concatenate([before, values]) for name, values in found.items()})

    def describe(self, answer: pd.DataFrame) -> str:
        """The forecasts after the last hour, a line for each."""
        return "\n".join(
            f"{str(name).replace('_', ' ')}: {value:.1f}" for name, value in answer.iloc[-1].items()
        )
