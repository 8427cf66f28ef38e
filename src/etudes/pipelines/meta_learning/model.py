"""The method's modules, and the model that answers users. Importing this registers every class a model file may name."""

from __future__ import annotations

import json
import math
from typing import Any

import numpy as np
import pandas as pd
import torch

from etudes.models import register_model
from etudes.pipelines.meta_learning.adaptation import Tasks
from etudes.pipelines.meta_learning.families import LAST_STEP
from etudes.pipelines.meta_learning.starts import Starts
from etudes.serving.predictor import Column, Predictor

__all__ = ["SinusoidPredictor", "Starts"]

EXAMPLE = [[x, round(2 * math.sin(x + 1), 3)] for x in (-4.0, -2.0, 0.0, 1.5, 3.0)]


@register_model("meta_learning.predictor")
class SinusoidPredictor(Predictor):
    """The chosen variant's start, adapted to a user's few points of one sinusoid; then it answers at other places.

    One row is one task.
    """

    columns = (
        Column("support", "json", about="pairs [x, y]", examples=(EXAMPLE,)),
        Column("query", "json", about="a list of x", examples=([-1.0, 2.0],)),
    )

    @property
    def usage(self) -> str:
        return '{"support": [[x, y], ...], "query": [x, ...]}'

    def answer(self, frame: pd.DataFrame) -> pd.DataFrame:
        """One row per task: ``query_x`` and ``query_y``, JSON lists of the same length; ``steps`` taken.

        Raises:
            ValueError: a value is no list of numbers or pairs, an x lies outside the range of the tasks that the start was
                made for, or the steps lead away from the given points.
        """
        rows = []
        for row, (support, query) in enumerate(zip(frame["support"], frame["query"], strict=True)):
            pairs = _numbers(support, (2,), f"support in row {row}", "a list of pairs [x, y]")
            places = _numbers(query, (), f"query in row {row}", "a list of numbers x")
            low, high = self.model.sinusoids.parameters.range
            for x in (*pairs[:, 0], *places):
                if not low <= x <= high:
                    raise ValueError(
                        f"row {row}: x = {x:g} lies outside {low:g}..{high:g}, where the start knows the tasks; leave it out"
                    )
            answer = self._adapted(pairs, places)
            rows.append([json.dumps(places.tolist()), json.dumps(answer), LAST_STEP])
        return pd.DataFrame(rows, columns=["query_x", "query_y", "steps"])

    def _adapted(self, pairs: np.ndarray, places: np.ndarray) -> list[float]:
        start = self.model.sinusoids
        points = torch.tensor(pairs, dtype=torch.float32)
        x, y = points[None, :, :1], points[None, :, 1:]
        query = torch.cat([torch.tensor(places, dtype=torch.float32).view(1, -1, 1), x], dim=1)
        answers = start.answers(Tasks(x, y, query, query), (0, LAST_STEP))[0, :, :, 0]
        # On the very points that the steps learn from, an error that grew beyond the largest amplitude is no answer. Where
        # the start was nearly right, a small error may grow a little and the answer is still good.
        before, after = np.square(answers[:, len(places) :] - pairs[:, 1]).mean(axis=1)
        if not np.isfinite(answers).all() or after > max(before, start.parameters.amplitude[1] ** 2):
            raise ValueError(
                "ten gradient steps from these points diverge; expected y within a few times the amplitudes "
                f"{list(start.parameters.amplitude)} that the start was made for"
            )
        return [round(float(value), 6) for value in answers[1, : len(places)]]

    def describe(self, answer: pd.DataFrame) -> str:
        """The first task's answers, one a line."""
        row = answer.iloc[0]
        pairs = zip(json.loads(row["query_x"]), json.loads(row["query_y"]), strict=True)
        lines = [f"x {x:8.3f}   y {y:8.3f}" for x, y in pairs]
        return "\n".join([*lines, f"after {row['steps']} gradient steps"])


def _numbers(value: Any, shape: tuple[int, ...], place: str, expected: str) -> np.ndarray:
    """One or more finite numbers, or lists of them of this shape: (n, *shape), float64."""
    try:
        numbers = np.array(value, dtype=object)
        if numbers.shape[1:] == shape and all(type(v) in (int, float) for v in numbers.ravel()):
            numbers = numbers.astype(np.float64)
            if numbers.size and np.isfinite(numbers).all():
                return numbers
    except (ValueError, OverflowError):  # lists of several lengths, whole numbers beyond all bounds
        pass
    raise ValueError(f"{place} is {str(value)[:60]!r}; expected {expected}, one or more, all finite")
