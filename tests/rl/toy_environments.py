"""Environments small enough to follow by hand. `EnvironmentSpec` ids start with ``rl.toy_environments:``."""

from __future__ import annotations

from typing import Any, ClassVar

import gymnasium
import numpy as np
from gymnasium import spaces

from etudes.rl.environments import EnvironmentSpec


class Clock(gymnasium.Env):
    """Observes (episode, time); the reward is the time after the step; ends after ``length`` steps, truncated or not."""

    metadata: ClassVar[dict[str, Any]] = {"render_modes": ["rgb_array"]}

    def __init__(self, length: int = 3, truncates: bool = False, render_mode: str | None = None) -> None:
        self.observation_space = spaces.Box(-1, 1000, (2,), np.float32)
        self.action_space = spaces.Discrete(2)
        self.length, self.truncates, self.render_mode = length, truncates, render_mode
        self.episode, self.time = -1, 0

    def reset(self, *, seed: int | None = None, options: Any = None) -> tuple[Any, dict[str, Any]]:
        super().reset(seed=seed)
        self.episode, self.time = self.episode + 1, 0
        return self._observation(), {}

    def step(self, action: int) -> tuple[Any, float, bool, bool, dict[str, Any]]:
        self.time += 1
        over = self.time >= self.length
        return self._observation(), float(self.time), over and not self.truncates, over and self.truncates, {}

    def _observation(self) -> Any:
        return np.array([self.episode, self.time], np.float32)

    def render(self) -> Any:
        return np.full((20, 30, 3), self.time, np.uint8)


class Chain(gymnasium.Env):
    """Five places in a row, a random start in the first three: right (1) leads to the end, where the reward is 1."""

    metadata: ClassVar[dict[str, Any]] = {"render_modes": ["rgb_array"]}

    def __init__(self, render_mode: str | None = None) -> None:
        self.observation_space = spaces.Box(0, 1, (5,), np.float32)
        self.action_space = spaces.Discrete(2)
        self.render_mode = render_mode
        self.place = 0

    def reset(self, *, seed: int | None = None, options: Any = None) -> tuple[Any, dict[str, Any]]:
        super().reset(seed=seed)
        self.place = int(self.np_random.integers(0, 3))
        return self._observation(), {}

    def step(self, action: int) -> tuple[Any, float, bool, bool, dict[str, Any]]:
        self.place = min(max(self.place + (1 if action else -1), 0), 4)
        over = self.place == 4
        return self._observation(), 1.0 if over else -0.05, over, False, {}

    def _observation(self) -> Any:
        return np.eye(5, dtype=np.float32)[self.place]

    def render(self) -> Any:
        return np.full((20, 30, 3), 50 * self.place, np.uint8)


class Forgetful(Chain):
    """Draws from a generator that nobody can seed."""

    def reset(self, *, seed: int | None = None, options: Any = None) -> tuple[Any, dict[str, Any]]:
        super().reset(seed=seed)
        return np.random.default_rng().random(5).astype(np.float32), {}


class Steering(gymnasium.Env):
    """Takes a number: an action that action values cannot rank."""

    observation_space = spaces.Box(0, 1, (1,), np.float32)
    action_space = spaces.Box(-1, 1, (1,), np.float32)


for name, kind, limit in (("Clock", Clock, None), ("Chain", Chain, 20), ("Forgetful", Forgetful, 20)):
    gymnasium.register(f"{name}-v0", kind, max_episode_steps=limit)
gymnasium.register("Steering-v0", Steering)


def toy(name: str, solved: float = 0.0, **arguments: Any) -> EnvironmentSpec:
    """The specification of a toy environment."""
    return EnvironmentSpec(f"rl.toy_environments:{name}-v0", solved, arguments)
