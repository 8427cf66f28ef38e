"""Sessions: whole episodes of many agents side by side, in environments that are arrays or in Gymnasium's own."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from etudes.rl.environments import EnvironmentSpec
from etudes.rl.evaluation import evaluate_policy
from etudes.rl.simulators import Simulator, first_states, simulator_of

Floats = NDArray[np.float64]
# Observations (K, B, *shape) of K agents and uniform numbers (K, B) to actions (K, B).
Act = Callable[[NDArray, Floats], NDArray[np.int64]]
UNSEEN = 2**31  # seeds of training episodes begin here; those of dev and test are below


@dataclass(frozen=True)
class Sessions:
    """B sessions of each of K agents, T steps of the longest: ``observations`` (T, K, B, *shape), ``actions`` (T, K, B),
    whether each was still ``playing`` (T, K, B) then, and undiscounted ``returns`` (K, B)."""

    observations: NDArray
    actions: NDArray[np.int64]
    playing: NDArray[np.bool_]
    returns: Floats

    @property
    def lengths(self) -> NDArray[np.int64]:
        """Steps (K, B)."""
        return self.playing.sum(0)


class World(Protocol):
    """Where K agents play."""

    def play(self, round: int, starts: int, tries: int, act: Act) -> Sessions:
        """Sessions of one round: ``tries`` of each of ``starts`` first states, those of one start side by side.

        An agent's chance comes from its seed and the round alone.
        """

    def returns(self, act: Act, seeds: Sequence[int]) -> Floats:
        """Returns (K, N) of the episodes of these seeds, the same for all agents; ``act`` gets zeros for its chance."""


class ArrayWorld:
    """An environment of `etudes.rl.simulators`: all sessions of all agents step at once.

    Args:
        simulator: the environment.
        seeds: (K,) of the agents.
        horizon: steps after which a training session is cut off.
    """

    def __init__(self, simulator: Simulator, seeds: Sequence[int], horizon: int) -> None:
        self.simulator, self.seeds, self.horizon = simulator, list(seeds), horizon

    def play(self, round: int, starts: int, tries: int, act: Act) -> Sessions:
        simulator, generators = self.simulator, [np.random.default_rng([s, round]) for s in self.seeds]
        first = np.stack([simulator.draw(g.random((simulator.starts, starts))) for g in generators])
        shape = (self.horizon, 1 + simulator.chances, starts * tries)
        uniforms = np.stack([g.random(shape) for g in generators], axis=2)
        return self._run(np.repeat(first, tries, axis=1), uniforms, act)

    def returns(self, act: Act, seeds: Sequence[int]) -> Floats:
        # Where chance decides what follows, all agents meet the same.
        simulator, first = self.simulator, first_states(self.simulator, seeds)
        shape = (simulator.limit, 1 + simulator.chances, 1, len(first))
        uniforms = np.random.default_rng(0).random(shape).repeat(len(self.seeds), axis=2)
        uniforms[:, 0] = 0
        return self._run(np.repeat(first[None], len(self.seeds), axis=0), uniforms, act).returns

    def _run(self, first: NDArray, uniforms: Floats, act: Act) -> Sessions:
        """From first states (K, B, ...) with uniform numbers (T, 1 + chances, K, B).

        Sessions that are over go on beside the others and are not counted: an agent's arrays keep their shape, and with it
        its numbers, whoever plays beside it.
        """
        count, shape = first.shape[:2], first.shape[2:]
        states, returns, playing = first.reshape(-1, *shape), np.zeros(count), np.ones(count, bool)
        seen, taken, alive = [], [], []
        for chance in uniforms:
            observations = self.simulator.observe(states).reshape(*count, *shape)
            actions = act(observations, chance[0])
            seen.append(observations)
            taken.append(actions)
            alive.append(playing)
            own = chance[1:].reshape(self.simulator.chances, returns.size)
            states, rewards, ended = self.simulator.step(states, actions.reshape(-1), own)
            returns += np.where(playing, rewards.reshape(count), 0.0)
            playing = playing & ~ended.reshape(count)
            if not playing.any():
                break
        return Sessions(np.stack(seen), np.stack(taken), np.stack(alive), returns)


class GymnasiumWorld:
    """Any environment of Gymnasium: one object for each session, which is stepped as long as it plays.

    Args:
        spec: the environment.
        seeds: (K,) of the agents.
        horizon: steps after which a training session is cut off.
    """

    def __init__(self, spec: EnvironmentSpec, seeds: Sequence[int], horizon: int) -> None:
        self.spec, self.seeds, self.horizon = spec, list(seeds), horizon
        self._environments: list = []

    def play(self, round: int, starts: int, tries: int, act: Act) -> Sessions:
        generators = [np.random.default_rng([s, round]) for s in self.seeds]
        first = np.stack([g.integers(UNSEEN, 2 * UNSEEN, starts) for g in generators])
        count = (len(first), starts * tries)
        uniforms = np.stack([g.random((self.horizon, count[1])) for g in generators], axis=1)
        while len(self._environments) < count[0] * count[1]:
            self._environments.append(self.spec.make())
        begun = [
            environment.reset(seed=int(seed))[0]
            for environment, seed in zip(self._environments, first.repeat(tries, 1).reshape(-1), strict=False)
        ]
        observations = np.stack(begun).reshape(*count, *begun[0].shape)
        returns, playing = np.zeros(count), np.ones(count, bool)
        seen, taken, alive = [], [], []
        for chance in uniforms:
            actions = act(observations, chance)
            seen.append(observations)
            taken.append(actions)
            alive.append(playing)
            observations, playing = observations.copy(), playing.copy()
            for agent, session in np.argwhere(alive[-1]).tolist():
                environment = self._environments[agent * count[1] + session]
                observations[agent, session], reward, ended, cut, _ = environment.step(
                    int(actions[agent, session])
                )
                returns[agent, session] += float(reward)
                playing[agent, session] = not (ended or cut)
            if not playing.any():
                break
        return Sessions(np.stack(seen), np.stack(taken), np.stack(alive), returns)

    def returns(self, act: Act, seeds: Sequence[int]) -> Floats:
        def of(agent: int) -> Callable[[NDArray], NDArray]:
            def policy(observations: NDArray) -> NDArray:
                everybody = np.repeat(np.asarray(observations)[None], len(self.seeds), axis=0)
                return act(everybody, np.zeros(everybody.shape[:2]))[agent]

            return policy

        played = [
            evaluate_policy(of(agent), self.spec, seeds, len(seeds)).returns
            for agent in range(len(self.seeds))
        ]
        return np.stack(played)


def world_of(spec: EnvironmentSpec, seeds: Sequence[int], horizon: int) -> World:
    """Arrays where the environment has such a form, else Gymnasium's own objects."""
    simulator = simulator_of(spec)
    if simulator is None:
        return GymnasiumWorld(spec, seeds, horizon)
    return ArrayWorld(simulator, seeds, min(horizon, simulator.limit))
