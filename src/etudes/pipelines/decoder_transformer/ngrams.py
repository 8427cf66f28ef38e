"""Baselines that count: n-grams of the training sequences, and of the context alone."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Self

import numpy as np

from etudes.models import ModelState, register_model

CHUNK = 64  # sequences at once: the lookup compares every pair of positions


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


@register_model("decoder_transformer.ngrams")
class NGrams:
    """Token frequencies of the training sequences given the last n - 1 tokens: counts of orders 1 .. n for each task.

    A table of order 3 holds V³ numbers: fit for alphabets, not for words.
    """

    registered_name: str

    def __init__(self, counts: Mapping[str, Sequence[np.ndarray]]) -> None:
        self.counts = counts
        self.laws: dict[str, list[np.ndarray]] = {}
        for task, tables in counts.items():
            laws = [np.full(len(tables[0]), 1 / len(tables[0]))]
            for table in tables:
                laws.append(witten_bell(table.astype(np.float64), laws[-1]))
            self.laws[task] = laws[1:]

    @classmethod
    def fit(cls, order: int, sequences: Mapping[str, tuple[np.ndarray, int]]) -> Self:
        """Count n-grams up to ``order`` in ``sequences``: task -> (tokens (N, T), size of the vocabulary)."""
        orders = range(1, order + 1)
        return cls({task: [_count(*found, n) for n in orders] for task, found in sequences.items()})

    @property
    def tasks(self) -> list[str]:
        return list(self.counts)

    def log_probs(self, task: str, tokens: np.ndarray) -> np.ndarray:
        """log p(next | tokens up to here) (N, T, V), float32; the first positions know as many tokens as there are."""
        laws, length = self.laws[task], tokens.shape[1]
        result = np.broadcast_to(laws[0], (*tokens.shape, len(laws[0]))).copy()
        for back in range(1, min(len(laws), length + 1)):
            history = tuple(tokens[:, place : length - back + 1 + place] for place in range(back))
            result[:, back - 1 :] = laws[back][history]
        return np.log(result).astype(np.float32)

    def state(self) -> ModelState:
        arrays = {
            f"{task}/{n}": table for task, tables in self.counts.items() for n, table in enumerate(tables)
        }
        return ModelState({"orders": {task: len(tables) for task, tables in self.counts.items()}}, arrays)

    @classmethod
    def from_state(cls, state: ModelState) -> Self:
        orders = state.config["orders"]
        return cls(
            {task: [state.arrays[f"{task}/{n}"] for n in range(order)] for task, order in orders.items()}
        )


def _count(tokens: np.ndarray, size: int, n: int) -> np.ndarray:
    """How often each n-gram occurs inside the rows of ``tokens`` (N, T): (V,) * n, int64."""
    length = tokens.shape[1] - n + 1
    places = [tokens[:, place : place + length] for place in range(n)]
    flat = np.ravel_multi_index(places, (size,) * n).ravel()
    return np.bincount(flat, minlength=size**n).reshape((size,) * n)


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
