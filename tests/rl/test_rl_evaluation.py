"""The evaluator, and episodes to look at."""

from __future__ import annotations

import io

import numpy as np
import pytest
from PIL import Image

from etudes.rl.environments import EnvironmentSpec
from etudes.rl.evaluation import evaluate_policy, evaluate_together
from etudes.rl.pictures import filmstrip, play
from rl.toy_environments import toy


def to_the_right(observations: np.ndarray) -> np.ndarray:
    return np.ones(len(observations), int)


def stay_left(observations: np.ndarray) -> np.ndarray:
    return np.zeros(len(observations), int)


def sometimes_up(observations: np.ndarray) -> np.ndarray:
    return np.where(observations[:, 3] < -0.3, 2, 0)


def test_returns_belong_to_their_seeds_whatever_runs_beside_them() -> None:
    spec, seeds = EnvironmentSpec("LunarLander-v3", 200), [5, 6, 7, 8, 9]
    one = evaluate_policy(sometimes_up, spec, seeds, parallel=1)
    several = evaluate_policy(sometimes_up, spec, seeds, parallel=3)
    backwards = evaluate_policy(sometimes_up, spec, seeds[::-1], parallel=5)
    np.testing.assert_array_equal(one.returns, several.returns)
    np.testing.assert_array_equal(one.returns, backwards.returns[::-1])
    np.testing.assert_array_equal(one.lengths, several.lengths)
    assert len(set(one.returns)) == 5, "seeds differ"


def test_a_cut_episode_did_not_terminate() -> None:
    right = evaluate_policy(to_the_right, toy("Chain"), [0, 1, 2], 2)
    assert right.terminated.all() and (right.returns > 0.8).all() and (right.lengths <= 4).all()
    left = evaluate_policy(stay_left, toy("Chain"), [0], 1)
    assert not left.terminated[0] and left.lengths[0] == 20 and left.returns[0] == pytest.approx(-1.0)


def test_nothing_to_play_is_refused() -> None:
    with pytest.raises(ValueError, match="at least one of each"):
        evaluate_policy(stay_left, toy("Chain"), [], 1)


@pytest.mark.parametrize(
    "spec", [EnvironmentSpec("CartPole-v1", 475), toy("Chain")], ids=["arrays", "gymnasium"]
)
def test_players_together_get_what_each_gets_alone(spec: EnvironmentSpec) -> None:
    """Linear players, good and bad, over episodes of different lengths."""
    size = 4 if spec.id.startswith("CartPole") else 5
    weights = np.random.default_rng(0).normal(size=(6, size))
    weights[0, :4] = (0.15, 0.25, 3.0, 1.0)
    act = lambda seen: ((seen * weights[:, None]).sum(2) > 0).astype(int)  # noqa: E731
    returns, lengths = evaluate_together(act, 6, spec, range(8))
    for row, own, steps in zip(weights, returns, lengths, strict=True):
        alone = evaluate_policy(
            lambda seen, row=row: ((seen * row).sum(1) > 0).astype(int), spec, range(8), 8
        )
        np.testing.assert_array_equal(own, alone.returns)
        np.testing.assert_array_equal(steps, alone.lengths)
    assert len({*lengths.ravel()}) > 2


def test_a_rollout_is_the_episode_of_the_evaluator() -> None:
    spec = EnvironmentSpec("LunarLander-v3", 200)
    rollout = play(sometimes_up, spec, 5)
    scored = evaluate_policy(sometimes_up, spec, [5], 1)
    assert rollout.total == pytest.approx(scored.returns[0]) and len(rollout.actions) == scored.lengths[0]
    assert len(rollout.frames) == len(rollout.observations) == len(rollout.actions) + 1


def test_a_filmstrip_has_the_first_and_the_last_moment() -> None:
    rollout = play(to_the_right, toy("Chain"), 0)
    strip = filmstrip(rollout.frames, [str(i) for i in range(len(rollout.frames))], columns=2, tile=32)
    assert Image.open(io.BytesIO(strip)).width > 64
