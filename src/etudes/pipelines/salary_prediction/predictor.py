"""The model that answers users."""

from __future__ import annotations

import numpy as np
import pandas as pd

from etudes.models import register_model
from etudes.pipelines.salary_prediction.advertisements import CATEGORIES, DESCRIPTION, SALARY, TITLE
from etudes.serving.predictor import Column, Predictor
from etudes.serving.texts import cut_note, refuse_blank
from etudes.text.tokens import tokenize

LONGEST = 20_000  # characters of a description that are read, twice the longest of the public data
EXAMPLES = {
    TITLE: ("Staff Nurse", "Head Chef"),
    DESCRIPTION: (
        "A registered nurse is wanted for a care home in Leeds, nights, experience in dementia care.",
        "Our hotel in Surrey seeks a head chef who leads a brigade of eight.",
    ),
    "LocationRaw": ("Leeds, West Yorkshire", "Surrey"),
    "Category": ("Healthcare & Nursing Jobs", "Hospitality & Catering Jobs"),
}


@register_model("salary_prediction.predictor")
class SalaryPredictor(Predictor):
    """The chosen variant behind an advertisement; ``coverage`` is the share of salaries that its intervals aim to hold."""

    coverage: float
    vocabulary: list[str]
    ignored = ("Id", "SalaryRaw", SALARY)  # a row of the public file may be asked as it is
    columns = tuple(
        Column(
            name,
            "text",
            required=name == DESCRIPTION,
            default=None if name == DESCRIPTION else "",
            examples=EXAMPLES.get(name, ()),
        )
        for name in (TITLE, DESCRIPTION, *CATEGORIES)
    )

    def answer(self, frame: pd.DataFrame) -> pd.DataFrame:
        """One row for each advertisement: ``salary``, ``low`` and ``high`` in GBP a year, ``characters`` of its description and
        ``characters_read``, and ``known_words``, the share of its words that a training advertisement has.

        Raises:
            ValueError: a description of nothing but spaces.
        """
        refuse_blank(frame[DESCRIPTION])
        rows = frame.fillna("")
        rows[DESCRIPTION] = rows[DESCRIPTION].str.slice(0, LONGEST)
        known = set(self.vocabulary)
        words = [
            [word for word in tokenize(f"{title} {text}") if word[0].isalnum()]
            for title, text in zip(rows[TITLE], rows[DESCRIPTION], strict=True)
        ]
        found = self.model.predict(rows)
        return pd.DataFrame(
            {
                "salary": np.exp(found).round(-1),
                "low": np.exp(found - self.model.margin).round(-1),
                "high": np.exp(found + self.model.margin).round(-1),
                "characters": frame[DESCRIPTION].str.len().to_numpy(),
                "characters_read": rows[DESCRIPTION].str.len().to_numpy(),
                "known_words": [sum(w in known for w in own) / len(own) if own else 0.0 for own in words],
            }
        )

    def describe(self, answer: pd.DataFrame) -> str:
        """The amount with its interval, and what it does not rest on."""
        lines = []
        for row in answer.to_dict("records"):
            lines.append(
                f"{row['salary']:,.0f} GBP a year ({row['low']:,.0f} to {row['high']:,.0f} in {self.coverage:.0%} of cases)"
            )
            lines += cut_note(row)
            if row["known_words"] == 0:
                lines.append("none of its words is in the training advertisements: the amount says little")
        return "\n".join(lines)
