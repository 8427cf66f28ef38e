"""Planning against policy iteration, shortest paths and played episodes."""

from __future__ import annotations

from collections import deque

import numpy as np
import pytest

from etudes.rl.environments import EnvironmentSpec
from etudes.rl.evaluation import evaluate_policy
from etudes.rl.planning import best_returns, expected_returns, value_iteration
from etudes.rl.simulators import FiniteProcess, simulator_of

NOWHERE = EnvironmentSpec("nowhere", 0)


def taxi() -> FiniteProcess:
    found = simulator_of(EnvironmentSpec("Taxi-v4", 0))
    assert isinstance(found, FiniteProcess)
    return found


def some_process(states: int = 6, actions: int = 3, outcomes: int = 2, limit: int = 50) -> FiniteProcess:
    """At random; a tenth of the outcomes ends the episode."""
    g, shape = np.random.default_rng(0), (states, actions, outcomes)
    probabilities = g.random(shape)
    return FiniteProcess(
        probabilities / probabilities.sum(2, keepdims=True),
        g.integers(0, states, shape),
        g.normal(size=shape),
        g.random(shape) < 0.1,
        np.full(states, 1 / states),
        limit,
        NOWHERE,
    )


def test_values_are_those_of_policy_iteration() -> None:
    """Each policy's values by a linear system, until no action is better."""
    process, discount, states = some_process(), 0.9, np.arange(6)
    policy = np.zeros(6, np.int64)
    for _ in range(20):
        matrix, gain = np.eye(6), np.zeros(6)
        for s in states:
            for k in range(2):
                p, after = process.probabilities[s, policy[s], k], process.following[s, policy[s], k]
                gain[s] += p * process.rewards[s, policy[s], k]
                matrix[s, after] -= discount * p * (not process.terminated[s, policy[s], k])
        values = np.linalg.solve(matrix, gain)
        worth = process.rewards + discount * np.where(process.terminated, 0, values[process.following])
        action_values = (process.probabilities * worth).sum(2)
        policy = action_values.argmax(1)
    np.testing.assert_allclose(value_iteration(process, discount), action_values, atol=1e-8)


def test_the_taxis_best_return_is_20_less_the_shortest_way() -> None:
    """One point for each step but the last, which brings 20; breadth first over gymnasium's table, backwards."""
    process = taxi()
    back: dict[int, list[int]] = {}
    distance = np.full(500, -1)
    queue: deque[int] = deque()
    for state in range(500):
        for action in range(6):
            if process.terminated[state, action, 0]:
                distance[state] = 1
                queue.append(state)
            elif process.rewards[state, action, 0] == -1:
                back.setdefault(int(process.following[state, action, 0]), []).append(state)
    while queue:
        state = queue.popleft()
        for before in back.get(state, []):
            if distance[before] < 0:
                distance[before] = distance[state] + 1
                queue.append(before)
    begins = process.first > 0
    np.testing.assert_allclose(best_returns(process)[begins], (21 - distance)[begins])


def test_value_iteration_reaches_the_ceiling_of_the_taxi() -> None:
    process = taxi()
    policy = value_iteration(process, 0.99).argmax(1)
    begins = process.first > 0
    np.testing.assert_allclose(expected_returns(process, policy)[begins], best_returns(process)[begins])
    assert (process.first * best_returns(process)).sum() == pytest.approx(7.93)


def test_expected_returns_are_the_mean_of_played_ones() -> None:
    spec = EnvironmentSpec("FrozenLake-v1", 0)
    process = simulator_of(spec)
    assert isinstance(process, FiniteProcess)
    policy = value_iteration(process, 0.99).argmax(1)
    played = evaluate_policy(lambda seen: policy[seen], spec, range(200), 50).returns
    expected = (process.first * expected_returns(process, policy)).sum()
    assert abs(played.mean() - expected) < 4 * np.sqrt(expected * (1 - expected) / 200)


def test_values_that_do_not_settle_are_refused() -> None:
    ones = np.ones((1, 1, 1))
    endless = FiniteProcess(ones, np.zeros((1, 1, 1), int), ones, ones < 0, ones[0, 0], 5, NOWHERE)
    with pytest.raises(ValueError, match="still move by 1 after 50 sweeps with the discount 1"):
        value_iteration(endless, 1.0, most=50)
    assert best_returns(endless) == [5]
