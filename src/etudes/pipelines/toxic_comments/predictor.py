"""The model that answers users."""

from __future__ import annotations

import pandas as pd

from etudes.models import register_model
from etudes.serving.predictor import Column, Predictor
from etudes.serving.texts import cut_note, refuse_blank
from etudes.text.tokens import tokenize

LONGEST = 20_000  # characters that are read, four times the longest comment of the public data


@register_model("toxic_comments.predictor")
class CommentPredictor(Predictor):
    """The chosen variant behind a user's text; ``classes`` are the names of its two answers."""

    classes: list[str]
    columns = (
        Column(
            "text",
            "text",
            examples=("Thank you for mending the page on the windmill.", "Shut up, you nincompoop!"),
        ),
    )

    def answer(self, frame: pd.DataFrame) -> pd.DataFrame:
        """One row per text: ``answer``, its ``probability``, that of the second class (``toxic``), ``characters_read``, and
        ``known_words``, the share of its words that a training text has; empty where the model sees no words.

        Raises:
            ValueError: a text of nothing but spaces.
        """
        refuse_blank(frame["text"])
        texts = [text[:LONGEST] for text in frame["text"]]
        p = self.model.predict_proba(pd.DataFrame({"text": texts}))
        vocabulary = self._vocabulary()
        return pd.DataFrame(
            {
                "answer": [self.classes[k] for k in p.argmax(axis=1)],
                "probability": p.max(axis=1),
                self.classes[1]: p[:, 1],
                "characters": frame["text"].str.len().to_numpy(),
                "characters_read": [len(text) for text in texts],
                "known_words": [_share(tokenize(text), vocabulary) for text in texts],
            }
        )

    def _vocabulary(self) -> set[str]:
        blocks = getattr(self.model, "blocks", [])
        return {term for block in blocks if getattr(block, "view", "") == "words" for term in block.terms}

    def describe(self, answer: pd.DataFrame) -> str:
        """The answer, and what it does not rest on."""
        lines = []
        for row in answer.to_dict("records"):
            lines.append(f"{row['answer']}  {row['probability']:.1%}")
            lines += cut_note(row)
            if row["known_words"] == 0:
                lines.append("none of its words is in the training texts: the answer says little")
        return "\n".join(lines)


def _share(words: list[str], vocabulary: set[str]) -> float:
    letters = [word for word in words if word[0].isalnum()]
    if not letters or not vocabulary:
        return float("nan")
    return sum(word in vocabulary for word in letters) / len(letters)
