"""Sessions against Gymnasium's own step, and agents alone against agents beside others."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from etudes.pipelines.cross_entropy_method.sessions import ArrayWorld, GymnasiumWorld, world_of
from etudes.rl.environments import EnvironmentSpec
from etudes.rl.evaluation import evaluate_policy
from etudes.rl.simulators import simulator_of

CART, TAXI = EnvironmentSpec("CartPole-v1", 475), EnvironmentSpec("Taxi-v4", 0)
LANDER = EnvironmentSpec("LunarLander-v3", 200)


def wildly(actions: int) -> Any:
    return lambda seen, uniforms: (uniforms * actions).astype(np.int64)


def leaning(seen: NDArray, uniforms: NDArray) -> NDArray:
    """Good with the pole for some dozens of steps."""
    return (seen[..., 2] + 0.3 * seen[..., 3] > 0).astype(np.int64)


@pytest.mark.parametrize(("spec", "name", "actions"), [(CART, "state", 2), (TAXI, "s", 6)])
def test_sessions_of_arrays_are_those_of_gymnasium(spec: EnvironmentSpec, name: str, actions: int) -> None:
    """Each session's actions once more, in one of Gymnasium's environments that is put into its first state."""
    world = world_of(spec, [3, 4], 60)
    assert isinstance(world, ArrayWorld)
    found = world.play(0, 2, 3, wildly(actions))
    environment = spec.make()
    for agent, session in np.ndindex(found.returns.shape):
        environment.reset(seed=0)
        first = found.observations[0, agent, session]
        # What is seen of a cart is rounded to single precision; its state is not.
        exact = np.random.default_rng([(3, 4)[agent], 0]).random((4, 2)) * 2 - 1
        setattr(environment.unwrapped, name, first if spec is TAXI else exact.T[session // 3] * 0.05)
        total, length = 0.0, int(found.lengths[agent, session])
        for step in range(length):
            seen, reward, ended, _, _ = environment.step(int(found.actions[step, agent, session]))
            total += float(reward)
            assert not ended or step == length - 1
            if step < length - 1:
                np.testing.assert_allclose(seen, found.observations[step + 1, agent, session], rtol=1e-6)
        assert total == found.returns[agent, session] and (ended or length == 60)


@pytest.mark.parametrize("spec", [CART, LANDER])
def test_sessions_of_a_round_repeat_themselves_and_tries_share_their_start(spec: EnvironmentSpec) -> None:
    play = lambda round: world_of(spec, [5], 15).play(round, 2, 3, wildly(2))  # noqa: E731
    one, same, other = play(1), play(1), play(2)
    np.testing.assert_array_equal(one.actions, same.actions)
    np.testing.assert_array_equal(one.returns, same.returns)
    assert not np.array_equal(one.actions, other.actions)
    first = one.observations[0, 0]
    np.testing.assert_array_equal(first[:3], np.repeat(first[:1], 3, axis=0))
    assert not np.array_equal(first[0], first[3])
    assert not np.array_equal(one.actions[:, 0, 0], one.actions[:, 0, 1])


@pytest.mark.parametrize("kind", ["arrays", "gymnasium"])
def test_an_agent_plays_the_same_alone_and_beside_others(kind: str) -> None:
    def world(seeds: list[int]) -> Any:
        simulator = simulator_of(CART)
        assert simulator is not None
        return ArrayWorld(simulator, seeds, 30) if kind == "arrays" else GymnasiumWorld(CART, seeds, 30)

    alone, beside = (world(seeds).play(0, 2, 2, wildly(2)) for seeds in ([8], [7, 8, 9]))
    np.testing.assert_array_equal(alone.returns[0], beside.returns[1])
    own = beside.playing[:, 1][: len(alone.playing)]
    np.testing.assert_array_equal(alone.playing[:, 0], own)
    np.testing.assert_array_equal(
        alone.observations[:, 0][alone.playing[:, 0]],
        beside.observations[: len(own), 1][own],
    )


@pytest.mark.parametrize("kind", ["arrays", "gymnasium"])
def test_returns_of_a_curve_are_those_of_the_evaluator(kind: str) -> None:
    simulator = simulator_of(CART)
    assert simulator is not None
    world = ArrayWorld(simulator, [0, 1], 5) if kind == "arrays" else GymnasiumWorld(CART, [0, 1], 5)
    policy = lambda seen: leaning(seen[None], np.zeros((1, len(seen))))[0]  # noqa: E731
    expected = evaluate_policy(policy, CART, range(4), 4).returns
    np.testing.assert_array_equal(world.returns(leaning, range(4)), [expected, expected])
    assert expected.min() > 30, "the training's horizon of 5 steps is not that of an episode"
