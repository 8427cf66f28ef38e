"""A small game with the rules of Breakout, as arrays: ball, paddle, bricks, on a grid of 6 x 6 pixels.

Ball and paddle move one pixel a step, so a player who starts in time always reaches the ball; which part of the paddle it meets
decides where it flies. A game has one ball and one wall: it ends when the ball is missed or the last brick is gone, and no player
gets more than `MOST` points.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from etudes.rl.environments import EnvironmentSpec

SIDE, TOP, LAYERS = 6, 1, 2  # pixels of a side, rows above the wall, rows of the wall
REACH = 1  # pixels of the paddle on each side of its middle
FLOOR, START = SIDE - 1, TOP + LAYERS  # rows of the paddle, and where the ball starts
MOST = SIDE * LAYERS
BRICK, PADDLE, BALL = 100, 180, 255  # grey levels
STAY, LEFT, RIGHT = range(3)
# A state: the ball's row and column, its steps (1 or -1), the paddle's middle, the wall, the picture before.
ROW, COLUMN, DOWN, ASIDE, MIDDLE, WALL = range(6)
BEFORE = WALL + MOST


@dataclass(frozen=True)
class Bricks:
    """States (B, 53) int16 -> observations (B, 2, 6, 6) uint8, the picture before and the present one.

    A brick that the ball would enter is taken away for a point, and the ball turns down or up. Walls and ceiling throw it back. The
    paddle's middle lets it fly on to its side, the left end sends it to the left, the right end to the right.
    """

    spec: EnvironmentSpec
    limit: int

    @property
    def starts(self) -> int:
        return 2

    @property
    def chances(self) -> int:
        return 0

    def begun(self, environment: Any) -> NDArray[np.int16]:
        return environment.state

    def draw(self, uniforms: NDArray[np.float64]) -> NDArray[np.int16]:
        """The ball rises from under the wall in any column, to either side; the paddle is in the middle."""
        states = np.zeros((uniforms.shape[1], BEFORE + SIDE * SIDE), np.int16)
        states[:, ROW], states[:, COLUMN] = START, (uniforms[0] * SIDE).astype(np.int16)
        states[:, DOWN], states[:, ASIDE] = -1, np.where(uniforms[1] < 0.5, -1, 1)
        states[:, MIDDLE], states[:, WALL:BEFORE] = SIDE // 2, 1
        states[:, BEFORE:] = self._pictures(states).reshape(-1, SIDE * SIDE)
        return states

    def observe(self, states: NDArray) -> NDArray[np.uint8]:
        before = states[:, BEFORE:].reshape(-1, SIDE, SIDE).astype(np.uint8)
        return np.stack([before, self._pictures(states)], axis=1)

    def _pictures(self, states: NDArray) -> NDArray[np.uint8]:
        count = np.arange(len(states))
        pictures = np.zeros((len(states), SIDE, SIDE), np.uint8)
        pictures[:, TOP:START] = states[:, WALL:BEFORE].reshape(-1, LAYERS, SIDE) * BRICK
        for aside in range(-REACH, REACH + 1):
            pictures[count, FLOOR, states[:, MIDDLE] + aside] = PADDLE
        pictures[count, states[:, ROW], states[:, COLUMN]] = BALL
        return pictures

    def step(
        self, states: NDArray, actions: NDArray, uniforms: NDArray[np.float64]
    ) -> tuple[NDArray, NDArray[np.float64], NDArray[np.bool_]]:
        after, count = states.copy(), np.arange(len(states))
        after[:, BEFORE:] = self._pictures(states).reshape(-1, SIDE * SIDE)
        moves = np.asarray(actions)
        middle = states[:, MIDDLE] + (moves == RIGHT) - (moves == LEFT)
        after[:, MIDDLE] = middle = np.clip(middle, REACH, FLOOR - REACH)
        row, column, down, aside = (states[:, part].copy() for part in (ROW, COLUMN, DOWN, ASIDE))
        aside[(column + aside < 0) | (column + aside >= SIDE)] *= -1
        down[row + down < 0] *= -1
        above, beside = row + down, column + aside

        layer = above - TOP
        inside = (layer >= 0) & (layer < LAYERS)
        place = WALL + np.where(inside, layer, 0) * SIDE + beside
        hit = inside & (after[count, place] == 1)
        after[count[hit], place[hit]] = 0

        landed, off = above == FLOOR, beside - middle
        caught = landed & (np.abs(off) <= REACH)
        after[:, ROW] = np.where(hit | caught, row, above)
        after[:, COLUMN] = np.where(hit, column, beside)
        after[:, DOWN] = np.where(hit | caught, -down, down)
        after[:, ASIDE] = np.where(caught & (off != 0), off, aside)
        won = after[:, WALL:BEFORE].sum(1) == 0
        return after, hit.astype(np.float64), landed & ~caught | won
