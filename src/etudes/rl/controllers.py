"""Players written by hand, which learn nothing: what a few lines of physics get where others train."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

from etudes.rl.bricks import BALL, BRICK, FLOOR, PADDLE, REACH, SIDE, START, TOP

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


def _flights() -> NDArray[np.int64]:
    """Places in the wall that a ball of the brick game crosses up and down from each column to either side (columns, sides, places)."""
    rows = np.array([*range(START - 1, TOP - 1, -1), *range(TOP, START)])
    rise = np.array(
        [FLOOR - 1 - row for row in rows[: START - TOP]] + [FLOOR - 1 + row for row in rows[START - TOP :]]
    )
    way = (np.arange(SIDE)[:, None, None] + np.array([-1, 1])[:, None] * rise) % (2 * FLOOR)
    return (rows - TOP) * SIDE + np.minimum(way, 2 * FLOOR - way)


def bricks_rule(observations: NDArray) -> NDArray[np.int64]:
    """The brick game: wait where the ball will land, observations (B, 2, 6, 6) -> actions (B,). It takes every brick.

    The paddle is as fast as the ball, so nothing is missed. The ball is sent to a side on which a brick is in its way; where there is
    none, so that it comes down nearer to a column from which there is one (a flight over the whole board ends a column on the other side
    of where it began).
    """
    before, now = np.asarray(observations)[:, 0], np.asarray(observations)[:, 1]
    rows, columns = np.divmod((now == BALL).reshape(len(now), -1).argmax(1), SIDE)
    old_rows, old = np.divmod((before == BALL).reshape(len(now), -1).argmax(1), SIDE)
    paddle = (now[:, FLOOR] == PADDLE).argmax(1) + REACH
    falls, steps = rows > old_rows, FLOOR - rows
    way = (columns + (columns - old) * steps) % (2 * FLOOR)
    lands = np.where(falls, np.minimum(way, 2 * FLOOR - way), columns)
    wall = (now[:, TOP:START] == BRICK).reshape(len(now), -1)
    hits: NDArray[np.bool_] = np.asarray(
        np.any(np.take(wall, _flights(), axis=1), axis=3)
    )  # (B, columns, sides)
    left, right = hits[np.arange(len(now)), lands].T
    far = np.where(np.any(hits, axis=2), np.abs(np.arange(SIDE) - lands[:, None]), SIDE)
    walk = np.where(far.argmin(1) > lands, -1, 1)
    side = np.where(left, -1, np.where(right, 1, walk))
    aimed = np.where(falls, lands - side, lands).clip(REACH, FLOOR - REACH)
    goal = np.where(np.abs(aimed - paddle) <= steps, aimed, lands)
    return np.where(goal < paddle, 1, np.where(goal > paddle, 2, 0)).astype(np.int64)


def breakout_rule(observations: NDArray) -> NDArray[np.int64]:
    """Atari's Breakout at 84 x 84 pixels: the middle of the paddle goes to the column of the ball, observations (B, 4, 84, 84) -> actions
    (B,). Where no ball is seen it stays."""
    now = np.asarray(observations)[:, -1]
    air: NDArray[np.bool_] = now[:, 38:75, 5:79] > 40  # between wall and paddle, inside the frame
    floor: NDArray[np.bool_] = now[:, 75:77, 5:79] > 40  # the paddle
    places = np.arange(air.shape[2])
    seen, found = np.any(air, axis=1), np.any(floor, axis=1)
    ball = (seen * places).sum(1) / np.maximum(seen.sum(1), 1)
    paddle = (found * places).sum(1) / np.maximum(found.sum(1), 1)
    off = np.where(np.any(seen, axis=1) & np.any(found, axis=1), ball - paddle, 0.0)
    return np.where(off > 2, 2, np.where(off < -2, 3, 0)).astype(np.int64)


# By the beginning of an environment's name: it stays with new versions and other time limits.
_RULES: dict[str, Callable[[NDArray], NDArray[np.int64]]] = {
    "CartPole": cart_rule,
    "Acrobot": acrobot_rule,
    "MountainCar": car_rule,
    "LunarLander": lander_rule,
    "etudes.rl.brick_game:Bricks": bricks_rule,
    "ALE/Breakout": breakout_rule,
}


def rule_for(environment: str) -> Callable[[NDArray], NDArray[np.int64]] | None:
    """The rule for an environment of Gymnasium's, by its id; None where there is none."""
    return next((rule for name, rule in _RULES.items() if environment.startswith(f"{name}-")), None)
