"""The brick game: its rules by hand, its two forms alike, a player who gets all there is."""

from __future__ import annotations

import numpy as np
import pytest
from numpy.typing import NDArray

from etudes.rl.bricks import (
    ASIDE,
    BALL,
    BEFORE,
    BRICK,
    COLUMN,
    DOWN,
    FLOOR,
    LEFT,
    MIDDLE,
    MOST,
    PADDLE,
    RIGHT,
    ROW,
    STAY,
    WALL,
    Bricks,
)
from etudes.rl.controllers import bricks_rule
from etudes.rl.environments import EnvironmentSpec
from etudes.rl.evaluation import evaluate_policy

SPEC = EnvironmentSpec("etudes.rl.brick_game:Bricks-v0", MOST)
GAME = Bricks(SPEC, 500)
NOTHING = np.zeros((0, 1))


def placed(row: int, column: int, down: int, aside: int, middle: int = 3) -> NDArray[np.int16]:
    state = GAME.draw(np.zeros((2, 1)))
    state[0, [ROW, COLUMN, DOWN, ASIDE, MIDDLE]] = row, column, down, aside, middle
    return state


@pytest.mark.parametrize(
    ("state", "action", "after", "reward", "over"),
    [
        (placed(3, 3, -1, 1), STAY, (3, 3, 1, 1, 3), 1, False),  # a brick: the ball turns where it is
        (placed(3, 5, 1, 1), LEFT, (4, 4, 1, -1, 2), 0, False),  # the side
        (placed(4, 2, 1, 1), STAY, (4, 3, -1, 1, 3), 0, False),  # the middle of the paddle
        (placed(4, 3, 1, 1), RIGHT, (4, 4, -1, 1, 4), 0, False),  # the paddle moves first
        (placed(4, 3, 1, -1), STAY, (4, 2, -1, -1, 3), 0, False),  # its left end
        (placed(4, 1, 1, 1), STAY, (4, 2, -1, -1, 3), 0, False),  # which sends it back
        (placed(4, 1, 1, -1), STAY, (5, 0, 1, -1, 3), 0, True),  # missed
        (placed(3, 2, 1, 1, middle=4), RIGHT, (4, 3, 1, 1, 4), 0, False),  # the paddle stays inside
    ],
)
def test_a_step_by_hand(
    state: NDArray, action: int, after: tuple[int, ...], reward: float, over: bool
) -> None:
    states, rewards, ended = GAME.step(state, np.array([action]), NOTHING)
    assert tuple(states[0, [ROW, COLUMN, DOWN, ASIDE, MIDDLE]]) == after
    assert (rewards[0], ended[0]) == (reward, over)
    assert states[0, WALL:BEFORE].sum() == MOST - reward


def test_the_ceiling_throws_back_and_the_last_brick_ends_the_game() -> None:
    state = placed(0, 4, -1, 1)
    state[0, WALL:BEFORE] = 0
    state[0, WALL + 3] = 1  # on the upper row, beside the way
    states, _, over = GAME.step(state, np.array([STAY]), NOTHING)
    assert (states[0, ROW], states[0, DOWN], over[0]) == (1, 1, False)
    state[0, [COLUMN, ASIDE]] = 2, 1
    _, rewards, over = GAME.step(state, np.array([STAY]), NOTHING)
    assert (rewards[0], over[0]) == (1, True)


def test_a_picture_and_the_one_before() -> None:
    state = placed(3, 2, 1, 1)
    before, now = GAME.observe(GAME.step(state, np.array([RIGHT]), NOTHING)[0])[0]
    assert before[3, 2] == now[4, 3] == BALL and before[4, 3] == 0
    assert np.flatnonzero(before[FLOOR] == PADDLE).tolist() == [2, 3, 4]
    assert np.flatnonzero(now[FLOOR] == PADDLE).tolist() == [3, 4, 5]
    assert (now == BRICK).sum() == MOST


def test_the_rule_takes_every_brick_from_every_start() -> None:
    """So the optimum is known, and reached: no player gets more than there are bricks."""
    episodes = evaluate_policy(bricks_rule, SPEC, range(200), 200)
    assert (episodes.returns == MOST).all() and episodes.terminated.all()


def test_one_game_of_gymnasium_is_the_same_game() -> None:
    environment = SPEC.make(render=True)
    arrays = evaluate_policy(bricks_rule, SPEC, [7], 1)
    seen, total, over, steps = environment.reset(seed=7)[0], 0.0, False, 0
    while not over:
        seen, reward, ended, cut, _ = environment.step(int(bricks_rule(seen[None])[0]))
        total, steps, over = total + float(reward), steps + 1, ended or cut
    assert (total, steps) == (arrays.returns[0], arrays.lengths[0])
    frame: NDArray = np.asarray(environment.render())
    assert frame.shape == (96, 96, 3) and frame.max() == BALL
