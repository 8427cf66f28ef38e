"""The cheap methods: n-grams of the training sequences, and of the context alone."""

from __future__ import annotations

from collections.abc import Mapping
from functools import cached_property
from typing import Self

import numpy as np

from etudes.models import ModelState, register_model

CHUNK = 64  # sequences at once: the lookup compares every pair of positions
FEW = np.array([0.0, 0.5, 1.0, 1.5])  # discounts where the counts are too few, or too alike, to estimate them


class KneserNey:
    """Interpolated Kneser-Ney smoothing with modified discounts (Chen and Goodman 1998, section 3).

    p(w | h) = (c(h w) - D(c(h w))) / c(h) + γ(h) p(w | h'), where h are the last n - 1 tokens, h' is h without its oldest
    one and γ(h) is what the discounts took away. At the largest order c is how often h w occurs; below, it is the number
    of different tokens that stand before h w: how well a token follows on what is new. Last comes the even law. A
    history that was never seen leaves all to h'.

    N-grams are numbers with one digit a token, the newest one last, in base ``size`` + 1: the further digit fills up a
    history at the start of a sequence. Those of the largest order with their counts are the whole model.

    Args:
        size: of the vocabulary.
        order: n.
        grams: different n-grams of the training sequences, (G,) int64, sorted.
        counts: how often each occurs, (G,).
    """

    def __init__(self, size: int, order: int, grams: np.ndarray, counts: np.ndarray) -> None:
        self.size, self.order, self.grams, self.counts = size, order, grams, counts

    @classmethod
    def fit(cls, tokens: np.ndarray, size: int, order: int) -> Self:
        """Count the n-grams of sequences (N, T) of tokens below ``size``; ``order`` is at most `longest`."""
        grams = _latest(tokens, order, size + 1)
        return cls(size, order, *np.unique(grams, return_counts=True))

    @cached_property
    def _tables(self) -> list[_Table]:
        """Of the orders 1 .. n."""
        base, grams, counts = self.size + 1, self.grams, self.counts
        tables = [_Table(grams, counts, base)]
        for n in range(self.order - 1, 0, -1):
            grams, counts = np.unique(grams % base**n, return_counts=True)
            tables.append(_Table(grams, counts, base))
        return tables[::-1]

    def log_probs(self, tokens: np.ndarray) -> np.ndarray:
        """log p(next | tokens up to here) (N, T, V), float32; the first positions know as many tokens as there are."""
        law = np.full((tokens.size, self.size), 1 / self.size, dtype=np.float32)
        for known, table in enumerate(self._tables):
            table.mix(_latest(tokens, known, self.size + 1).ravel(), law)
        return np.log(law).reshape(*tokens.shape, self.size)


