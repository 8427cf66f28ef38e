"""The one evaluator: a policy, seeded episodes, their returns."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from etudes.rl.environments import EnvironmentSpec
from etudes.rl.simulators import Simulator, first_states, simulator_of

# Observations (B, *shape) to actions (B,).
Policy = Callable[[NDArray], NDArray]


@dataclass(frozen=True)
class Episodes:
    """N played episodes, in the order of their ``seeds``: undiscounted ``returns`` (N,), ``lengths`` (N,) in steps, and
    whether each ``terminated`` (N,) of itself (else the time limit cut it off)."""

    seeds: NDArray[np.int64]
    returns: NDArray[np.float64]
    lengths: NDArray[np.int64]
    terminated: NDArray[np.bool_]

    def __len__(self) -> int:
        return len(self.seeds)


def evaluate_policy(
    policy: Policy, spec: EnvironmentSpec, seeds: Sequence[int] | NDArray, parallel: int
) -> Episodes:
    """Play one episode for each seed, ``parallel`` at a time so that they share the policy's calls.

    Every episode starts from its own seed alone, so it is the same one for every policy, wherever it is played. Where the
    environment has an array form without chance (`etudes.rl.simulators`), all play at once, the same episodes.

    Raises:
        ValueError: no seeds, or ``parallel`` below 1.
    """
    seeds = np.asarray(seeds, np.int64)
    if len(seeds) < 1 or parallel < 1:
        raise ValueError(f"{len(seeds)} seeds, {parallel} in parallel: expected at least one of each")
    simulator = simulator_of(spec)
    if simulator is not None and not simulator.chances:
        return _simulated(policy, simulator, seeds)
    environments = [spec.make() for _ in range(min(parallel, len(seeds)))]
    returns, lengths = np.zeros(len(seeds)), np.zeros(len(seeds), np.int64)
    terminated = np.zeros(len(seeds), bool)
    try:
        playing = list(range(len(environments)))  # environments that play, and
        episode = list(range(len(environments)))  # which episode each of them plays
        waiting = iter(range(len(environments), len(seeds)))
        first = [env.reset(seed=int(seed))[0] for env, seed in zip(environments, seeds, strict=False)]
        observations = np.stack(first)
        while playing:
            actions = policy(observations[playing]).tolist()
            still = []
            for index, action in zip(playing, actions, strict=True):
                observation, reward, ended, cut, _ = environments[index].step(action)
                number = episode[index]
                returns[number] += float(reward)
                lengths[number] += 1
                if ended or cut:
                    terminated[number] = ended
                    following = next(waiting, None)
                    if following is None:
                        continue
                    episode[index] = following
                    observation, _ = environments[index].reset(seed=int(seeds[following]))
                observations[index] = observation
                still.append(index)
            playing = still
    finally:
        for environment in environments:
            environment.close()
    return Episodes(seeds, returns, lengths, terminated)


def evaluate_together(
    act: Policy, players: int, spec: EnvironmentSpec, seeds: Sequence[int] | NDArray
) -> tuple[NDArray[np.float64], NDArray[np.int64]]:
    """Returns and lengths (K, N) of the same N episodes played by each of K players, as `evaluate_policy` plays them one by one.

    Args:
        act: observations (K, B, *shape) -> actions (K, B); an action depends on its player and its observation alone.
        players: K.
        spec: the environment.
        seeds: (N,), of the episodes.
    """
    simulator = simulator_of(spec)
    if simulator is None or simulator.chances:

        def alone(player: int) -> Policy:
            return lambda seen: act(np.broadcast_to(seen, (players, *seen.shape)))[player]

        played = [evaluate_policy(alone(player), spec, seeds, len(seeds)) for player in range(players)]
        return np.stack([one.returns for one in played]), np.stack([one.lengths for one in played])
    first = first_states(simulator, seeds)
    states, shown = np.tile(first, (players, *[1] * (first.ndim - 1))), np.arange(len(first))
    states = states.reshape(players, *first.shape)
    returns, lengths = np.zeros((players, len(first))), np.zeros((players, len(first)), np.int64)
    alive, nothing = np.ones((players, len(first)), bool), np.zeros((0, 0))
    for _ in range(simulator.limit):
        seen = simulator.observe(states.reshape(-1, *first.shape[1:]))
        actions = np.asarray(act(seen.reshape(players, -1, *seen.shape[1:])))
        who = alive.nonzero()
        states[who], rewards, ended = simulator.step(states[who], actions[who], nothing)
        returns[who[0], shown[who[1]]] += rewards
        lengths[who[0], shown[who[1]]] += 1
        if ended.any():
            alive[who] = ~ended
            some = alive.any(0)  # episodes that anybody still plays
            if not some.any():
                break
            states, alive, shown = states[:, some], alive[:, some], shown[some]
    return returns, lengths


def _simulated(policy: Policy, simulator: Simulator, seeds: NDArray[np.int64]) -> Episodes:
    """The episodes as array operations."""
    states, playing = first_states(simulator, seeds), np.arange(len(seeds))
    returns, lengths = np.zeros(len(seeds)), np.zeros(len(seeds), np.int64)
    terminated, nothing = np.zeros(len(seeds), bool), np.zeros((0, 0))
    for _ in range(simulator.limit):
        actions = np.asarray(policy(simulator.observe(states)))
        states, rewards, ended = simulator.step(states, actions, nothing)
        returns[playing] += rewards
        lengths[playing] += 1
        terminated[playing[ended]] = True
        states, playing = states[~ended], playing[~ended]
        if not len(playing):
            break
    return Episodes(seeds, returns, lengths, terminated)
