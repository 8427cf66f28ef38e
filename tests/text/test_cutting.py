"""Texts are cut into sentences of words."""

from __future__ import annotations

import pytest

from etudes.text.cutting import cutter


def test_sentences_of_words_without_the_spaces() -> None:
    found = cutter("en")("  I don't  know.\n\nWho does? Nobody!")
    assert found == [["I", "do", "n't", "know", "."], ["Who", "does", "?"], ["Nobody", "!"]]


def test_nothing_has_no_sentence_and_any_script_has_words() -> None:
    assert cutter("en")(" \n ") == []
    assert cutter("xx")("Он спит. ") == [["Он", "спит", "."]]


def test_a_language_without_rules_is_refused() -> None:
    with pytest.raises(ValueError, match="language = 'qq': spaCy has no rules"):
        cutter("qq")
