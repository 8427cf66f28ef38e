"""Schedules: numbers that move from one value to another over a count of steps, and stay there."""

from __future__ import annotations


def linear(step: float, start: float, end: float, over: float) -> float:
    """``start + (end - start) min(step / over, 1)``; ``end`` at once where ``over`` is 0."""
    return start + (end - start) * _share(step, over)


def exponential(step: float, start: float, end: float, over: float) -> float:
    """``start (end / start)^min(step / over, 1)``: equal ratios in equal times.

    Raises:
        ValueError: ``start`` or ``end`` is not positive.
    """
    if start <= 0 or end <= 0:
        raise ValueError(f"an exponential schedule runs between positive numbers, found {start} and {end}")
    return start * (end / start) ** _share(step, over)


def annealed_horizon(step: float, start: int, end: int, over: float) -> int:
    """The n of n-step returns: exponential from ``start`` to ``end``, rounded (BBF, arXiv 2305.19452, section 3)."""
    return round(exponential(step, start, end, over))


def annealed_discount(step: float, start: float, end: float, over: float) -> float:
    """The discount γ: ``1 - γ`` runs exponentially, so the effective horizon ``1 / (1 - γ)`` grows evenly in ratio."""
    return 1.0 - exponential(step, 1.0 - start, 1.0 - end, over)


def _share(step: float, over: float) -> float:
    return 1.0 if over <= 0 else min(max(step / over, 0.0), 1.0)
