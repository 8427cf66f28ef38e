"""Players written by hand, which learn nothing: what a few lines of physics get where others train."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

# Of position (m), speed (m/s), angle (rad), spin (rad/s): the pole first, the way back to the middle second.
STEERING = np.array([0.15, 0.25, 3.0, 1.0])


def cart_rule(observations: NDArray) -> NDArray[np.int64]:
    """Cart and pole: push to where the pole leans and turns, and a little to where the cart is, observations (B, 4) -> actions (B,)."""
    return (np.asarray(observations) @ STEERING > 0).astype(np.int64)


def acrobot_rule(observations: NDArray) -> NDArray[np.int64]:
    """Acrobot: push the lower link on the way it swings, unless the upper one swings more than twice as fast, observations (B, 6) ->
    actions (B,)."""
    seen = np.asarray(observations, np.float64)
    return np.where(seen[:, 5] > 0.5 * seen[:, 4], 2, 0).astype(np.int64)


ENGINE, SLOPE = 0.001, 0.0025  # what the engine and the steepest slope change of the speed in a step
STEEPEST = np.arccos(ENGINE / SLOPE) / 3  # from there on the engine is stronger than the slope
SPARE = 0.0006  # energy beyond what is needed; with none the car would arrive, but crawling
LEFT_FIRST = (
    -0.48
)  # a start that far up the right side (the bottom is at -0.52) reaches the flag after one swing to the left


def car_rule(observations: NDArray) -> NDArray[np.int64]:
    """Mountain Car: swing along the motion, and push right for good as soon as that reaches the flag, observations (B, 2) -> actions (B,).

    With the engine to the right, ``v² / 2 + U(x)`` with ``U(x) = (0.0025 / 3) sin 3x - 0.001 x`` stays the same whichever way the car
    rolls, but for the size of a step. The flag is reached once that exceeds U at the steepest place.
    """
    position, speed = np.asarray(observations, np.float64).T
    enough = (speed**2 / 2 + _height(position) > _height(STEEPEST) + SPARE) | (position > STEEPEST)
    along = (speed > 0) | ((speed == 0) & (position < LEFT_FIRST))
    return np.where(enough | along, 2, 0).astype(np.int64)


def _height(position: NDArray | float) -> NDArray:
    return SLOPE / 3 * np.sin(3 * np.asarray(position)) - ENGINE * np.asarray(position)


NOTHING, LEFT, MAIN, RIGHT = range(4)


def lander_rule(observations: NDArray) -> NDArray[np.int64]:
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


# By the beginning of an environment's name: it stays with new versions and other time limits.
_RULES: dict[str, Callable[[NDArray], NDArray[np.int64]]] = {
    "CartPole": cart_rule,
    "Acrobot": acrobot_rule,
    "MountainCar": car_rule,
    "LunarLander": lander_rule,
}


def rule_for(environment: str) -> Callable[[NDArray], NDArray[np.int64]] | None:
    """The rule for an environment of Gymnasium's, by its id; None where there is none."""
    return next((rule for name, rule in _RULES.items() if environment.startswith(f"{name}-")), None)
