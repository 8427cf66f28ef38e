"""How far a number might lie off: other training seeds, other test rows, or both."""

from __future__ import annotations

import math
from collections.abc import Sequence

from etudes.evaluation.bootstrap import check_level

Errors = tuple[float, float]  # how far an interval reaches below and above its number


def rows_error(values: Sequence[float], ends: Sequence[Sequence[float]]) -> Errors:
    """How far the intervals of the test rows reach below and above the numbers of their seeds, as root mean squares.

    Args:
        values: (n,) a number for each seed.
        ends: (n, 2) low and high of its interval from the test rows.
    """
    below = [max(0.0, value - low) for value, (low, _) in zip(values, ends, strict=True)]
    above = [max(0.0, high - value) for value, (_, high) in zip(values, ends, strict=True)]
    return _root_mean_square(below), _root_mean_square(above)


def seeds_and_rows_interval(
    mean: float,
    std: float,
    n: int,
    rows: Errors | None = None,
    bounds: tuple[float, float] = (-math.inf, math.inf),
    level: float = 0.95,
) -> tuple[float, float] | None:
    """Interval of a mean over seeds that holds both sources: the seeds, and the test rows that all seeds share.

    The seeds alone give Student's ``t * std / sqrt(n)``, the rows alone ``rows``, which more seeds do not make smaller.
    Each reach is squared and the squares are added, below and above apart. For symmetric reaches this is Banerjee's
    interval, whose coverage is at least ``level`` whatever the two variances are (Sankhya 22, 1960); with the reaches of
    an asymmetric interval it is the method of variance estimates recovery (Zou and Donner: Statistics in Medicine 27,
    2008). ``std`` holds a part of the rows' error already, so it is wide rather than narrow. A fit without randomness
    (``std`` 0) has the interval of its rows.

    Args:
        mean, std, n: over the seeds; ``std`` counts from n = 2 on.
        rows: reach of the rows' interval of this ``level`` below and above, from `rows_error`; None if it is not known.
        bounds: the least and the largest value there can be; the interval is cut there.
        level: coverage aimed at.

    Returns:
        (low, high), or None where the rows are not known and there is one seed, or every seed gives the same number.
    """
    check_level(level)
    if rows is None and (n < 2 or std == 0):
        return None
    half = 0.0
    if n > 1:
        from scipy.special import stdtrit  # the t quantile, without the slow import of scipy.stats

        half = float(stdtrit(n - 1, (1 + level) / 2)) * std / math.sqrt(n)
    below, above = rows or (0.0, 0.0)
    low, high = mean - math.hypot(half, below), mean + math.hypot(half, above)
    return max(low, min(mean, bounds[0])), min(high, max(mean, bounds[1]))


def seeds_and_rows_p_value(mean: float, std: float, n: int, rows: Errors | None = None) -> float:
    """Two-sided p-value of a mean of 0: one less the highest level at which `seeds_and_rows_interval` leaves 0 out.

    Args:
        mean, std, n: over the seeds, of a difference.
        rows: reach of the rows' 95 % interval below and above, which is taken to be a normal one.

    Raises:
        ValueError: one seed, and rows that are not known.
    """
    from scipy.special import ndtri, stdtrit

    if rows is None and n < 2:
        raise ValueError(
            "one seed without an interval of its rows says nothing of a difference; expected either"
        )
    toward = (rows or (0.0, 0.0))[0 if mean > 0 else 1] / -ndtri(0.025)
    low, high = 0.0, 1.0
    for _ in range(100):  # the reach shrinks as p grows
        p = (low + high) / 2
        of_seeds = -stdtrit(n - 1, p / 2) * std / math.sqrt(n) if n > 1 else 0.0
        low, high = (p, high) if math.hypot(of_seeds, -ndtri(p / 2) * toward) >= abs(mean) else (low, p)
    return float(high)


def holm(p_values: Sequence[float]) -> list[float]:
    """P-values adjusted for their number (Holm: Scandinavian Journal of Statistics 6, 1979), in the order given.

    The smallest of m counts m times, the next m - 1 times, and none is smaller than one before it, nor above 1. To call
    those below a level differences errs in even one of them with at most that chance, however they depend on each other.
    """
    adjusted, largest = [0.0] * len(p_values), 0.0
    for rank, place in enumerate(sorted(range(len(p_values)), key=lambda i: p_values[i])):
        largest = max(largest, min(1.0, (len(p_values) - rank) * p_values[place]))
        adjusted[place] = largest
    return adjusted


def _root_mean_square(values: Sequence[float]) -> float:
    return math.sqrt(sum(value * value for value in values) / len(values))
