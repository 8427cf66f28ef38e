"""Environments as array operations against gymnasium's own steps."""

from __future__ import annotations

from typing import Any
from unittest import mock

import numpy as np
import pytest
from numpy.typing import NDArray

from etudes.rl import evaluation
from etudes.rl.environments import EnvironmentSpec
from etudes.rl.evaluation import Policy, evaluate_policy
from etudes.rl.simulators import Acrobot, CartPole, FiniteProcess, first_states, simulator_of

TAXI, CART, LAKE, ACROBOT = (
    EnvironmentSpec(name, 0) for name in ("Taxi-v4", "CartPole-v1", "FrozenLake-v1", "Acrobot-v1")
)
NOTHING = np.zeros((0, 0))


def finite(spec: EnvironmentSpec) -> FiniteProcess:
    found = simulator_of(spec)
    assert isinstance(found, FiniteProcess)
    return found


def cart() -> CartPole:
    found = simulator_of(CART)
    assert isinstance(found, CartPole)
    return found


def test_every_step_of_the_taxi_is_gymnasiums() -> None:
    environment: Any = TAXI.make()
    environment.reset(seed=0)
    states, actions = (part.ravel() for part in np.indices((500, 6)))
    found = finite(TAXI).step(states, actions, NOTHING)
    for state, action, *ours in zip(states, actions, *found, strict=True):
        environment.unwrapped.s = int(state)
        assert list(environment.unwrapped.step(int(action))[:3]) == ours


def test_every_step_of_the_cart_is_gymnasiums() -> None:
    environment: Any = CART.make()
    environment.reset(seed=0)
    generator = np.random.default_rng(0)
    states = generator.uniform(-1, 1, (500, 4)) * [2.5, 3, 0.22, 3]
    actions = generator.integers(0, 2, 500)
    following, rewards, over = cart().step(states, actions, NOTHING)
    assert 50 < over.sum() < 450
    for state, action, *ours in zip(states, actions, following, rewards, over, strict=True):
        environment.unwrapped.state, environment.unwrapped.steps_beyond_terminated = state, None
        _, reward, terminated, _, _ = environment.unwrapped.step(int(action))
        np.testing.assert_allclose(ours[0], environment.unwrapped.state, rtol=1e-12, atol=1e-14)
        assert (reward, terminated) == (ours[1], ours[2])


def test_every_step_of_the_two_links_is_gymnasiums() -> None:
    """Also where angles turn over, spins reach their limits and the tip is lifted."""
    simulator, environment = simulator_of(ACROBOT), ACROBOT.make()
    assert isinstance(simulator, Acrobot)
    environment.reset(seed=0)
    bare: Any = environment.unwrapped
    generator = np.random.default_rng(0)
    states = generator.uniform(-1, 1, (500, 4)) * [np.pi, np.pi, 12.5, 28]
    actions = generator.integers(0, 3, 500)
    following, rewards, over = simulator.step(states, actions, NOTHING)
    seen = simulator.observe(following)
    assert 30 < over.sum() < 470 and (np.abs(following[:, 2:]) == [4 * np.pi, 9 * np.pi]).any(0).all()
    for state, action, *ours in zip(states, actions, following, rewards, over, seen, strict=True):
        bare.state = state
        observation, reward, terminated, _, _ = bare.step(int(action))
        np.testing.assert_allclose(ours[0], bare.state, rtol=1e-9, atol=1e-11)
        assert (reward, terminated) == (ours[1], ours[2])
        np.testing.assert_allclose(ours[3], observation, rtol=1e-6, atol=1e-6)


def test_chance_is_gymnasiums_table() -> None:
    """Even uniform numbers give every outcome of a pair its probability."""
    process = finite(LAKE)
    assert process.chances == 1
    table: Any = LAKE.make().unwrapped
    even = (np.arange(3000) + 0.5) / 3000
    for state, action in ((0, 1), (14, 2), (5, 0)):
        following, rewards, over = process.step(np.full(3000, state), np.full(3000, action), even[None])
        expected = np.zeros((3, 16))
        for probability, after, reward, ended in table.P[state][action]:
            expected[:, after] += probability * np.array([1, reward, ended])
        ours = [np.bincount(following, weights, minlength=16) / 3000 for weights in (None, rewards, over)]
        np.testing.assert_allclose(ours, expected, atol=1e-3)


@pytest.mark.parametrize("spec", [TAXI, CART, ACROBOT], ids=lambda spec: spec.id)
def test_episodes_begin_where_gymnasium_begins_them(spec: EnvironmentSpec) -> None:
    simulator: Any = simulator_of(spec)
    environment = spec.make()
    theirs = np.stack([environment.reset(seed=seed)[0] for seed in (3, 4, 5)])
    np.testing.assert_array_equal(simulator.observe(first_states(simulator, [3, 4, 5])), theirs)


def test_first_states_are_drawn_as_they_are_likely() -> None:
    process = finite(TAXI)
    drawn = process.draw((np.arange(3000)[None] + 0.5) / 3000)
    np.testing.assert_allclose(np.bincount(drawn, minlength=500) / 3000, process.first, atol=1e-3)
    states = cart().draw(np.random.default_rng(0).random((4, 1000)))
    assert states.shape == (1000, 4) and 0.049 < np.abs(states).max() < 0.05
    assert np.abs(states.mean(0)).max() < 0.005


def wanders(observations: NDArray) -> NDArray:
    """Some policy of the taxi's."""
    return np.random.default_rng(1).integers(0, 6, 500)[observations]


def balances(observations: NDArray) -> NDArray:
    """One of the cart's that falls now and then."""
    return (observations @ np.array([0.0, 0.3, 1.0, 0.4]) > 0).astype(np.int64)


@pytest.mark.parametrize(("spec", "policy"), [(TAXI, wanders), (CART, balances)], ids=("taxi", "cart"))
def test_episodes_played_as_arrays_are_those_of_gymnasium(spec: EnvironmentSpec, policy: Policy) -> None:
    ours = evaluate_policy(policy, spec, range(15), 4)
    with mock.patch.object(evaluation, "simulator_of", lambda spec: None):
        theirs = evaluate_policy(policy, spec, range(15), 4)
    for part in ("returns", "lengths", "terminated"):
        np.testing.assert_array_equal(getattr(ours, part), getattr(theirs, part))


@pytest.mark.parametrize(
    "spec",
    [
        EnvironmentSpec("LunarLander-v3", 0),
        EnvironmentSpec("Taxi-v4", 0, {"fickle_passenger": True}),
        EnvironmentSpec("CartPole-v1", 0, {"sutton_barto_reward": True}),
    ],
)
def test_what_no_array_holds_is_not_simulated(spec: EnvironmentSpec) -> None:
    assert simulator_of(spec) is None