class _Table:
    """The n-grams of one order in the order of their histories: ``shares`` (c - D(c)) / c(h), and γ(h) as ``rest``."""

    def __init__(self, grams: np.ndarray, counts: np.ndarray, base: int) -> None:
        self.histories, first = np.unique(grams // base, return_index=True)
        self.grams, self.base, self.starts = grams, base, np.append(first, len(grams))
        totals, taken = np.add.reduceat(counts, first), discounts(counts)[np.minimum(counts, 3)]
        self.rest = (np.add.reduceat(taken, first) / totals).astype(np.float32)
        self.shares = ((counts - taken) / np.repeat(totals, np.diff(self.starts))).astype(np.float32)

    def mix(self, histories: np.ndarray, law: np.ndarray) -> None:
        """Turn ``law`` (M, V), p(w | h'), into p(w | h) for the histories (M,), in place."""
        place = np.searchsorted(self.histories[:-1], histories)
        rows = np.flatnonzero(self.histories[place] == histories)
        start, end = self.starts[place[rows]], self.starts[place[rows] + 1]
        count = end - start
        law[rows] *= self.rest[place[rows], None]
        entries = np.arange(count.sum()) + np.repeat(end - count.cumsum(), count)
        law[np.repeat(rows, count), self.grams[entries] % self.base] += self.shares[entries]


def longest(size: int) -> int:
    """The largest order whose n-grams 64 bits can number."""
    return int(63 / np.log2(size + 1))


def discounts(counts: np.ndarray) -> np.ndarray:
    """What is taken from an n-gram that occurs 0, 1, 2, and 3 times or more (4,): Chen and Goodman 1998.

    With n_k the number of n-grams that occur k times and Y = n_1 / (n_1 + 2 n_2), D(k) = k - (k + 1) Y n_{k+1} / n_k.
    A small vocabulary may have no rare n-grams to tell: then `FEW`.
    """
    n = np.bincount(np.minimum(counts, 5), minlength=6)[1:5].astype(float)
    if n.all():
        k = np.arange(1, 4)
        found = k - (k + 1) * n[0] / (n[0] + 2 * n[1]) * n[1:] / n[:-1]
        if (found > 0).all():
            return np.append(0.0, found)
    return FEW


def _latest(tokens: np.ndarray, n: int, base: int) -> np.ndarray:
    """At every position of (N, T) the last n tokens as one number, int64; before a sequence stands the token base - 1."""
    padded = np.pad(tokens.astype(np.int64), ((0, 0), (n, 0)), constant_values=base - 1)
    parts = (padded[:, n - back : padded.shape[1] - back] * base**back for back in range(n))
    return sum(parts, start=np.zeros(tokens.shape, dtype=np.int64))


@register_model("decoder_transformer.ngrams")
class NGrams:
    """A `KneserNey` for each task."""

    registered_name: str

    def __init__(self, laws: Mapping[str, KneserNey]) -> None:
        self.laws = dict(laws)

    @property
    def tasks(self) -> list[str]:
        return list(self.laws)

    def log_probs(self, task: str, tokens: np.ndarray) -> np.ndarray:
        """log p(next | tokens up to here) (N, T, V), float32."""
        return self.laws[task].log_probs(tokens)

    def state(self) -> ModelState:
        state = ModelState()
        for task, law in self.laws.items():
            arrays = {"grams": law.grams, "counts": law.counts}
            state.nest(task, ModelState({"size": law.size, "order": law.order}, arrays))
        return state

    @classmethod
    def from_state(cls, state: ModelState) -> Self:
        laws = {}
        for task, config in state.config.items():
            arrays = state.nested(task).arrays
            laws[task] = KneserNey(config["size"], config["order"], arrays["grams"], arrays["counts"])
        return cls(laws)


def witten_bell(counts: np.ndarray, backoff: np.ndarray) -> np.ndarray:
    """p(w | h) = (c(h, w) + d(h) p(w | h')) / (c(h) + d(h)) (Witten and Bell 1991).

    d(h) is the number of different tokens seen after h, h' is h without its oldest token. A history that was never seen
    leaves all to ``backoff``.

    Args:
        counts: c(h, w), (..., V).
        backoff: p(w | h'), broadcast against ``counts``.
    """
    different = (counts > 0).sum(axis=-1, keepdims=True)
    weight = counts.sum(axis=-1, keepdims=True) + different
    return np.where(weight > 0, (counts + different * backoff) / np.maximum(weight, 1), backoff)


@register_model("decoder_transformer.lookup")
class ContextLookup:
    """What followed the last two tokens earlier in the same sequence; then the last one; then the commonest.

    Nothing is learned: the counts are those of the context alone, mixed by `witten_bell` (prediction by partial
    matching, Cleary and Witten 1984). It shows how far copying from the context goes, coefficients seen or not.
    """

    registered_name: str

    def __init__(self, sizes: Mapping[str, int]) -> None:
        self.sizes = dict(sizes)

    @property
    def tasks(self) -> list[str]:
        return list(self.sizes)

    def log_probs(self, task: str, tokens: np.ndarray) -> np.ndarray:
        """log p(next | tokens up to here) (N, T, V), float32."""
        chunks = [self._chunk(tokens[i : i + CHUNK], self.sizes[task]) for i in range(0, len(tokens), CHUNK)]
        return np.concatenate(chunks)

    @staticmethod
    def _chunk(tokens: np.ndarray, size: int) -> np.ndarray:
        shown = np.eye(size, dtype=np.float32)[tokens]  # (n, T, V)
        following = np.roll(shown, -1, axis=1)  # the last one's follower is masked out by `earlier`
        earlier = np.tri(tokens.shape[1], k=-1, dtype=bool)
        same = tokens[:, :, None] == tokens[:, None, :]
        same_two = np.zeros_like(same)
        same_two[:, 1:, 1:] = same[:, 1:, 1:] & same[:, :-1, :-1]
        law = witten_bell(shown.cumsum(axis=1), np.full(size, 1 / size))
        for match in (same, same_two):
            law = witten_bell((match & earlier).astype(np.float32) @ following, law)
        return np.log(law).astype(np.float32)

    def state(self) -> ModelState:
        return ModelState({"sizes": self.sizes})

    @classmethod
    def from_state(cls, state: ModelState) -> Self:
        return cls(state.config["sizes"])
