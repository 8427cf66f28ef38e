"""Environments that are arrays, with the step and the resets of those that Gymnasium makes."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from etudes.rl.environments import Environments, EnvironmentSpec, Step
from etudes.rl.simulators import Simulator, simulator_of

BLOCK = 500  # calls whose uniform numbers are drawn at once


class SimulatedEnvironments:
    """E environments of one simulator, whose state can be saved and taken back; they step and reset as `Environments` do.

    Args:
        simulator: the environment.
        seeds: one for each environment; where its first states and its chance come from.
    """

    def __init__(self, simulator: Simulator, seeds: Sequence[int]) -> None:
        self.simulator, self.spec, self.seeds = simulator, simulator.spec, list(seeds)
        self.calls, self._block = 0, -1
        self.states = simulator.draw(self._uniforms()[simulator.chances :])
        self.ages, self.pending = np.zeros(len(self), np.int64), np.zeros(len(self), bool)
        self.calls = 1
        self.observations = simulator.observe(self.states)

    def __len__(self) -> int:
        return len(self.seeds)

    def step(self, actions: NDArray, where: NDArray[np.bool_] | None = None) -> Step:
        """One step with ``actions`` (E,); those of environments that are reset are ignored. Environments that are not in ``where``
        (E,) stay as they are."""
        count, simulator = len(self), self.simulator
        chosen = np.ones(count, bool) if where is None else where
        real, anew, uniforms = ~self.pending & chosen, self.pending & chosen, self._uniforms()
        rewards, terminated = np.zeros(count), np.zeros(count, bool)
        own = slice(None) if real.all() else real
        states = self.states.copy()
        states[own], rewards[own], terminated[own] = simulator.step(
            self.states[own], np.asarray(actions)[own], uniforms[: simulator.chances, own]
        )
        self.ages[own] += 1
        if anew.any():
            states[anew] = simulator.draw(uniforms[simulator.chances :, anew])
            self.ages[anew] = 0
        truncated = real & ~terminated & (self.ages >= simulator.limit)
        self.states, self.observations = states, simulator.observe(states)
        self.pending = np.where(chosen, terminated | truncated, self.pending)
        self.calls += 1
        return Step(self.observations, rewards, terminated, truncated, real, np.zeros(count, bool))

    def _uniforms(self) -> NDArray[np.float64]:
        """The uniform numbers (chances + starts, E) of a call."""
        block, place = divmod(self.calls, BLOCK)
        if block != self._block:
            size = (BLOCK, self.simulator.chances + self.simulator.starts)
            drawn = [np.random.default_rng([seed, block]).random(size) for seed in self.seeds]
            self._drawn, self._block = np.stack(drawn, axis=-1), block
        return self._drawn[place]

    def state(self) -> dict[str, Any]:
        """What `restore` needs."""
        kept = {name: getattr(self, name).copy() for name in ("states", "ages", "pending")}
        return {**kept, "calls": self.calls}

    def restore(self, state: Mapping[str, Any]) -> None:
        """Take back what `state` gave."""
        for name in ("states", "ages", "pending"):
            setattr(self, name, np.asarray(state[name]).copy())
        self.calls, self._block = int(state["calls"]), -1
        self.observations = self.simulator.observe(self.states)

    def close(self) -> None:
        """There is nothing to close."""


def side_by_side(spec: EnvironmentSpec, seeds: Sequence[int]) -> Environments | SimulatedEnvironments:
    """E environments: as arrays where they have such a form, Gymnasium's own elsewhere."""
    simulator = simulator_of(spec)
    return Environments(spec, seeds) if simulator is None else SimulatedEnvironments(simulator, seeds)
