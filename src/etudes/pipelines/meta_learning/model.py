"""The method's modules, and the model that answers users. Importing this registers every class a model file may name."""

from __future__ import annotations

import json
import math
from typing import Any, Self

import numpy as np
import pandas as pd
import torch

from etudes.models import ModelState, register_model
from etudes.pipelines.meta_learning.adaptation import Tasks
from etudes.pipelines.meta_learning.families import LAST_STEP
from etudes.pipelines.meta_learning.parameters import SinusoidParameters
from etudes.pipelines.meta_learning.starts import Start, Starts

__all__ = ["SinusoidPredictor", "Start", "Starts"]

COLUMNS = ("support_x", "support_y", "query_x")
EXPECTED = '{"support": [[x, y], ...], "query": [x, ...]}'


@register_model("meta_learning.predictor")
class SinusoidPredictor:
    """The chosen start, adapted to a user's few points of one sinusoid; then it answers at other places.

    Columns ``support_x``, ``support_y`` and ``query_x``, each a list of numbers (or the JSON text of one); one row is
    one task.
    """

    registered_name: str

    def __init__(self, start: Start, card: dict[str, Any]) -> None:
        self.start, self.card = start, card

    def predict(self, frame: pd.DataFrame) -> pd.DataFrame:
        """One row per task: ``query_x`` and ``query_y``, JSON lists of the same length; ``steps`` taken.

        Raises:
            ValueError: a column is missing, a value is no list of numbers, lists of different lengths, or an x
                outside the range of the tasks that the start was made for.
        """
        missing = [name for name in COLUMNS if name not in frame.columns]
        if missing:
            raise ValueError(
                f"expected the columns {', '.join(COLUMNS)}; {', '.join(missing)} missing in {list(frame.columns)}"
            )
        rows = []
        for number, row in enumerate(frame[list(COLUMNS)].to_dict("records")):
            support_x, support_y, query_x = (
                _numbers(row[name], f"{name} in row {number}") for name in COLUMNS
            )
            if len(support_x) != len(support_y):
                raise ValueError(
                    f"row {number}: {len(support_x)} values in support_x and {len(support_y)} in support_y; expected "
                    "one y for each x"
                )
            self._check_range([*support_x, *query_x], number)
            answer = self._adapted(support_x, support_y, query_x)
            rows.append({"query_x": json.dumps(query_x), "query_y": json.dumps(answer), "steps": LAST_STEP})
        return pd.DataFrame(rows, columns=["query_x", "query_y", "steps"])

    def _adapted(self, support_x: list[float], support_y: list[float], query_x: list[float]) -> list[float]:
        x, y, query = (torch.tensor(values).view(1, -1, 1) for values in (support_x, support_y, query_x))
        places = torch.cat([query, x], dim=1)
        answers = self.start.answers(Tasks(x, y, places, torch.zeros_like(places)), (0, LAST_STEP))[
            0, :, :, 0
        ]
        count = len(query_x)
        # On the very points that the steps learn from, an error that grew beyond the largest amplitude is no answer. Where
        # the start was nearly right, a small error may grow a little and the answer is still good.
        errors = np.square(answers[:, count:] - np.asarray(support_y)).mean(axis=1)
        found = answers[1, :count]
        if not np.isfinite(answers).all() or errors[1] > max(errors[0], self._parameters.amplitude[1] ** 2):
            raise ValueError(
                "ten gradient steps from these points diverge; expected y within a few times the amplitudes "
                f"{list(self._parameters.amplitude)} that the start was made for"
            )
        return [round(float(value), 6) for value in found]

    @property
    def _parameters(self) -> SinusoidParameters:
        assert isinstance(self.start.parameters, SinusoidParameters)
        return self.start.parameters

    def _check_range(self, values: list[float], row: int) -> None:
        low, high = self._parameters.range
        outside = [value for value in values if not low <= value <= high]
        if outside:
            raise ValueError(
                f"row {row}: x = {outside[0]:g} lies outside {low:g}..{high:g}, where the start knows the tasks; leave it out"
            )

    def example(self) -> pd.DataFrame:
        """Five points of 2 sin(x + 1)."""
        x = [-4.0, -2.0, 0.0, 1.5, 3.0]
        y = [round(2 * math.sin(value + 1), 3) for value in x]
        return pd.DataFrame(
            {"support_x": [json.dumps(x)], "support_y": [json.dumps(y)], "query_x": [json.dumps([-1.0, 2.0])]}
        )

    def parse(self, text: str) -> pd.DataFrame:
        """JSON with ``support``, a list of pairs [x, y], and ``query``, a list of x.

        Raises:
            ValueError: anything else.
        """
        try:
            fields = json.loads(text)
        except json.JSONDecodeError as error:
            raise ValueError(f"The input is no JSON: {error}. Expected {EXPECTED}") from error
        if not isinstance(fields, dict) or set(fields) != {"support", "query"}:
            found = ", ".join(fields) if isinstance(fields, dict) else type(fields).__name__
            raise ValueError(f"Found {found}; expected {EXPECTED}")
        pairs = fields["support"]
        if not isinstance(pairs, list) or not all(
            isinstance(pair, list) and len(pair) == 2 for pair in pairs
        ):
            raise ValueError(f"support is no list of pairs; expected {EXPECTED}")
        return pd.DataFrame(
            {
                "support_x": [json.dumps([pair[0] for pair in pairs])],
                "support_y": [json.dumps([pair[1] for pair in pairs])],
                "query_x": [json.dumps(fields["query"])],
            }
        )

    def describe(self, answer: pd.DataFrame) -> str:
        """The first task's answers, one a line."""
        row = answer.iloc[0]
        pairs = zip(json.loads(row["query_x"]), json.loads(row["query_y"]), strict=True)
        lines = [f"x {x:8.3f}   y {y:8.3f}" for x, y in pairs]
        return "\n".join([*lines, f"after {row['steps']} gradient steps"])

    def state(self) -> ModelState:
        state = ModelState({"card": self.card})
        state.nest("start", self.start.state())
        return state

    @classmethod
    def from_state(cls, state: ModelState) -> Self:
        return cls(Start.from_state(state.nested("start")), state.config["card"])


def _numbers(value: Any, place: str) -> list[float]:
    """A list of finite numbers, at least one, from a list, an array or the JSON text of one."""
    if isinstance(value, str):
        try:
            value = json.loads(value)
        except json.JSONDecodeError as error:
            raise ValueError(f"{place}: the text is no JSON ({error}); expected a list of numbers") from error
    if isinstance(value, np.ndarray):
        value = value.tolist()
    good = isinstance(value, list | tuple) and len(value) > 0
    if not good or any(
        isinstance(v, bool) or not isinstance(v, int | float) or not math.isfinite(v) for v in value
    ):
        raise ValueError(f"{place}: found {str(value)[:60]!r}; expected a list of one or more finite numbers")
    return [float(v) for v in value]
