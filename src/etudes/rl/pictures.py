"""One episode to look at: its frames, and a strip of them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from etudes.rl.environments import EnvironmentSpec
from etudes.rl.evaluation import Policy


@dataclass(frozen=True)
class Rollout:
    """One episode of T steps: ``observations`` (T + 1, *shape), ``actions`` (T,), ``rewards`` (T,), whether it
    ``terminated`` of itself, and ``frames`` (T + 1) pictures (H, W, 3) uint8."""

    observations: NDArray
    actions: NDArray[np.int64]
    rewards: NDArray[np.float64]
    terminated: bool
    frames: list[NDArray[np.uint8]]

    @property
    def total(self) -> float:
        """The undiscounted return."""
        return float(self.rewards.sum())


def play(policy: Policy, spec: EnvironmentSpec, seed: int) -> Rollout:
    """Play and draw the episode that starts from ``seed``."""
    environment = spec.make(render=True)
    try:
        observation, _ = environment.reset(seed=int(seed))
        observations, frames = [observation], [_frame(environment.render())]
        actions, rewards, over, terminated = [], [], False, False
        while not over:
            action = int(policy(observation[None])[0])
            observation, reward, terminated, truncated, _ = environment.step(action)
            observations.append(observation)
            frames.append(_frame(environment.render()))
            actions.append(action)
            rewards.append(float(reward))
            over = terminated or truncated
    finally:
        environment.close()
    return Rollout(np.stack(observations), np.array(actions), np.array(rewards), bool(terminated), frames)


def spread_evenly(total: int, count: int) -> NDArray[np.int64]:
    """At most ``count`` different positions of ``total``, even apart, the first and the last among them."""
    return np.unique(np.linspace(0, total - 1, min(count, total)).round().astype(np.int64))


def filmstrip(frames: Sequence[NDArray], captions: Sequence[str], columns: int, tile: int = 150) -> bytes:
    """Frames in reading order as one PNG, each with its caption."""
    from etudes.reporting import image_grid

    return image_grid(frames, captions, columns, tile=tile)


def _frame(picture: object) -> NDArray[np.uint8]:
    frame = np.asarray(picture)
    if frame.dtype != np.uint8 or frame.ndim != 3 or frame.shape[2] != 3:
        raise ValueError(f"the environment draws {frame.dtype} {frame.shape}; expected uint8 (H, W, 3)")
    return frame
