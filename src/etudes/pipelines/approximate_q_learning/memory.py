"""The transitions of agents in step: one of each that was just made, or many that are remembered."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray


@dataclass(frozen=True)
class Transitions:
    """B transitions of each of K agents, all (K, B, ...): what was seen, done, got, seen then.

    ``terminated`` says that the episode ended by itself, so that nothing follows; an episode that its time limit cut off goes
    on in ``following``. ``real`` is 0 where an environment only began anew: such a row counts for nothing.
    """

    observations: NDArray[np.float32]
    actions: NDArray[np.int64]
    rewards: NDArray[np.float32]
    terminated: NDArray[np.bool_]
    real: NDArray[np.float32]
    following: NDArray[np.float32]


class Memory:
    """A ring of the latest transitions of K agents, one row for each step of all.

    Args:
        capacity: transitions of an agent.
        agents: K.
        inputs: numbers in an observation.
    """

    def __init__(self, capacity: int, agents: int, inputs: int) -> None:
        seen, one = (capacity, agents, inputs), (capacity, agents)
        self.added, self._agents = 0, np.arange(agents)[:, None]
        self._kept: dict[str, NDArray] = {
            "observations": np.zeros(seen, np.float32),
            "actions": np.zeros(one, np.int64),
            "rewards": np.zeros(one, np.float32),
            "terminated": np.zeros(one, bool),
            "real": np.zeros(one, np.float32),
            "following": np.zeros(seen, np.float32),
        }

    def __len__(self) -> int:
        """Transitions of an agent that are remembered."""
        return min(self.added, len(self._kept["real"]))

    def add(self, made: Transitions) -> None:
        """Remember one transition of each agent (K, 1, ...)."""
        place = self.added % len(self._kept["real"])
        for name, kept in self._kept.items():
            kept[place] = getattr(made, name)[:, 0]
        self.added += 1

    def draw(self, uniforms: NDArray[np.float64]) -> Transitions:
        """B transitions of each agent, with replacement: the places that uniform numbers (K, B) in [0, 1) point at.

        Raises:
            ValueError: nothing is remembered.
        """
        if not self.added:
            raise ValueError("nothing is remembered yet; add transitions before drawing")
        places = (uniforms * len(self)).astype(np.int64)
        return Transitions(**{name: kept[places, self._agents] for name, kept in self._kept.items()})

    def state(self) -> dict[str, Any]:
        """What `restore` needs."""
        return {"added": self.added, **{name: kept[: len(self)].copy() for name, kept in self._kept.items()}}

    def restore(self, state: Mapping[str, Any]) -> None:
        """Take back what `state` gave."""
        self.added = int(state["added"])
        for name, kept in self._kept.items():
            kept[: len(self)] = np.asarray(state[name])
