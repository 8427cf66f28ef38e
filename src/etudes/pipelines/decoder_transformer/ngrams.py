"""Baselines that count: n-grams of the training sequences, and of the context alone."""

from __future__ import annotations

from collections.abc import Mapping
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
    total = counts.sum(axis=-1, keepdims=True)
    different = (counts > 0).sum(axis=-1, keepdims=True)
    weight = total + different
    mixed = (counts + different * backoff) / np.maximum(weight, 1)
    return np.where(weight > 0, mixed, backoff)


@register_model("decoder_transformer.ngrams")
class NGrams:
    """Token frequencies of the training sequences given the last ``order`` - 1 tokens, one table for each task.

    Tables of order 3 hold V³ numbers: fit for alphabets, not for words.
    """

    registered_name: str

    def __init__(self, order: int, counts: Mapping[str, list[np.ndarray]]) -> None:
        self.order = order
        self.counts = {task: list(tables) for task, tables in counts.items()}
        self.tables = {task: self._tables(tables) for task, tables in self.counts.items()}

    @classmethod
    def fit(cls, order: int, sequences: Mapping[str, tuple[np.ndarray, int]]) -> Self:
        """Count n-grams up to ``order`` (1 to 3) in ``sequences``: task -> (tokens (N, T), size of the vocabulary)."""
        counts = {}
        for task, (tokens, size) in sequences.items():
            counts[task] = [_count(tokens, size, n) for n in range(1, order + 1)]
        return cls(order, counts)

    @staticmethod
    def _tables(counts: list[np.ndarray]) -> list[np.ndarray]:
        size = counts[0].shape[0]
        tables = [witten_bell(counts[0].astype(np.float64), np.full(size, 1 / size))]
        for table in counts[1:]:
            tables.append(witten_bell(table.astype(np.float64), tables[-1]))
        return tables

    @property
    def tasks(self) -> list[str]:
        return list(self.tables)

    def log_probs(self, task: str, tokens: np.ndarray) -> np.ndarray:
        """log p(next | tokens up to here) (N, T, V), float32; the first position knows one token of history only."""
        tables = self.tables[task]
        if self.order == 1:
            return np.broadcast_to(np.log(tables[0]), (*tokens.shape, len(tables[0]))).astype(np.float32)
        result = tables[1][tokens]
        if self.order == 3:
            result[:, 1:] = tables[2][tokens[:, :-1], tokens[:, 1:]]
        return np.log(result).astype(np.float32)

    def state(self) -> ModelState:
        arrays = {
            f"{task}/{n}": table for task, tables in self.counts.items() for n, table in enumerate(tables)
        }
        return ModelState({"order": self.order, "tasks": self.tasks}, arrays)

    @classmethod
    def from_state(cls, state: ModelState) -> Self:
        order = state.config["order"]
        counts = {task: [state.arrays[f"{task}/{n}"] for n in range(order)] for task in state.config["tasks"]}
        return cls(order, counts)


def _count(tokens: np.ndarray, size: int, n: int) -> np.ndarray:
    """How often each n-gram occurs inside the rows of ``tokens`` (N, T): (V,) * n, int64."""
    length = tokens.shape[1] - n + 1
    flat = np.zeros(tokens[:, :length].shape, dtype=np.int64)
    for place in range(n):
        flat = flat * size + tokens[:, place : place + length]
    return np.bincount(flat.ravel(), minlength=size**n).reshape((size,) * n)


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
        size = self.sizes[task]
        chunks = [self._chunk(tokens[i : i + CHUNK], size) for i in range(0, len(tokens), CHUNK)]
        return np.concatenate(chunks) if chunks else np.empty((0, tokens.shape[1], size), np.float32)

    @staticmethod
    def _chunk(tokens: np.ndarray, size: int) -> np.ndarray:
        shown = np.eye(size, dtype=np.float32)[tokens]  # (n, T, V)
        following = np.roll(
            shown, -1, axis=1
        )  # what follows each position; the last one's is masked out below
        earlier = np.tri(tokens.shape[1], k=-1, dtype=bool)
        same = tokens[:, :, None] == tokens[:, None, :]
        same_two = np.zeros_like(same)
        same_two[:, 1:, 1:] = same[:, 1:, 1:] & same[:, :-1, :-1]
        result = witten_bell(shown.cumsum(axis=1), np.full(size, 1 / size))
        for match in (same, same_two):
            result = witten_bell((match & earlier).astype(np.float32) @ following, result)
        return np.log(result).astype(np.float32)

    def state(self) -> ModelState:
        return ModelState({"sizes": self.sizes})

    @classmethod
    def from_state(cls, state: ModelState) -> Self:
        return cls(state.config["sizes"])
