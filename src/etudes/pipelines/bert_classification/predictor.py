"""The model that answers users."""

from __future__ import annotations

import pandas as pd

from etudes.models import register_model
from etudes.serving.predictor import Column, Predictor
from etudes.serving.texts import cut_note, refuse_blank

LONGEST = 20_000  # characters that are looked at, eighty times the longest sentence of the public data
FEW = 0.5  # share of a text's letters that are in training texts, below which an answer says little


@register_model("bert_classification.predictor")
class ReviewPredictor(Predictor):
    """The chosen variant behind a user's text; ``classes`` are the names of its two answers, ``letters`` those of the training texts."""

    classes: list[str]
    letters: str
    columns = (
        Column(
            "text",
            "text",
            examples=(
                "a moving story , and the cast is brilliant from first to last",
                "hardly a funny moment in it , and the script is dull",
            ),
        ),
    )

    def answer(self, frame: pd.DataFrame) -> pd.DataFrame:
        """One row per text: ``answer``, its ``probability``, that of the second class, ``characters`` and ``characters_read``, and
        ``known_letters``, the share of its letters that a training text has; empty where it has none.

        Raises:
            ValueError: a text of nothing but spaces.
        """
        refuse_blank(frame["text"])
        texts = [text[:LONGEST] for text in frame["text"]]
        p = self.model.predict_proba(pd.DataFrame({"text": texts}))
        reads = getattr(self.model, "characters_read", lambda texts: [len(text) for text in texts])
        return pd.DataFrame(
            {
                "answer": [self.classes[k] for k in p.argmax(axis=1)],
                "probability": p.max(axis=1),
                self.classes[1]: p[:, 1],
                "characters": frame["text"].str.len().to_numpy(),
                "characters_read": reads(texts),
                "known_letters": [_share(text, self.letters) for text in texts],
            }
        )

    def describe(self, answer: pd.DataFrame) -> str:
        """The answer, and what it does not rest on."""
        lines = []
        for row in answer.to_dict("records"):
            lines.append(f"{row['answer']}  {row['probability']:.1%}")
            lines += cut_note(row)
            if not row["known_letters"] >= FEW:
                lines.append("few of its letters, if any, are in the training texts: the answer says little")
        return "\n".join(lines)


def _share(text: str, letters: str) -> float:
    found = [letter for letter in text.lower() if letter.isalpha()]
    return sum(letter in letters for letter in found) / len(found) if found else float("nan")
