"""The four methods against a plain implementation and against what the textbook says of them."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from etudes.pipelines.tabular_q_learning import learning
from etudes.pipelines.tabular_q_learning.learning import Learning, Method, greedy_returns
from etudes.pipelines.tabular_q_learning.parameters import ArmParameters, TrainingParameters
from etudes.pipelines.tabular_q_learning.tables import Cells, Stack
from etudes.rl.environments import EnvironmentSpec
from etudes.rl.evaluation import evaluate_policy
from etudes.rl.planning import value_iteration
from etudes.rl.simulators import FiniteProcess, Simulator, first_states, simulator_of
from rl.test_rl_planning import some_process

METHODS: tuple[Method, ...] = ("q_learning", "sarsa", "expected_sarsa", "double_q")
CART = EnvironmentSpec("CartPole-v1", 475)


def arm(**changes: Any) -> ArmParameters:
    values: dict[str, Any] = {
        "bins": (),
        "epsilon": 0.5,
        "epsilon_decay": 0.9,
        "epsilon_end": 0.1,
        "initial": 1.0,
    }
    return ArmParameters(**{**values, "learning_rate": 0.5, "learning_rate_end": 0.5, **changes})


def trained(
    method: Method,
    simulator: Simulator,
    cells: Cells,
    arms: list[ArmParameters],
    seeds: list[int],
    **settings: Any,
) -> Learning:
    """Agents of one method, after all their steps."""
    actions = simulator.actions if isinstance(simulator, FiniteProcess) else 2
    first = simulator.draw(np.random.default_rng(0).random((simulator.starts, 5)))
    values: dict[str, Any] = {"steps": 500, "discount": 0.9, "reaches": cells.reaches, "evaluate_every": 250}
    values |= {"checkpoint_points": 1, "keep": "best", "arms": {"only": arms[0]}, **settings}
    made = Learning(
        method,
        simulator,
        Stack([cells] * len(seeds)),
        actions,
        arms,
        seeds,
        first,
        TrainingParameters(**values),
    )
    made.resume(False)
    made.run()
    return made


def plain(method: Method, process: FiniteProcess, one: ArmParameters, seed: int, steps: int) -> NDArray:
    """One agent step by step, from the textbook's boxes, with the numbers of chance that `Learning` would draw."""
    count = learning.OWN + process.chances + process.starts
    u = np.random.default_rng([seed, 0]).random((count, learning.BLOCK))
    tables = 2 if method == "double_q" else 1
    specks = np.random.default_rng([seed, 2**32 - 1]).random((tables, process.states, process.actions))
    q = one.initial + learning.SPECK * specks

    def behave(state: int, explore: int, t: int) -> int:
        if u[explore, t] < epsilon:
            return int(u[explore + 1, t] * process.actions)
        return int(np.argmax(q[:, state].sum(0)))

    def begin(t: int) -> int:
        return int(np.searchsorted(np.cumsum(process.first), u[-1, t]))

    epsilon, age, state = one.epsilon, 0, begin(0)
    action = behave(state, learning.EXPLORE_FIRST, 0)
    for t in range(steps):
        if method != "sarsa":
            action = behave(state, learning.EXPLORE, t)
        k = int(np.searchsorted(np.cumsum(process.probabilities[state, action]), u[learning.OWN, t]))
        reward, after = process.rewards[state, action, k], int(process.following[state, action, k])
        ended, age = bool(process.terminated[state, action, k]), age + 1
        following = behave(after, learning.EXPLORE, t) if method == "sarsa" else -1
        learns = int(u[learning.COIN, t] >= 0.5) if method == "double_q" else 0
        if method == "sarsa":
            worth = q[0, after, following]
        elif method == "double_q":
            worth = q[1 - learns, after, q[learns, after].argmax()]
        else:
            share = epsilon if method == "expected_sarsa" else 0.0
            worth = (1 - share) * q[0, after].max() + share * q[0, after].mean()
        target = reward + 0.9 * (0.0 if ended else worth)
        q[learns, state, action] += one.learning_rate * (target - q[learns, state, action])
        state, action = after, following
        if ended or age >= process.limit:
            epsilon, age, state = max(epsilon * one.epsilon_decay, one.epsilon_end), 0, begin(t)
            action = behave(state, learning.EXPLORE_FIRST, t) if method == "sarsa" else action
    return q


@pytest.mark.parametrize("method", METHODS)
def test_agents_in_step_equal_one_written_plainly(method: Method) -> None:
    """Ends, time limits, exploration that falls: three agents of different arms, 500 steps."""
    process = some_process(limit=4)
    arms = [arm(), arm(epsilon=0.9, learning_rate=0.2, learning_rate_end=0.2), arm(initial=-1.0)]
    ours = trained(method, process, Cells(process.states), arms, [7, 8, 9])
    assert (ours.episodes > 100).all() and (ours.epsilons < 0.2).all()
    for place, (one, seed) in enumerate(zip(arms, (7, 8, 9), strict=True)):
        own = ours.values[:, place * process.states : (place + 1) * process.states]
        np.testing.assert_allclose(own, plain(method, process, one, seed, 500), atol=1e-12)


