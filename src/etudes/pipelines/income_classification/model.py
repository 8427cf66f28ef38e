"""The model that answers users. Importing this module registers every class that a model file may name."""

from __future__ import annotations

import numpy as np
import pandas as pd

from etudes.forms.files import names_file, read_text
from etudes.forms.raw import RawFile
from etudes.models import register_model
from etudes.pipelines.income_classification.boosting import Boosting
from etudes.pipelines.income_classification.classifiers import LinearClassifier
from etudes.pipelines.income_classification.people import (
    COLUMNS,
    FORMAT,
    LABELS,
    QUESTIONS,
    parse_questions,
)
from etudes.serving.columns import check_names
from etudes.serving.predictor import Predictor
from etudes.serving.questions import read_file, read_table, separator_of
from etudes.serving.rows import rows_of

__all__ = ["Boosting", "IncomePredictor", "LinearClassifier"]
FILES = (".csv", ".tsv", ".txt", ".data", ".test")


@register_model("income_classification.predictor")
class IncomePredictor(Predictor):
    """The chosen variant behind a user's raw input: the columns of a census row, `people.COLUMNS`.

    A missing answer is ``?`` (or empty). An answer that the training people never gave counts as their rare ones do.
    Numbers must be there; ``fnlwgt`` may be left out.
    """

    columns = QUESTIONS

    def answer(self, frame: pd.DataFrame) -> pd.DataFrame:
        """One row per person: ``income`` (the more probable answer), its ``probability``, ``probability_above_50k``."""
        above = self.model.predict_proba(frame)[:, 1]
        positive = above > 0.5
        return pd.DataFrame(
            {
                "income": np.where(positive, LABELS[1], LABELS[0]),
                "probability": np.where(positive, above, 1 - above),
                "probability_above_50k": above,
            }
        )

    def parse(self, text: str) -> pd.DataFrame:
        """JSON of the columns; or a line as in ``adult.data`` with or without income; or the path of a file of them.

        A ``.csv`` file whose first line names columns is read by these names, in any order; another by place, as
        ``adult.data``. In names ``_`` and ``.`` stand for ``-``; a column ``income`` is read over.
        """
        if text.lstrip().startswith(("{", "[")):
            frame = rows_of(text, self.columns, self.usage).rename(columns=_hyphens)
            check_names(list(frame.columns), self.columns)
            return frame
        if not names_file(text, FILES):
            return parse_questions(RawFile("the question", text.encode()))
        raw = read_file(text, f"people, one a line: `{FORMAT}`, the income optional")
        lines = read_text(raw)
        first = lines.lstrip().partition("\n")[0].split(separator_of(lines))
        if not {_hyphens(name.strip(' "')) for name in first} & set(COLUMNS):
            return parse_questions(raw)
        return read_table(raw).rename(columns=_hyphens).drop(columns="income", errors="ignore")

    def describe(self, answer: pd.DataFrame) -> str:
        """The answer and the probability of an income above 50,000 dollars, one line a person."""
        return "\n".join(
            f"{row['income']:<6} (probability of > 50K: {row['probability_above_50k']:.1%})"
            for row in answer.to_dict("records")
        )


def _hyphens(name: str) -> str:
    """A column's name with the hyphens of the files, which neither JSON nor Python nor R likes."""
    return name.replace("_", "-").replace(".", "-")
