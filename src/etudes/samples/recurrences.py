"""Noisy linear recurrences modulo m: sequences whose law is known, so that the best possible score can be computed.

Every sequence draws coefficients (a, b) and two start tokens x₋₂, x₋₁ uniformly from 0..m-1; the start tokens are not
shown. Then, for t = 0, 1, ...

    x_t = x_{t-1} + 1 (mod m)                with probability q (`next_probability`),
    x_t = a x_{t-1} + b x_{t-2} (mod m)      otherwise.

A reader of the sequence has to find a and b from what it shows, through the noise.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from etudes.forms.raw import RawFile

IntArray = NDArray[np.int64]
HEADER = "next_probability"


@dataclass(frozen=True)
class Drawn:
    """``n`` sequences of one modulus: ``coefficients`` (n, 2), ``starts`` (n, 2) and ``tokens`` (n, length)."""

    modulus: int
    coefficients: IntArray
    starts: IntArray
    tokens: IntArray


def draw(modulus: int, n: int, length: int, next_probability: float, seed: int) -> Drawn:
    """Draw ``n`` sequences of ``length`` shown tokens.

    Raises:
        ValueError: a modulus below 2, no sequences, fewer than 3 tokens, or a probability outside [0, 1].
    """
    if modulus < 2 or n < 1 or length < 3 or not 0 <= next_probability <= 1:
        raise ValueError(
            "expected modulus >= 2, n >= 1, length >= 3 and 0 <= next_probability <= 1; found "
            f"modulus = {modulus}, n = {n}, length = {length}, next_probability = {next_probability}"
        )
    generator = np.random.default_rng([seed, modulus])
    coefficients = generator.integers(0, modulus, size=(n, 2))
    starts = generator.integers(0, modulus, size=(n, 2))
    plus_one = generator.random((n, length)) < next_probability
    before, last = starts[:, 0], starts[:, 1]
    tokens = np.empty((n, length), dtype=np.int64)
    for t in range(length):
        recurrence = (coefficients[:, 0] * last + coefficients[:, 1] * before) % modulus
        tokens[:, t] = np.where(plus_one[:, t], (last + 1) % modulus, recurrence)
        before, last = last, tokens[:, t]
    return Drawn(modulus, coefficients, starts, tokens)


def raw_file(
    part: str, moduli: Sequence[int], n: int, length: int, next_probability: float, seed: int
) -> RawFile:
    """``n`` sequences of each modulus as text: ``modulus;a b;x₋₂ x₋₁;x₀ x₁ ...`` lines below a line with q.

    Raises:
        ValueError: an unknown part, a modulus twice, or what `draw` refuses.
    """
    if part != "sequences":
        raise ValueError(f"part = '{part}', expected sequences")
    if not moduli or len(set(moduli)) < len(moduli):
        raise ValueError(f"moduli = {list(moduli)}, expected at least one, each once")
    lines = [f"{HEADER} {next_probability}"]
    for modulus in moduli:
        drawn = draw(modulus, n, length, next_probability, seed)
        lines += [
            f"{modulus};{_joined(pair)};{_joined(start)};{_joined(tokens)}"
            for pair, start, tokens in zip(
                drawn.coefficients.tolist(), drawn.starts.tolist(), drawn.tokens.tolist(), strict=True
            )
        ]
    name = f"{n:,} drawn recurrences for each modulus of {', '.join(map(str, moduli))} (seed {seed})"
    return RawFile(
        name, ("\n".join(lines) + "\n").encode(), {"embedded_sample": True, "source": "embedded sample"}
    )


def _joined(numbers: list[int]) -> str:
    return " ".join(map(str, numbers))