@pytest.mark.parametrize("method", METHODS)
def test_an_agent_learns_the_same_alone_and_beside_others(method: Method) -> None:
    process = some_process()
    alone = trained(method, process, Cells(6), [arm()], [3])
    beside = trained(method, process, Cells(6), [arm(), arm(), arm()], [2, 3, 4])
    np.testing.assert_array_equal(alone.values, beside.values[:, 6:12])
    assert alone.curve_of(0) == beside.curve_of(1)


def test_q_learning_finds_the_optimal_values() -> None:
    """Without chance in the rules, whatever is done meanwhile; every outcome but the first is taken away."""
    process = some_process(outcomes=1)
    wild = arm(epsilon=1.0, epsilon_decay=1.0)
    found = trained("q_learning", process, Cells(6), [wild], [0], steps=6000, evaluate_every=6000)
    np.testing.assert_allclose(found.values[0], value_iteration(process, 0.9), atol=1e-3)
    assert found.steps == 6000 and found.kept_step[0] == 6000


def test_sarsa_walks_round_the_cliff_and_q_learning_along_it() -> None:
    """Sutton and Barto, 2018, example 6.6: with constant exploration the safe way is the better one for SARSA."""
    spec = EnvironmentSpec("CliffWalking-v1", 0, max_episode_steps=200)
    cliff = simulator_of(spec)
    assert isinstance(cliff, FiniteProcess)
    careless = arm(
        epsilon=0.1,
        epsilon_decay=1.0,
        epsilon_end=0.1,
        initial=0.0,
        learning_rate=0.2,
        learning_rate_end=0.05,
    )
    returns = {}
    for method in ("q_learning", "sarsa"):
        found = trained(
            method,
            cliff,
            Cells(48),
            [careless] * 5,
            list(range(5)),
            steps=15_000,
            evaluate_every=15_000,
            discount=0.99,
        )
        returns[method] = np.median(found.curve[-1]["returns"])
    assert returns["q_learning"] == -13 and -19 <= returns["sarsa"] <= -15


def test_double_q_learning_is_not_lured_by_chance() -> None:
    """Van Hasselt's example (Sutton and Barto, 2018, figure 6.5): left of the start wait many actions whose reward is
    -0.1 in the mean and scatters; the largest of a few draws looks like a gain."""
    states, actions, outcomes = 2, 8, 2
    following, rewards = (
        np.zeros((states, actions, outcomes), np.int64),
        np.zeros((states, actions, outcomes)),
    )
    terminated = np.ones((states, actions, outcomes), bool)
    following[0, 0], terminated[0, 0] = 1, False  # action 0 leads left, all others end at once
    rewards[1] = [-1.1, 0.9]
    half = np.full((states, actions, outcomes), 0.5)
    process = FiniteProcess(
        half, following, rewards, terminated, np.array([1.0, 0.0]), 10, EnvironmentSpec("lure", 0)
    )
    lured = {}
    for method in ("q_learning", "double_q"):
        curious = arm(epsilon=0.1, epsilon_decay=1.0, initial=0.0, learning_rate=0.1, learning_rate_end=0.1)
        found = trained(
            method, process, Cells(2), [curious] * 200, list(range(200)), steps=300, discount=0.99
        )
        values = found.policy_values.reshape(200, states, actions)
        lured[method] = (values[:, 0].argmax(1) == 0).mean()
    assert lured["double_q"] < 0.6 * lured["q_learning"] and lured["q_learning"] > 0.1


def test_cells_are_those_of_a_search_among_the_edges() -> None:
    counts, reaches = (3, 4, 1), (1.0, 2.0, 5.0)
    observations = np.random.default_rng(0).normal(scale=1.5, size=(200, 3))
    places = [
        np.searchsorted(np.linspace(-reach, reach, count + 1)[1:-1], numbers, side="right")
        for count, reach, numbers in zip(counts, reaches, observations.T, strict=True)
    ]
    stack = Stack([Cells(8, (2, 2, 2), reaches), Cells(12, counts, reaches)])
    rows = stack.rows_of(observations, np.ones(200, np.int64))
    np.testing.assert_array_equal(rows, 8 + np.ravel_multi_index(places, counts))


def test_returns_of_a_curve_are_those_of_the_evaluator() -> None:
    simulator: Any = simulator_of(CART)
    stack = Stack(
        [Cells(36, (1, 1, 6, 6), (2.4, 3, 0.21, 3.5)), Cells(32, (1, 2, 4, 4), (2.4, 3, 0.21, 3.5))]
    )
    values = np.random.default_rng(0).random((stack.rows, 2))
    ours = greedy_returns(simulator, stack, values, first_states(simulator, range(6)))
    for agent in (0, 1):
        who = np.full(100, agent)
        policy = lambda seen, who=who: values.argmax(1)[stack.rows_of(seen, who[: len(seen)])]  # noqa: E731
        np.testing.assert_array_equal(ours[agent], evaluate_policy(policy, CART, range(6), 6).returns)
