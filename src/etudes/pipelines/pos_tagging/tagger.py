"""What every tagger of this study answers, and the one that answers without learning."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from etudes.models import register_model
from etudes.stored import Stored
from etudes.text.tagging import FloatArray, Inputs, IntArray, tags_of


class Tagging(ABC):
    """Answers sentences with a network that reads what ``encode`` makes of them."""

    network: Any

    @abstractmethod
    def encode(self, sentences: Sequence[Sequence[str]]) -> Inputs:
        """What the network reads of sentences."""

    def tag(self, sentences: Sequence[Sequence[str]]) -> tuple[IntArray, FloatArray]:
        """Tags (N,) of all words, one sentence after the other, and probabilities (N, K) of the K tags of each."""
        return tags_of(self.network, self.encode(sentences), torch.device("cpu"))


@register_model("pos_tagging.most_frequent")
@dataclass
class MostFrequent(Stored):
    """The tag that a word has most often; of a new word the one that words seen once have most often.

    P(k | w) = (n_wk + p_k) / (n_w + 1), where p are the shares of the tags among words that are seen once: new words are more like those than
    like frequent ones.

    Args:
        words: as they are written.
        counts: (words, K).
        once: (K,) p.
    """

    words: list[str]
    counts: NDArray
    once: NDArray

    def __post_init__(self) -> None:
        self._place = {word: k for k, word in enumerate(self.words)}

    @classmethod
    def fit(cls, sentences: Sequence[Sequence[str]], truth: Sequence[IntArray], tags: int) -> MostFrequent:
        flat = [word for words in sentences for word in words]
        words, place = np.unique(np.array(flat, dtype=object), return_inverse=True)
        counts = np.zeros((len(words), tags))
        np.add.at(counts, (place, np.concatenate(truth)), 1)
        rare = counts[counts.sum(axis=1) == 1].sum(axis=0) + 1  # one more, so that no tag is impossible
        return cls(list(words), counts, rare / rare.sum())

    def tag(self, sentences: Sequence[Sequence[str]]) -> tuple[IntArray, FloatArray]:
        """As `Tagging.tag`."""
        place = [self._place.get(word, -1) for words in sentences for word in words]
        known = np.concatenate([self.counts, np.zeros((1, len(self.once)))])[place]
        probabilities = (known + self.once) / (known.sum(axis=1, keepdims=True) + 1)
        return probabilities.argmax(axis=1), probabilities
