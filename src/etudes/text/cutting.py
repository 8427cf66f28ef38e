"""From a text to sentences of words, by spaCy's rules for a language; nothing is learned."""

from __future__ import annotations

from collections.abc import Callable
from functools import lru_cache

from etudes.imports import uncollected

Cut = Callable[[str], list[list[str]]]


@lru_cache(maxsize=4)
def cutter(language: str) -> Cut:
    """A function from a text to its sentences, each the words of it without spaces; none for a text without words.

    Words are cut by the language's rules (``don't`` is *do* and *n't*), sentences end at ``.``, ``!`` and ``?`` that stand for themselves.

    Args:
        language: spaCy's code, such as ``en``; ``xx`` for rules of any language.

    Raises:
        ValueError: spaCy has no rules for it.
    """
    with uncollected():
        import spacy
    try:
        nlp = spacy.blank(language)
    except ImportError as error:
        raise ValueError(
            f"language = '{language}': spaCy has no rules for it; expected a code such as en, or xx for any language"
        ) from error
    ends = nlp.create_pipe("sentencizer")

    def cut(text: str) -> list[list[str]]:
        document = ends(nlp.tokenizer(text))
        sentences = [[token.text for token in sentence if not token.is_space] for sentence in document.sents]
        return [words for words in sentences if words]

    return cut
