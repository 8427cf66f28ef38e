"""Noisy recurrences modulo m as lines of text: ``modulus;a b;x₋₂ x₋₁;x₀ x₁ ...`` below a line with q."""

from __future__ import annotations

import numpy as np
import pandas as pd

from etudes.forms.files import read_text
from etudes.forms.raw import RawFile

HEADER = "next_probability"
FORM = "modulus;a b;x x;x0 x1 x2 ... with whole numbers from 0 to modulus - 1"


def parse_recurrences(raw: RawFile) -> tuple[pd.DataFrame, float]:
    """Every line checked, token by token, against the law it claims to follow.

    Returns:
        One row a sequence (``modulus``, ``a``, ``b``, ``start_0``, ``start_1``, ``tokens``: an array (length,)), and
        the probability q of x_t = x_{t-1} + 1.

    Raises:
        ValueError: bytes that are no text, no first line with q, a line of another form, lines of unequal length, or a
            token that the recurrence cannot give.
    """
    lines = read_text(raw).split("\n")
    probability = _probability(raw.name, lines[0])
    rows = [_row(raw.name, number, line) for number, line in enumerate(lines[1:], start=2) if line.strip()]
    if not rows:
        raise ValueError(f"{raw.name}: holds no sequences below its first line; expected lines {FORM}")
    frame = pd.DataFrame(rows, columns=["line", "modulus", "a", "b", "start_0", "start_1", "tokens"])
    lengths = frame["tokens"].map(len)
    other = frame.index[lengths != lengths.iloc[0]]
    if len(other):
        raise ValueError(
            f"{raw.name}, line {frame['line'][other[0]]}: {lengths[other[0]]} tokens; expected {lengths.iloc[0]} as in "
            f"line {frame['line'][0]}: all sequences are equally long"
        )
    _check_law(raw.name, frame, probability)
    return frame.drop(columns="line"), probability


def _probability(name: str, line: str) -> float:
    word, _, number = line.partition(" ")
    try:
        probability = float(number)
    except ValueError:
        probability = -1.0
    if word != HEADER or not 0 < probability < 1:
        raise ValueError(f"{name}, line 1: found '{line[:60]}'; expected '{HEADER} Q' with 0 < Q < 1")
    return probability


def _row(name: str, number: int, line: str) -> tuple[int, int, int, int, int, int, np.ndarray]:
    parts = line.strip().split(";")
    try:
        (modulus,), (a, b), (first, second), tokens = (list(map(int, part.split())) for part in parts)
        usable = (
            modulus >= 2
            and len(tokens) >= 3
            and all(0 <= x < modulus for x in (a, b, first, second, *tokens))
        )
    except ValueError:
        usable = False
    if not usable:
        raise ValueError(
            f"{name}, line {number}: found '{line.strip()[:60]}'; expected {FORM}, three tokens or more"
        )
    return number, modulus, a, b, first, second, np.array(tokens, dtype=np.int64)


def _check_law(name: str, frame: pd.DataFrame, probability: float) -> None:
    shown = np.stack(list(frame["tokens"]))
    tokens = np.column_stack([frame["start_0"], frame["start_1"], shown])
    modulus, a, b = (frame[key].to_numpy()[:, None] for key in ("modulus", "a", "b"))
    recurrence = (a * tokens[:, 1:-1] + b * tokens[:, :-2]) % modulus
    plus_one = (tokens[:, 1:-1] + 1) % modulus
    wrong = np.argwhere((shown != recurrence) & (shown != plus_one))
    if len(wrong):
        row, place = wrong[0]
        raise ValueError(
            f"{name}, line {frame['line'].iloc[row]}: token {place} is {shown[row, place]}; expected "
            f"{recurrence[row, place]} (a x + b x of the two before) or {plus_one[row, place]} (the last plus one)"
        )
