"""The controller written by hand."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

NOTHING, LEFT, MAIN, RIGHT = range(4)


def heuristic_policy(observations: NDArray) -> NDArray[np.int64]:
    """Two proportional-derivative controllers for Lunar Lander: observations (B, 8) -> actions (B,).

    One steers the angle towards where the lander should drift (against position and speed, at most 0.4 rad), one holds
    a height above the pad that falls with the distance from it. On the ground only the fall is braked. The engine of
    the larger correction fires if it is larger than 0.05. Idea and gains: `gymnasium.envs.box2d.lunar_lander.heuristic`.
    """
    x, y, vx, vy, angle, spin, left_leg, right_leg = np.asarray(observations, np.float64).T
    wanted_angle = np.clip(0.5 * x + vx, -0.4, 0.4)
    wanted_height = 0.55 * np.abs(x)
    turn = 0.5 * (wanted_angle - angle) - spin
    lift = 0.5 * (wanted_height - y) - 0.5 * vy
    grounded = (left_leg > 0.5) | (right_leg > 0.5)
    turn = np.where(grounded, 0.0, turn)
    lift = np.where(grounded, -0.5 * vy, lift)
    steer = np.where(turn < -0.05, RIGHT, np.where(turn > 0.05, LEFT, NOTHING))
    return np.where((lift > np.abs(turn)) & (lift > 0.05), MAIN, steer).astype(np.int64)
