"""Kinds of words, differences of variants, and tags on plain texts."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from etudes.evaluation.tagging import TaggingSums
from etudes.pipelines.pos_tagging.evaluation import KINDS, from_text, gains, kinds, spans
from etudes.pipelines.pos_tagging.parameters import EvaluationParameters, FormParameters


def frame(*sentences: list[tuple[str, str]], texts: tuple[str, ...] = ()) -> pd.DataFrame:
    words, tags = ([[pair[k] for pair in own] for own in sentences] for k in (0, 1))
    given = texts or [" ".join(own) for own in words]
    return pd.DataFrame({"id": range(len(words)), "text": given, "words": words, "tags": tags})


def test_a_word_is_of_the_kind_that_training_makes_it() -> None:
    train = frame([("light", "NOUN"), ("light", "VERB"), ("mill", "NOUN")])
    test = frame([("mill", "NOUN"), ("light", "VERB")], [("light", "ADJ"), ("Mill", "NOUN")])
    assert list(kinds(train, test)) == list(KINDS)


def test_gains_are_of_variants_that_ran() -> None:
    truth, sentence = np.array([0, 1, 0, 1]), np.array([0, 0, 1, 2])
    unseen, chances = np.array([True, False, False, False]), np.ones(4)

    def sums(predicted: list[int]) -> TaggingSums:
        return TaggingSums.of(truth, np.array(predicted), chances, sentence, unseen, 2)

    found = gains({"linear": sums([0, 1, 0, 1]), "most_frequent": sums([1, 1, 0, 1])}, 100)
    (row,) = found.to_dict("records")
    assert (row["variant"], row["against"], row["gain"], row["unseen_gain"]) == (
        "linear",
        "most_frequent",
        0.25,
        1.0,
    )
    assert row["sentence_gain"] == pytest.approx(1 / 3)


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
    how = EvaluationParameters(resamples=100), FormParameters(column="upos", language="en")
    histories = {"linear": {"dev": {"accuracy": 1.0}}}
    found = from_text(test, {"linear": Nouns()}, histories, {"classes": ["NOUN", "VERB"]}, how[1], how[0])
    assert list(found["f1"]) == [pytest.approx(2 * 3 / (4 + 5)), pytest.approx(2 * 2 / (4 + 5))]
    assert list(found["sentences"]) == [1, 1]
    nothing = from_text(
        test.assign(text=""), {"linear": Nouns()}, histories, {"classes": ["NOUN"]}, how[1], how[0]
    )
    assert not len(nothing)
