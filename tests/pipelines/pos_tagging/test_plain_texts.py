"""Tags on plain texts, whose words the rules cut."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from etudes.benches.parameters import ResamplingParameters
from etudes.pipelines.pos_tagging.parameters import FormParameters
from etudes.pipelines.pos_tagging.plain import from_text, spans


def frame(*sentences: list[tuple[str, str]], texts: tuple[str, ...] = ()) -> pd.DataFrame:
    words, tags = ([[pair[k] for pair in own] for own in sentences] for k in (0, 1))
    given = texts or [" ".join(own) for own in words]
    return pd.DataFrame({"id": range(len(words)), "text": given, "words": words, "tags": tags})


def test_spans_are_places_among_the_characters() -> None:
    assert spans(["do", "n't", "10 000"]) == [(0, 2), (2, 5), (5, 10)]


class Nouns:
    """Takes every word for a noun."""

    def tag(self, sentences: list[list[str]]) -> tuple[np.ndarray, np.ndarray]:
        count = sum(map(len, sentences))
        return np.zeros(count, dtype=np.int64), np.tile([0.9, 0.1], (count, 1))


def test_scores_on_a_plain_text_are_counted_by_hand() -> None:
    """Of five words the rules cut three as the file has them (don't, which the file leaves whole, is cut in two); two of these are nouns."""
    test = frame(
        [("Mills", "NOUN"), ("don't", "VERB"), ("run", "VERB"), ("fast", "NOUN")],
        [("oops", "NOUN")],
        texts=("Mills don't run fast", "another text"),
    )
    how = ResamplingParameters(resamples=100), FormParameters(column="upos", language="en")
    histories = {"linear": {"dev": {"accuracy": 1.0}}}
    found = from_text(test, {"linear": Nouns()}, histories, {"classes": ["NOUN", "VERB"]}, how[1], how[0])
    assert list(found["f1"]) == [pytest.approx(2 * 3 / (4 + 5)), pytest.approx(2 * 2 / (4 + 5))]
    assert list(found["sentences"]) == [1, 1]
    nothing = from_text(
        test.assign(text=""), {"linear": Nouns()}, histories, {"classes": ["NOUN"]}, how[1], how[0]
    )
    assert not len(nothing)


def test_a_text_is_tagged_sentence_by_sentence_as_users_are_answered() -> None:
    class Noted(Nouns):
        def tag(self, sentences: list[list[str]]) -> tuple[np.ndarray, np.ndarray]:
            self.asked = sentences
            return super().tag(sentences)

    model, words = Noted(), ["Mills", "run", ".", "They", "stop", "."]
    how = FormParameters(column="upos", language="en"), ResamplingParameters(resamples=100)
    test = frame([(word, "NOUN") for word in words])
    found = from_text(
        test, {"linear": model}, {"linear": {"dev": {"accuracy": 1.0}}}, {"classes": ["NOUN"]}, *how
    )
    assert model.asked == [words[:3], words[3:]] and list(found["f1"]) == [1.0, 1.0]
