"""Answers to users: texts of any length and script, words of their own, files."""

from __future__ import annotations

import time
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from etudes.pipelines.pos_tagging.parameters import FormParameters
from etudes.pipelines.pos_tagging.predictor import AT_ONCE, LONGEST, TagPredictor
from etudes.pipelines.pos_tagging.tagger import MostFrequent

CLASSES = ["NOUN", "PUNCT"]


class Noting(MostFrequent):
    """Notes how long the sentences are that it is asked."""

    asked: list[int]

    def tag(self, sentences: list[list[str]]) -> tuple[np.ndarray, np.ndarray]:
        self.asked = [len(words) for words in sentences]
        return super().tag(sentences)


@pytest.fixture
def predictor() -> TagPredictor:
    model = Noting(["."], np.array([[0.0, 3.0]]), np.array([0.75, 0.25]))
    form = FormParameters(column="upos", language="en")
    return TagPredictor(model, {}, form=form, classes=CLASSES, alphabet="abcdefghijklmnopqrstuvwxyz")


def test_a_text_is_cut_and_every_word_has_a_tag(predictor: TagPredictor) -> None:
    found = predictor.predict(predictor.parse("one mill. two mills."))
    row = found.iloc[0]
    assert row["words"] == ["one", "mill", ".", "two", "mills", "."] and row["sentences"] == 2
    assert row["tags"] == ["NOUN", "NOUN", "PUNCT"] * 2 and len(row["probabilities"]) == 6
    assert predictor.describe(found) == "one/NOUN mill/NOUN ./PUNCT two/NOUN mills/NOUN ./PUNCT"


def test_words_of_the_user_are_taken_as_they_are(predictor: TagPredictor) -> None:
    found = predictor.predict(predictor.parse('{"text": "x", "words": ["can\'t", "New York"]}'))
    assert found["words"][0] == ["can't", "New York"]


@pytest.mark.parametrize("words", [[], ["a", ""], ["a", 1], {"a": 1}])
def test_words_that_are_none_are_refused(predictor: TagPredictor, words: object) -> None:
    with pytest.raises(ValueError, match=r"words in row 0 is .*; expected a list of one or more words"):
        predictor.predict(pd.DataFrame({"text": ["x"], "words": [words]}))


def test_a_text_without_a_word_is_refused(predictor: TagPredictor) -> None:
    with pytest.raises(ValueError, match="text in row 1 holds no word"):
        predictor.predict(pd.DataFrame({"text": ["mill", " \n"]}))


def test_a_hundred_thousand_words_are_all_answered(predictor: TagPredictor) -> None:
    start = time.process_time()
    found = predictor.predict(pd.DataFrame({"text": ["mill " * 99_999 + "."]}))
    assert len(found["tags"][0]) == 100_000 and max(predictor.model.asked) == AT_ONCE
    assert time.process_time() - start < 30
    told = predictor.describe(found)
    assert len(told) < 3000 and "and 99,800 more words: all 100,000 in 1 sentences are tagged" in told


def test_what_is_cut_off_is_said(predictor: TagPredictor) -> None:
    found = predictor.predict(pd.DataFrame({"text": ["x" * (LONGEST + 5)]}))
    assert "cut: the first 1,000,000 of 1,000,005 characters were read" in predictor.describe(found)


def test_another_script_is_answered_and_said(predictor: TagPredictor) -> None:
    found = predictor.predict(predictor.parse("Мельница стоит."))
    assert len(found["tags"][0]) == 3 and found["known_letters"][0] == 0.0
    assert "most of its letters are in no training text" in predictor.describe(found)
    assert np.isnan(predictor.predict(predictor.parse("42."))["known_letters"][0])


def test_a_file_keeps_its_own_words(predictor: TagPredictor, tmp_path: Path) -> None:
    path = tmp_path / "mine.CONLLU"
    line = "{}\t{}\t_\t_\t_\t_\t_\t_\t_\t_\n"
    path.write_text(line.format(1, "10 000") + line.format(2, "mills") + "\n" + line.format(1, "Stop") + "\n")
    found = predictor.predict(predictor.parse(str(path)))
    assert list(found["words"]) == [["10 000", "mills"], ["Stop"]]
    path.write_text(line.format(1, "mills") + "2 run\n\n")
    with pytest.raises(
        ValueError, match=r"mine\.CONLLU: a sentence cannot be read(.|\n)*line 2: 1 field, expected 10"
    ):
        predictor.parse(str(path))
