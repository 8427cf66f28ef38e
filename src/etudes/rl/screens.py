"""Games that observe their screen, as networks see them: grey, small, the latest few frames together."""

from __future__ import annotations

from typing import Any

import gymnasium
import numpy as np
from numpy.typing import NDArray
from PIL import Image

from etudes.rl.environments import LIFE_LOST

FIRE = 1  # of Atari games that have it


class Screens(gymnasium.Wrapper):
    """The last ``stack`` screens, each averaged down to a square: observations (stack, size, size) uint8, the latest last.

    Screens before the first of an episode are that first one, as `etudes.rl.replay.ReplayBuffer` has them. What a step tells says
    whether a life was lost. An episode begins from a seed, or from one that the environment's generator draws: the emulator has
    chance of its own, which this seeds as well.

    Args:
        environment: observes grey screens (height, width) uint8.
        size: pixels of a side.
        stack: how many screens.
        fire: press FIRE at the start and after a lost life, where the game waits for it.

    Raises:
        ValueError: it observes something else, or has no FIRE.
    """

    def __init__(self, environment: gymnasium.Env, size: int, stack: int, fire: bool = False) -> None:
        super().__init__(environment)
        space = environment.observation_space
        if space.shape is None or len(space.shape) != 2 or space.dtype != np.uint8:
            raise ValueError(
                f"it observes {space}; expected grey screens (height, width) uint8 (of an Atari game by the argument obs_type: grayscale)"
            )
        meanings: list[str] = getattr(environment.unwrapped, "get_action_meanings", list)()
        if fire and meanings[FIRE : FIRE + 1] != ["FIRE"]:
            raise ValueError(
                f"fire is true, but its actions are {meanings or environment.action_space}; expected FIRE as number {FIRE}"
            )
        if size < 1 or stack < 1:
            raise ValueError(f"size {size}, stack {stack}: expected one or more of each")
        self.size, self.stack, self.fire, self._lives = size, stack, fire, 0
        self._seen = np.zeros((stack, size, size), np.uint8)
        self.observation_space = gymnasium.spaces.Box(0, 255, self._seen.shape, np.uint8)

    def reset(
        self, *, seed: int | None = None, options: dict[str, Any] | None = None
    ) -> tuple[NDArray[np.uint8], dict[str, Any]]:
        own = int(self.unwrapped.np_random.integers(2**31)) if seed is None else seed
        generator = self.unwrapped.np_random
        screen, told = self.env.reset(seed=own, options=options)
        if seed is None:
            self.unwrapped.np_random = generator  # it goes on; the seed was for the emulator
        self._lives = told.get("lives", 0)
        if self.fire:
            screen, *_ = self.env.step(FIRE)
        self._seen = np.repeat(self._small(screen)[None], self.stack, axis=0)
        return self._seen, told

    def step(self, action: int) -> tuple[NDArray[np.uint8], float, bool, bool, dict[str, Any]]:
        screen, reward, terminated, truncated, told = self.env.step(action)
        lives = told.get("lives", 0)
        told[LIFE_LOST] = lost = lives < self._lives
        if self.fire and lost and not (terminated or truncated):
            screen, more, terminated, truncated, _ = self.env.step(FIRE)
            reward = float(reward) + float(more)
        self._lives = lives
        self._seen = np.concatenate([self._seen[1:], self._small(screen)[None]])
        return self._seen, float(reward), terminated, truncated, told

    def _small(self, screen: NDArray[np.uint8]) -> NDArray[np.uint8]:
        return np.asarray(Image.fromarray(screen).resize((self.size, self.size), Image.Resampling.BOX))
