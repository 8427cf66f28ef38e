"""Sequences of tokens: how well they are predicted, and what continuations of them are like."""

from __future__ import annotations

import numpy as np

from etudes.evaluation.bootstrap import quantile_interval, resample_weights

SHORTEST_LOOP, TIMES = 2, 3


def next_token_scores(log_probs: np.ndarray, targets: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Whether the most probable token came (N, T), bool, and -log p of the one that came (N, T), nats.

    Raises:
        ValueError: log_probs (N, T, V) and targets (N, T) do not belong together.
    """
    if log_probs.ndim != 3 or log_probs.shape[:2] != targets.shape:
        raise ValueError(
            f"log_probs have the shape {log_probs.shape}, targets {targets.shape}; expected (N, T, V) and (N, T)"
        )
    surprise = -np.take_along_axis(log_probs, targets[..., None], axis=2)[..., 0]
    return log_probs.argmax(-1) == targets, surprise


def mean_with_interval(
    name: str, values: np.ndarray, resamples: int, level: float = 0.95
) -> dict[str, float]:
    """Mean of one number a sequence (N,) as ``name``, its percentile bootstrap over sequences as ``.low`` and ``.high``."""
    chunks = [weights @ values / len(values) for weights in resample_weights(len(values), resamples, seed=0)]
    low, high = quantile_interval(np.concatenate(chunks), level)
    return {name: float(values.mean()), f"{name}.low": low, f"{name}.high": high}


def distinct(tokens: np.ndarray, n: int) -> float:
    """Different n-grams of a sequence over all its n-grams (Li et al. 1510.03055), mean over the rows of (N, T).

    Raises:
        ValueError: sequences shorter than n.
    """
    if tokens.ndim != 2 or tokens.shape[1] < n:
        raise ValueError(f"tokens have the shape {tokens.shape}; expected (N, T) with T >= {n}")
    count = tokens.shape[1] - n + 1
    base = int(tokens.max(initial=0)) + 1
    grams = np.zeros((len(tokens), count), dtype=np.int64)
    for place in range(n):
        grams = grams * base + tokens[:, place : place + count]
    grams.sort(axis=1)
    return float((1 + (np.diff(grams, axis=1) != 0).sum(axis=1)).mean() / count)


def repetition(tokens: np.ndarray) -> float:
    """Share of the rows (N, T) that end in a loop: two tokens or more, three times in a row (Holtzman et al., sec. 5.2)."""
    looped = np.zeros(len(tokens), dtype=bool)
    for period in range(SHORTEST_LOOP, tokens.shape[1] // TIMES + 1):
        tail = tokens[:, -TIMES * period :].reshape(len(tokens), TIMES, period)
        looped |= (tail == tail[:, :1]).all(axis=(1, 2))
    return float(looped.mean())


def variety(tokens: np.ndarray) -> dict[str, float]:
    """``distinct_1`` to ``distinct_3`` and ``repetition`` of continuations (N, T >= 3)."""
    return {f"distinct_{n}": distinct(tokens, n) for n in (1, 2, 3)} | {"repetition": repetition(tokens)}
