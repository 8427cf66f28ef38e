"""What a set of continuations is like: entropy, variety, loops, and how likely the true process would write them."""

from __future__ import annotations

import numpy as np

from etudes.pipelines.decoder_transformer.recurrences import transition_law

SHORTEST_LOOP, TIMES = 2, 3


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


def true_likelihood(
    tokens: np.ndarray,
    start: int,
    coefficients: np.ndarray,
    modulus: int,
    next_probability: float,
    floor: float,
) -> tuple[float, float]:
    """How the process itself, with the coefficients of each row, sees the tokens from ``start`` on.

    Args:
        tokens: (N, T) prompts and continuations; ``start`` at least 2.
        coefficients: (N, 2).
        floor: share of the uniform law mixed in, so that a token which the process never gives costs
            -ln(floor / m) and not infinity.

    Returns:
        The mean of ln p(x_t | x_{t-2}, x_{t-1}), nats a token, and the share of tokens that are impossible.
    """
    if start < 2:
        raise ValueError(f"start = {start}; the process needs two tokens before the first that is judged")
    law = transition_law(modulus, next_probability)[coefficients[:, 0] * modulus + coefficients[:, 1]]
    rows = np.arange(len(tokens))[:, None]
    chances = law[rows, tokens[:, start - 2 : -2], tokens[:, start - 1 : -1], tokens[:, start:]]
    floored = (1 - floor) * chances + floor / modulus
    return float(np.log(floored).mean()), float((chances == 0).mean())
