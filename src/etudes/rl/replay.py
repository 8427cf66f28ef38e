"""A replay buffer for vectorised environments whose n-step targets are made when they are drawn.

What is stored are single transitions as they happened; the n and the discount belong to the moment of learning. So
both may change (anneal) and every target is still the one of the present n and discount.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, DTypeLike, NDArray

ARRAYS = ("observations", "actions", "rewards", "terminated", "ended", "real", "first")


@dataclass(frozen=True)
class Batch:
    """B drawn transitions.

    ``observations``, ``next_observations`` (B, [stack,] *shape) in the buffer's type; ``actions`` (B,) int64;
    ``returns`` (B,) float32, the discounted rewards of the window; ``discounts`` (B,) float32, what the value of the
    next observation is multiplied with: 0 after a true end, else γ^m; ``lengths`` (B,) int64, the m of each window.
    """

    observations: NDArray
    actions: NDArray[np.int64]
    returns: NDArray[np.float32]
    discounts: NDArray[np.float32]
    next_observations: NDArray
    lengths: NDArray[np.int64]

    def __len__(self) -> int:
        return len(self.actions)


class ReplayBuffer:
    """A ring of time steps of E environments, preallocated.

    The environments must reset themselves in the step *after* the one that ended (`AutoresetMode.NEXT_STEP`): then the
    last observation of an episode, from which a truncated return goes on, is stored like any other, and the step that
    only resets is marked and never drawn.

    Args:
        capacity: transitions to hold, over all environments.
        environments: E.
        shape: of one observation (of one frame, where frames are stacked).
        dtype: of observations: float32, or uint8 for pictures, which are then stored as they are.
        stack: frames of one observation; frames before the first of an episode are that first one. Each is stored once.

    Raises:
        ValueError: less than one time step, or no frame in a stack.
    """

    def __init__(
        self, capacity: int, environments: int, shape: tuple[int, ...], dtype: DTypeLike, stack: int = 1
    ) -> None:
        if environments < 1 or capacity < environments or stack < 1:
            raise ValueError(
                f"capacity {capacity}, environments {environments}, stack {stack}: expected at least one environment, "
                "one time step of all environments, and one frame"
            )
        self.environments, self.shape, self.stack = environments, tuple(shape), stack
        # One slot more than transitions: the newest holds the observation that nothing has followed yet.
        self.slots = capacity // environments + 1
        rows = self.slots * environments
        self._observations = np.zeros((rows, *shape), dtype)
        self._actions = np.zeros(rows, np.int64)
        self._rewards = np.zeros(rows, np.float32)
        self._terminated = np.zeros(rows, bool)
        self._ended = np.zeros(rows, bool)
        self._real = np.zeros(rows, bool)
        self._first = np.zeros(rows, bool)
        self._head = self._filled = 0

    def __len__(self) -> int:
        """Stored transitions, without the steps that only reset."""
        return int(self._real.sum())

    @property
    def nbytes(self) -> int:
        """Bytes of all that is stored."""
        return sum(getattr(self, f"_{name}").nbytes for name in ARRAYS)

    def start(self, observations: ArrayLike) -> None:
        """Empty the buffer; ``observations`` (E, *shape) are the first ones of all environments."""
        self._head = self._filled = 0
        self._real[:] = False
        rows = self._rows(0)
        self._observations[rows], self._first[rows] = self._checked(observations), True

    def add(
        self,
        actions: NDArray,
        rewards: NDArray,
        terminated: NDArray,
        truncated: NDArray,
        next_observations: ArrayLike,
        real: NDArray | None = None,
    ) -> None:
        """One step of all environments; ``real`` (E,) is false where it only reset an environment."""
        real = np.ones(self.environments, bool) if real is None else real
        for name, array in (
            ("actions", actions),
            ("rewards", rewards),
            ("terminated", terminated),
            ("truncated", truncated),
            ("real", real),
        ):
            if array.shape != (self.environments,):
                raise ValueError(f"{name} has the shape {array.shape}, expected ({self.environments},)")
        rows = self._rows(self._head)
        self._actions[rows], self._rewards[rows], self._real[rows] = actions, rewards, real
        self._terminated[rows], self._ended[rows] = terminated, terminated | truncated
        self._head = (self._head + 1) % self.slots
        self._filled = min(self._filled + 1, self.slots - 1)
        rows = self._rows(self._head)
        self._observations[rows] = self._checked(next_observations)
        self._first[rows], self._real[rows] = ~real, False

    def sample(self, generator: np.random.Generator, size: int, n: int, discount: float) -> Batch:
        """``size`` transitions, uniform with replacement, with targets of the present ``n`` and ``discount``.

        For a transition at time t::

            return_t = Σ_{k<m} γ^k r_{t+k},   m = min(n, steps to the first end, steps to the newest)
            target_t = return_t + discount_t · V(o_{t+m}),   discount_t = γ^m, or 0 if the window ends in a true end

        A window never crosses the end of an episode or the newest observation; after a truncation it goes on from the
        episode's last observation.

        Raises:
            ValueError: nothing is stored, or n below 1.
        """
        if n < 1:
            raise ValueError(f"n = {n}, expected at least 1")
        ages, environments = self._draw(generator, size)
        start = self._head - 1 - ages
        offsets = np.arange(n)
        rows = (start[:, None] + offsets) % self.slots * self.environments + environments[:, None]
        used = offsets <= ages[:, None]
        if n > 1:
            used[:, 1:] &= ~np.logical_or.accumulate(self._ended[rows[:, :-1]], axis=1)
        lengths = used.sum(1)
        powers = np.power(discount, np.arange(n + 1), dtype=np.float64).astype(np.float32)
        returns = (self._rewards[rows] * used) @ powers[:-1]
        last = rows[np.arange(size), lengths - 1]
        return Batch(
            self._stacked(start, environments),
            self._actions[rows[:, 0]],
            returns,
            powers[lengths] * ~self._terminated[last],
            self._stacked(start + lengths, environments),
            lengths,
        )

    def _draw(self, generator: np.random.Generator, size: int) -> tuple[NDArray, NDArray]:
        """Ages (0 is the newest) and environments of ``size`` real transitions."""
        # The oldest stacks of a ring that went round would need frames that are overwritten.
        full = self._filled == self.slots - 1
        usable = self._filled - (self.stack - 1 if full else 0)
        drawn = np.empty(size, np.int64)
        missing = np.arange(size)
        for _ in range(1000):
            if usable < 1:
                break
            found = generator.integers(0, usable * self.environments, len(missing))
            drawn[missing] = found
            slots = (self._head - 1 - found // self.environments) % self.slots
            missing = missing[~self._real[slots * self.environments + found % self.environments]]
            if not len(missing):
                return drawn // self.environments, drawn % self.environments
        raise ValueError("the replay buffer holds no transitions; add some before drawing")

    def _stacked(self, slots: NDArray, environments: NDArray) -> NDArray:
        """Observations at ``slots`` (any integers, taken round the ring)."""
        current = slots % self.slots * self.environments + environments
        if self.stack == 1:
            return self._observations[current]
        frames = [current]
        for _ in range(self.stack - 1):
            earlier = (current // self.environments - 1) % self.slots * self.environments + environments
            current = np.where(self._first[current], current, earlier)
            frames.append(current)
        return self._observations[np.stack(frames[::-1], axis=1)]

    def state(self) -> dict[str, Any]:
        """All that is stored, as arrays and numbers."""
        return {
            "head": self._head,
            "filled": self._filled,
            **{name: getattr(self, f"_{name}").copy() for name in ARRAYS},
        }

    def restore(self, state: Mapping[str, Any]) -> None:
        """Take back what `state` gave."""
        for name in ARRAYS:
            getattr(self, f"_{name}")[:] = np.asarray(state[name])
        self._head, self._filled = int(state["head"]), int(state["filled"])

    def _rows(self, slot: int) -> slice:
        return slice(slot * self.environments, (slot + 1) * self.environments)

    def _checked(self, observations: ArrayLike) -> NDArray:
        array = np.asarray(observations)
        if array.shape != (self.environments, *self.shape):
            raise ValueError(
                f"observations have the shape {array.shape}, expected {(self.environments, *self.shape)}"
            )
        if self._observations.dtype == np.uint8 and array.dtype != np.uint8:
            raise ValueError(
                f"observations are {array.dtype}, expected uint8 as the buffer: scale pictures when they are used"
            )
        return array
