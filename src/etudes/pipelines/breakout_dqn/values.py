"""What a network says it will get, beside what it gets."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from etudes.rl.environments import LIFE_LOST, EnvironmentSpec

Floats = NDArray[np.float64]


@dataclass(frozen=True)
class Played:
    """Greedy episodes: undiscounted ``returns`` (N,) of the game, and of all states of lives that ended the value ``said`` and the
    return ``got`` (S,), discounted, of clipped rewards until the life ended: what the network was trained to say."""

    returns: Floats
    said: Floats
    got: Floats


def discounted(rewards: Sequence[float], discount: float) -> Floats:
    """``G_t = sign(r_t) + γ G_(t+1)`` of one life (T,)."""
    found, following = np.zeros(len(rewards)), 0.0
    for place in range(len(rewards) - 1, -1, -1):
        found[place] = following = np.sign(rewards[place]) + discount * following
    return found


def play_with_values(
    values: Callable[[NDArray], NDArray], spec: EnvironmentSpec, seeds: Sequence[int], discount: float
) -> Played:
    """Play an episode of each seed greedily, side by side.

    Args:
        values: observations (B, *shape) -> action values (B, actions).
        spec: the environment.
        seeds: (N,), of the episodes.
        discount: γ.
    """
    environments = [spec.make() for _ in seeds]
    returns = np.zeros(len(seeds))
    said: list[float] = []
    got: list[float] = []
    lives: list[tuple[list[float], list[float]]] = [([], []) for _ in seeds]
    try:
        seen = np.stack([one.reset(seed=int(seed))[0] for one, seed in zip(environments, seeds, strict=True)])
        playing = list(range(len(seeds)))
        while playing:
            found = values(seen[playing])
            still = []
            for place, own in zip(playing, found, strict=True):
                seen[place], reward, ended, cut, told = environments[place].step(int(own.argmax()))
                returns[place] += float(reward)
                predicted, rewards = lives[place]
                predicted.append(float(own.max()))
                rewards.append(float(reward))
                if ended or told.get(LIFE_LOST, False):
                    said += predicted
                    got += discounted(rewards, discount).tolist()
                    lives[place] = ([], [])
                if not (ended or cut):
                    still.append(place)
            playing = still
    finally:
        for one in environments:
            one.close()
    return Played(returns, np.array(said), np.array(got))
