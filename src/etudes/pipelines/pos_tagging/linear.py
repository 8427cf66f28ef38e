"""What can be seen in and around a word, with a weight for each tag (after Ratnaparkhi 1996), alone or as a chain (Lafferty et al. 2001)."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from functools import lru_cache
from typing import Any

import numpy as np
from numpy.typing import NDArray
from torch import Tensor, nn

from etudes.cards import fingerprint
from etudes.models import register_model
from etudes.networks import NetworkModel
from etudes.pipelines.pos_tagging.tagger import Tagging
from etudes.text.tagging import IntArray, SequenceTagger

AFFIXES = range(1, 6)
BEYOND = "\n"  # stands for the words before the first and after the last; no word is a line end
TOGETHER = "\n\n"  # between parts of a feature
CLASSES = ((r"[^\W\d_]", lambda m: "X" if m[0].isupper() else "x"), (r"\d", lambda m: "9"))


@lru_cache(maxsize=100_000)
def of_word(word: str) -> tuple[str, ...]:
    """Features of a word by itself: how it is written, in small letters, its shape, what it begins and ends with."""
    lower = word.lower()
    affixes = [
        f"{side}{lower[:n] if side == '^' else lower[-n:]}"
        for n in AFFIXES
        for side in "^$"
        if len(lower) >= n
    ]
    return (f"={word}", f"~{lower}", f"#{shape(word)}", *affixes)


@lru_cache(maxsize=100_000)
def shape(word: str) -> str:
    """Classes of characters, X capital, x small, 9 digit, runs of one class shortened to two: ``McDonald's`` is ``XxXxx'x``."""
    for pattern, stands in CLASSES:
        word = re.sub(pattern, stands, word)
    return re.sub(r"(.)\1{2,}", r"\1\1", word)


def features(words: Sequence[str]) -> Iterator[tuple[str, ...]]:
    """The features of each word of a sentence: its own, two words to either side, pairs of neighbours, shapes and ends of neighbours."""
    padded = [BEYOND, BEYOND, *(word.lower() for word in words), BEYOND, BEYOND]
    shapes = [BEYOND, *map(shape, words), BEYOND]
    for t, word in enumerate(words):
        before2, before, own, after, after2 = padded[t : t + 5]
        yield (
            *of_word(word),
            f"-2{before2}",
            f"-1{before}",
            f"+1{after}",
            f"+2{after2}",
            f"-1={before}{TOGETHER}{own}",
            f"+1={own}{TOGETHER}{after}",
            f"-+{before}{TOGETHER}{after}",
            f"-2-1{before2}{TOGETHER}{before}",
            f"-1#{shapes[t]}{TOGETHER}{shapes[t + 1]}",
            f"+1#{shapes[t + 2]}",
            f"-1$3{before[-3:]}",
            f"-1$2{before[-2:]}",
            f"+1$3{after[-3:]}",
            f"+1$2{after[-2:]}",
        )


class FeatureTagger(SequenceTagger):
    """The emission of tag k is the sum of its weights of the word's features: ids (B, T, F), 0 for none -> (B, T, K)."""

    def __init__(self, features: int, tags: int, chained: bool) -> None:
        super().__init__(tags, chained)
        self.weights = nn.Embedding(features, tags, padding_idx=0)
        nn.init.zeros_(self.weights.weight)

    def emissions(self, inputs: Sequence[Tensor], lengths: Tensor) -> Tensor:
        return self.weights(inputs[0]).sum(dim=2)


class FeatureInputs:
    """Ids (T, F) of the features of each word of each sentence, 0 for one that has no weight."""

    def __init__(self, sentences: Sequence[Sequence[str]], ids: Mapping[str, int]) -> None:
        self.lengths: IntArray = np.array([len(words) for words in sentences], dtype=np.int64)
        self.found = []
        for words in sentences:
            rows = [[ids.get(name, 0) for name in own] for own in features(words)]
            width = max(map(len, rows))
            self.found.append(np.array([[*row, *[0] * (width - len(row))] for row in rows], dtype=np.int64))

    @property
    def fingerprint(self) -> str:
        return fingerprint(*self.found)

    def batch(self, rows: NDArray) -> tuple[NDArray, ...]:
        own = [self.found[row] for row in rows]
        box = np.zeros((len(own), max(map(len, own)), max(part.shape[1] for part in own)), dtype=np.int64)
        for place, part in zip(box, own, strict=True):
            place[: part.shape[0], : part.shape[1]] = part
        return (box,)


@register_model("pos_tagging.linear")
class LinearTagger(NetworkModel, Tagging):
    """`FeatureTagger` with the ``names`` of its features, whose first id is 1."""

    network_class = FeatureTagger

    def encode(self, sentences: Sequence[Sequence[str]]) -> FeatureInputs:
        return FeatureInputs(sentences, {name: k for k, name in enumerate(self.names, start=1)})


def make_linear(sentences: Sequence[Sequence[str]], tags: int, chained: bool, fewest: int) -> LinearTagger:
    """Untrained, with the features that ``fewest`` or more words of the sentences have."""
    counts = Counter(name for words in sentences for own in features(words) for name in own)
    names = sorted(name for name, count in counts.items() if count >= fewest)
    config: dict[str, Any] = {"features": len(names) + 1, "tags": tags, "chained": chained}
    return LinearTagger(FeatureTagger(**config), config, names=names)
