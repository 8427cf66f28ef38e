"""The encoder that is fine-tuned; a module of its own, because no other method of the study needs torch to be loaded."""

from __future__ import annotations

import pandas as pd

from etudes.models import register_model
from etudes.text.classifiers import EncoderClassifier


@register_model("toxic_comments.network")
class CommentEncoder(EncoderClassifier):
    """The sentence encoder on the text of a row."""

    @staticmethod
    def texts_of(frame: pd.DataFrame) -> list[str]:
        return frame["text"].tolist()
