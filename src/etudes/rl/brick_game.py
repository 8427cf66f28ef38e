"""The game of `etudes.rl.bricks` as an environment of Gymnasium's: ``etudes.rl.brick_game:Bricks-v0``."""

from __future__ import annotations

from typing import Any, ClassVar

import gymnasium
import numpy as np
from numpy.typing import NDArray

from etudes.rl.bricks import RIGHT, SIDE, Bricks
from etudes.rl.environments import EnvironmentSpec

NAME, LIMIT, TILE = "Bricks-v0", 500, 16  # steps of a game at most, pixels of a pixel where it is drawn


class BrickGame(gymnasium.Env):
    """One game, drawn grey.

    Args:
        render_mode: ``rgb_array`` or None.
    """

    metadata: ClassVar[dict[str, Any]] = {"render_modes": ["rgb_array"], "render_fps": 15}  # type: ignore[misc]

    def __init__(self, render_mode: str | None = None) -> None:
        self.render_mode = render_mode
        self.observation_space = gymnasium.spaces.Box(0, 255, (2, SIDE, SIDE), np.uint8)
        self.action_space = gymnasium.spaces.Discrete(RIGHT + 1)
        self._rules = Bricks(EnvironmentSpec(NAME, 0), LIMIT)
        self._states = self._rules.draw(np.zeros((self._rules.starts, 1)))

    @property
    def state(self) -> NDArray[np.int16]:
        """As `Bricks` has it, of this one game."""
        return self._states[0]

    def reset(
        self, *, seed: int | None = None, options: dict[str, Any] | None = None
    ) -> tuple[NDArray[np.uint8], dict[str, Any]]:
        super().reset(seed=seed)
        self._states = self._rules.draw(self.np_random.random((self._rules.starts, 1)))
        return self._rules.observe(self._states)[0], {}

    def step(self, action: Any) -> tuple[NDArray[np.uint8], float, bool, bool, dict[str, Any]]:
        self._states, rewards, over = self._rules.step(self._states, np.array([action]), np.zeros((0, 1)))
        return self._rules.observe(self._states)[0], float(rewards[0]), bool(over[0]), False, {}

    def render(self) -> NDArray[np.uint8]:
        picture = self._rules.observe(self._states)[0, 1]
        return np.repeat(np.kron(picture, np.ones((TILE, TILE), np.uint8))[..., None], 3, axis=2)


gymnasium.register(NAME, entry_point=f"{__name__}:{BrickGame.__name__}", max_episode_steps=LIMIT)
