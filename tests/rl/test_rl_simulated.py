"""Environments that are arrays behave as those that Gymnasium makes."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from etudes.rl.controllers import acrobot_rule, cart_rule, rule_for
from etudes.rl.environments import Environments, EnvironmentSpec
from etudes.rl.evaluation import evaluate_policy
from etudes.rl.simulated import SimulatedEnvironments, side_by_side
from rl.toy_environments import toy

CART = EnvironmentSpec("CartPole-v1", 475)


def simulated(spec: EnvironmentSpec, count: int = 3) -> SimulatedEnvironments:
    found = side_by_side(spec, [*range(count)])
    assert isinstance(found, SimulatedEnvironments)
    return found


@pytest.mark.parametrize("limit", [None, 15])
def test_steps_ends_and_resets_are_gymnasiums(limit: int | None) -> None:
    """From the same first states both see the same until an episode is over, and reset in the step after it."""
    spec = EnvironmentSpec("CartPole-v1", 475, max_episode_steps=limit)
    ours, theirs = simulated(spec), Environments(spec, [7, 8, 9])
    for index, environment in enumerate(theirs._environments):
        environment.unwrapped.state = ours.states[index].copy()
    playing, ended = np.ones(3, bool), 0
    for t in range(60):
        found, expected = ours.step(np.full(3, t % 3 > 0)), theirs.step(np.full(3, t % 3 > 0))
        for name in ("observations", "rewards", "terminated", "truncated", "real"):
            np.testing.assert_allclose(
                getattr(found, name)[playing], getattr(expected, name)[playing], rtol=1e-5, atol=1e-7
            )
        over = (found.terminated | found.truncated) & playing
        ended += over.sum()
        playing &= ~over
        if not playing.any():
            break
    assert ended == 3 and ours.pending.any()
    after = ours.step(np.zeros(3, int))
    assert not after.real[ours.ages == 0].any() and not ours.pending.any()
    assert np.abs(after.observations[~after.real]).max() <= 0.05
    theirs.close()


@pytest.mark.parametrize("spec", [CART, toy("Chain", solved=1)], ids=["arrays", "gymnasium"])
def test_environments_left_out_stay_as_they_are(spec: EnvironmentSpec) -> None:
    environments, where = side_by_side(spec, [0, 1]), np.array([True, False])
    first = environments.observations.copy()
    for _ in range(3):
        step = environments.step(np.zeros(2, int), where)
        assert not step.real[1] and step.rewards[1] == 0
        np.testing.assert_array_equal(environments.observations[1], first[1])
    environments.pending = np.array([False, True])
    environments.step(np.zeros(2, int), where)
    assert environments.pending[1]  # still to be reset
    environments.close()


def test_what_was_saved_goes_on_alike() -> None:
    one, other = simulated(CART), simulated(CART)
    actions = np.random.default_rng(0).integers(0, 2, (80, 3))
    for chosen in actions[:40]:
        one.step(chosen)
    state: Any = one.state()
    other.restore(state)
    for chosen in actions[40:]:
        np.testing.assert_array_equal(one.step(chosen).observations, other.step(chosen).observations)


def test_seeds_decide_where_episodes_begin() -> None:
    one, other = simulated(CART), SimulatedEnvironments(simulated(CART).simulator, [2, 0])
    np.testing.assert_array_equal(one.states[[2, 0]], other.states)


def test_rules_solve_what_they_are_for() -> None:
    seeds = np.arange(30)
    assert evaluate_policy(cart_rule, CART, seeds, 30).returns.min() == 500
    acrobot = EnvironmentSpec("Acrobot-v1", -100)
    assert evaluate_policy(acrobot_rule, acrobot, seeds, 30).returns.mean() > -90
    assert rule_for("Acrobot-v1") is acrobot_rule and rule_for("AcrobotLike-v0") is None
