"""The methods of the study, one module each, and the model that answers users.

Importing this module registers every class that a model file may name.
"""

from __future__ import annotations

from typing import Any, Self

import pandas as pd

from etudes.forms.files import names_file, read_text
from etudes.forms.raw import RawFile
from etudes.models import ModelState, register_model, registered_class
from etudes.pipelines.income_classification.boosting import Boosting
from etudes.pipelines.income_classification.classifiers import Gaussian, Logistic, Majority, NaiveBayes
from etudes.pipelines.income_classification.people import (
    COLUMNS,
    FORMAT,
    LABELS,
    MISSING,
    RANGES,
    check_answers,
    parse_questions,
)
from etudes.serving.questions import json_fields, read_file, read_table, separator_of

__all__ = ["Boosting", "Gaussian", "IncomePredictor", "Logistic", "Majority", "NaiveBayes"]
SHOWN_PROBLEMS = 5
FILES = (".csv", ".data", ".test", ".tsv", ".txt")
# No model weighs how many Americans a row stands for, so a user need not know it.
OPTIONAL = "fnlwgt"


@register_model("income_classification.predictor")
class IncomePredictor:
    """The chosen variant behind a user's raw input: the columns of a census row, `people.COLUMNS`.

    A missing answer is ``?`` (or empty in a data frame). An answer that the training people never gave counts as their
    rare ones do. Numbers must be there; ``fnlwgt`` may be left out.
    """

    registered_name: str

    def __init__(self, model: Any, card: dict[str, Any]) -> None:
        self.model, self.card = model, card

    def predict(self, frame: pd.DataFrame) -> pd.DataFrame:
        """One row per person: ``income`` (the more probable answer), its ``probability``, ``probability_above_50k``.

        Raises:
            ValueError: an unknown or missing column, a number that is none or out of its range.
        """
        above = self.model.predict_proba(self._people(frame))[:, 1]
        answer = above > 0.5
        return pd.DataFrame(
            {
                "income": [LABELS[int(positive)] for positive in answer],
                "probability": [p if positive else 1 - p for p, positive in zip(above, answer, strict=True)],
                "probability_above_50k": above,
            }
        )

    def _people(self, frame: pd.DataFrame) -> pd.DataFrame:
        unknown = [str(name) for name in frame.columns if name not in COLUMNS]
        missing = [name for name in COLUMNS if name not in frame.columns and name != OPTIONAL]
        if unknown or missing:
            said = [f"unknown: {', '.join(unknown)}"] if unknown else []
            said += [f"missing: {', '.join(missing)}"] if missing else []
            raise ValueError(
                f"Columns {'; '.join(said)}. Expected {', '.join(COLUMNS)} ({OPTIONAL} is optional)"
            )
        given = frame if OPTIONAL in frame.columns else frame.assign(**{OPTIONAL: 0})
        texts = [[_text(name, value) for value in given[name]] for name in COLUMNS]
        rows, problems = [], []
        for number, fields in enumerate(zip(*texts, strict=True)):
            try:
                rows.append(check_answers(fields))
            except ValueError as error:
                problems.append(f"row {number}: {error}")
        if problems:
            raise ValueError("; ".join(problems[:SHOWN_PROBLEMS]))
        return pd.DataFrame(rows, columns=list(COLUMNS))

    def example(self) -> pd.DataFrame:
        rows = [
            "38, Private, 200000, Bachelors, 13, Married-civ-spouse, Exec-managerial, Husband, White, Male, 0, 0, 45, United-States",
            "23, ?, 150000, Some-college, 10, Never-married, ?, Own-child, Black, Female, 0, 0, 20, ?",
        ]
        # The example is the signature of the served model: what it lacks, a user need not send.
        frame = parse_questions(RawFile("example", "\n".join(rows).encode())).drop(columns=OPTIONAL)
        # As floats: a whole-number column of a served model cannot take a missing value.
        return frame.astype({name: "float64" for name in RANGES if name != OPTIONAL})

    def parse(self, text: str) -> pd.DataFrame:
        """JSON of the columns; or a line as in ``adult.data`` with or without income; or the path of a ``.csv``.

        A file whose first line names columns is read by these names, in any order; another by place, as ``adult.data``.
        In names ``_`` and ``.`` stand for ``-``; a column ``income`` is read over.
        """
        fields = json_fields(text, '{"age": 38, "workclass": "Private", ...}')
        if fields is not None:
            return pd.DataFrame([fields]).rename(columns=_column)
        if not names_file(text, FILES):
            return parse_questions(RawFile("the question", text.encode()))
        raw = read_file(text, f"people, one a line: `{FORMAT}`, the income optional")
        lines = read_text(raw)
        first = lines.lstrip().partition("\n")[0].split(separator_of(lines))
        if not {_column(name.strip(' "')) for name in first} & set(COLUMNS):
            return parse_questions(raw)
        return read_table(raw).rename(columns=_column).drop(columns="income", errors="ignore")

    def describe(self, answer: pd.DataFrame) -> str:
        """The answer and the probability of an income above 50,000 dollars, one line a person."""
        return "\n".join(
            f"{row['income']:<6} (probability of > 50K: {row['probability_above_50k']:.1%})"
            for row in answer.to_dict("records")
        )

    def state(self) -> ModelState:
        state = ModelState({"card": self.card, "class": self.model.registered_name})
        state.nest("model", self.model.state())
        return state

    @classmethod
    def from_state(cls, state: ModelState) -> Self:
        model = registered_class(state.config["class"]).from_state(state.nested("model"))
        return cls(model, state.config["card"])


def _column(name: str) -> str:
    """A column's name with the hyphens of the files, which neither JSON nor Python nor R likes."""
    return name.replace("_", "-").replace(".", "-")


def _text(name: str, value: Any) -> str:
    """A cell as it would stand in a file: 40 for 40.0, ``?`` for nothing."""
    if pd.isna(value):
        return MISSING
    if name in RANGES and not isinstance(value, str):
        number = float(value)
        return str(int(number)) if number.is_integer() else str(value)
    return str(value).strip() or MISSING
