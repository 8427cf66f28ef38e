"""Words, vocabularies and batches of sequences of unequal length."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Sequence

import numpy as np

WORD = re.compile(r"[^\W_]+(?:['’][^\W_]+)?|[^\w\s]")
PADDING, UNKNOWN = "<pad>", "<unk>"


def tokenize(text: str) -> list[str]:
    """Lower-case words (with inner apostrophes) and single punctuation marks, in the order of the text."""
    return WORD.findall(text.lower())


class Vocabulary:
    """Words and their ids: 0 is padding, 1 stands for every unknown word, then words by falling frequency."""

    def __init__(self, words: Sequence[str]) -> None:
        if list(words[:2]) != [PADDING, UNKNOWN]:
            raise ValueError(f"a vocabulary starts with {PADDING}, {UNKNOWN}; found {list(words[:2])}")
        self.words = list(words)
        self.ids = {word: index for index, word in enumerate(self.words)}

    @classmethod
    def build(cls, documents: Iterable[Sequence[str]], min_count: int, max_size: int) -> Vocabulary:
        """The most frequent words with at least ``min_count`` occurrences; ties in alphabetical order."""
        counts = Counter(word for document in documents for word in document)
        kept = sorted(
            (word for word, count in counts.items() if count >= min_count), key=lambda w: (-counts[w], w)
        )
        return cls([PADDING, UNKNOWN, *kept[: max_size - 2]])

    def __len__(self) -> int:
        return len(self.words)

    def encode(self, document: Sequence[str], max_length: int) -> np.ndarray:
        """Ids of the first ``max_length`` words, int64 (at least one: an empty document is one unknown word)."""
        ids = [self.ids.get(word, 1) for word in document[:max_length]]
        return np.array(ids or [1], dtype=np.int64)


def pad(sequences: Sequence[np.ndarray], value: int = 0) -> tuple[np.ndarray, np.ndarray]:
    """Sequences of ids as one rectangle (batch, longest) and their lengths (batch,)."""
    lengths = np.array([len(sequence) for sequence in sequences], dtype=np.int64)
    rectangle = np.full((len(sequences), int(lengths.max())), value, dtype=np.int64)
    for row, sequence in zip(rectangle, sequences, strict=True):
        row[: len(sequence)] = sequence
    return rectangle, lengths


def bucketed_batches(
    lengths: np.ndarray, batch_size: int, generator: np.random.Generator, spread: int = 20
) -> list[np.ndarray]:
    """Shuffled batches of indices whose members have like lengths, so that little is padding.

    Indices are shuffled, sorted by length inside windows of ``spread`` batches, cut, and the batches shuffled.
    """
    order = generator.permutation(len(lengths))
    window = batch_size * spread
    batches: list[np.ndarray] = []
    for start in range(0, len(order), window):
        part = order[start : start + window]
        part = part[np.argsort(lengths[part], kind="stable")]
        batches += [part[i : i + batch_size] for i in range(0, len(part), batch_size)]
    return [batches[i] for i in generator.permutation(len(batches))]


def sorted_batches(lengths: np.ndarray, batch_size: int) -> list[np.ndarray]:
    """Batches for inference: by falling length, so that memory peaks at once and little is padding."""
    order = np.argsort(-lengths, kind="stable")
    return [order[i : i + batch_size] for i in range(0, len(order), batch_size)]
