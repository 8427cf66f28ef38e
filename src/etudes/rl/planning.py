"""What the rules of a finite process say without any playing: best values, and what a policy is worth."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from etudes.rl.simulators import FiniteProcess

Floats = NDArray[np.float64]


def value_iteration(
    process: FiniteProcess, discount: float, tolerance: float = 1e-10, most: int = 100_000
) -> Floats:
    """Optimal action values (S, A) by the Bellman equation, ``Q(s, a) = Σ p (r + γ max Q(s', ·))``, repeated until no value moves
    by more than ``tolerance`` (Sutton and Barto, Reinforcement Learning, 2018, equation 4.10); nothing follows a true end.

    Raises:
        ValueError: the values still move after ``most`` sweeps, as they may without a discount.
    """
    values = np.zeros((process.states, process.actions))
    for _ in range(most):
        new = _backed_up(process, values.max(1), discount)
        moved = float(np.abs(new - values).max())
        values = new
        if moved <= tolerance:
            return values
    raise ValueError(
        f"the values still move by {moved:g} after {most:,} sweeps with the discount {discount:g}; expected them to settle: "
        "take a smaller discount"
    )


def best_returns(process: FiniteProcess) -> Floats:
    """The most that can be expected from each state (S,) until the time limit, undiscounted: backwards from the last step."""
    values = np.zeros(process.states)
    for _ in range(process.limit):
        values = _backed_up(process, values, 1.0).max(1)
    return values


def expected_returns(process: FiniteProcess, policy: NDArray[np.int64]) -> Floats:
    """What the actions ``policy`` (S,) get from each state (S,) until the time limit, undiscounted."""
    values, states = np.zeros(process.states), np.arange(process.states)
    for _ in range(process.limit):
        values = _backed_up(process, values, 1.0)[states, policy]
    return values


def _backed_up(process: FiniteProcess, values: Floats, discount: float) -> Floats:
    """Values of pairs (S, A) from those of states (S,)."""
    following = np.where(process.terminated, 0.0, values[process.following])
    return (process.probabilities * (process.rewards + discount * following)).sum(2)
