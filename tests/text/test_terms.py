"""Bag of words and TF-IDF against scikit-learn's vectorisers."""

from __future__ import annotations

import numpy as np
import pytest
from sklearn.feature_extraction.text import CountVectorizer, TfidfVectorizer

from etudes.text.terms import (
    character_terms,
    count_terms,
    document_frequency,
    inverse_frequency,
    tfidf,
    word_terms,
)
from etudes.text.tokens import tokenize

TEXTS = (
    "The windmill,  the WINDMILL is mine!",
    "I do not agree: a mill is no windmill.",
    "a b\tcd\n\nefg Été it's",
    "...",
    "",
)


def bag(analyser: object) -> tuple[object, list[str]]:
    return count_terms(map(analyser, TEXTS))  # type: ignore[arg-type]


@pytest.mark.parametrize("longest", [1, 3])
def test_words_are_counted_as_scikit_learn_counts_them(longest: int) -> None:
    theirs = CountVectorizer(tokenizer=tokenize, token_pattern=None, ngram_range=(1, longest))
    expected = theirs.fit_transform(TEXTS)
    counts, terms = count_terms(word_terms(text, longest) for text in TEXTS)
    assert terms == theirs.get_feature_names_out().tolist()
    np.testing.assert_array_equal(counts.toarray(), expected.toarray())


@pytest.mark.parametrize("runs", [(1, 1), (2, 5), (4, 9)])
def test_runs_of_characters_are_counted_as_scikit_learn_counts_them(runs: tuple[int, int]) -> None:
    theirs = CountVectorizer(analyzer="char_wb", ngram_range=runs)
    expected = theirs.fit_transform(TEXTS)
    counts, terms = count_terms(character_terms(text, *runs) for text in TEXTS)
    assert terms == theirs.get_feature_names_out().tolist()
    np.testing.assert_array_equal(counts.toarray(), expected.toarray())


@pytest.mark.parametrize("sublinear", [False, True])
def test_tfidf_is_that_of_scikit_learn(sublinear: bool) -> None:
    theirs = TfidfVectorizer(tokenizer=tokenize, token_pattern=None, sublinear_tf=sublinear)
    expected = theirs.fit_transform(TEXTS)
    counts, _ = count_terms(map(word_terms, TEXTS))
    inverse = inverse_frequency(counts)
    np.testing.assert_allclose(inverse, theirs.idf_, atol=1e-12)
    np.testing.assert_allclose(tfidf(counts, inverse, sublinear).toarray(), expected.toarray(), atol=1e-10)


def test_a_term_inside_another_word_is_in_no_document_for_that() -> None:
    """The original asked whether a document's text holds the term: *mill* was in every *windmill*."""
    counts, terms = count_terms(map(word_terms, TEXTS))
    frequency = dict(zip(terms, document_frequency(counts), strict=True))
    assert (frequency["mill"], frequency["windmill"]) == (1, 2)
