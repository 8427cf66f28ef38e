"""Environments side by side: resets, last observations, seeds, states; specifications and their errors."""

from __future__ import annotations

from typing import Any

import gymnasium
import numpy as np
import pytest
from gymnasium.vector import AutoresetMode, SyncVectorEnv

from etudes.rl.environments import (
    Environments,
    EnvironmentSpec,
    inspect_environment,
)
from rl.toy_environments import toy


def run(environments: Any, actions: np.ndarray) -> list[Any]:
    return [environments.step(row) for row in actions]


def test_an_environment_resets_in_the_step_after_its_end() -> None:
    environments = Environments(toy("Clock", length=2), [0])
    steps = run(environments, np.zeros((5, 1), int))
    seen = [step.observations[0].tolist() for step in steps]
    assert seen == [[0, 1], [0, 2], [1, 0], [1, 1], [1, 2]], (
        "the last observation (0, 2) is seen before the reset"
    )
    assert [bool(step.real[0]) for step in steps] == [True, True, False, True, True]
    assert [float(step.rewards[0]) for step in steps] == [1, 2, 0, 1, 2]
    assert [bool(step.terminated[0]) for step in steps] == [False, True, False, False, True]


def test_an_episode_of_one_step_and_a_cut_one() -> None:
    step = Environments(toy("Clock", length=1, truncates=True), [0]).step(np.array([0]))
    assert step.truncated[0] and not step.terminated[0] and step.real[0]


def test_steps_equal_those_of_gymnasium() -> None:
    """The same seeds, the same actions, through gymnasium's own vector environment."""
    spec, seeds = toy("Chain"), [3, 4, 5]
    ours = Environments(spec, seeds)
    theirs = SyncVectorEnv([spec.make for _ in seeds], autoreset_mode=AutoresetMode.NEXT_STEP)
    first, _ = theirs.reset(seed=seeds)
    np.testing.assert_array_equal(ours.observations, first)
    for row in np.random.default_rng(0).integers(0, 2, (120, 3)):
        step, (observations, rewards, terminated, truncated, _) = ours.step(row), theirs.step(row)
        np.testing.assert_array_equal(step.observations, observations)
        np.testing.assert_array_equal(step.rewards, rewards)
        np.testing.assert_array_equal(step.terminated, terminated)
        np.testing.assert_array_equal(step.truncated, truncated)


@pytest.mark.parametrize(
    "spec", [toy("Chain"), EnvironmentSpec("LunarLander-v3", 200)], ids=["chain", "lander"]
)
def test_saved_environments_go_on_as_if_nothing_happened(spec: EnvironmentSpec) -> None:
    actions = np.random.default_rng(1).integers(0, 2, (150, 2))
    one = Environments(spec, [7, 8])
    run(one, actions[:60])
    other = Environments(spec, [1, 2])
    other.restore(one.state())
    for first, second in zip(run(one, actions[60:]), run(other, actions[60:]), strict=True):
        np.testing.assert_array_equal(first.observations, second.observations)
        np.testing.assert_array_equal(first.rewards, second.rewards)
        np.testing.assert_array_equal(first.real, second.real)


def test_an_environment_that_does_not_repeat_itself_says_so() -> None:
    one = Environments(toy("Forgetful"), [0])
    with pytest.raises(RuntimeError, match="does not repeat itself"):
        Environments(toy("Forgetful"), [0]).restore(one.state())


def test_facts_of_the_lander() -> None:
    facts = inspect_environment(EnvironmentSpec("LunarLander-v3", 200))
    assert (facts.shape, facts.dtype, facts.actions, facts.max_episode_steps) == ((8,), "float32", 4, 1000)


@pytest.mark.parametrize(
    ("spec", "message"),
    [
        (EnvironmentSpec("LunarLandr-v3", 200), "'LunarLandr-v3' cannot be made.*doesn't exist"),
        (EnvironmentSpec("LunarLander-v2", 200), "'LunarLander-v2' cannot be made.*v3"),
        (EnvironmentSpec("no_such_package:A-v0", 0), "cannot be made"),
        (toy("Clock", colour="red"), "cannot be made.*colour"),
        (toy("Steering"), "expected actions 0, 1, ..."),
        (EnvironmentSpec("FrozenLake-v1", 1), "expected an array of numbers"),
        (EnvironmentSpec("LunarLander-v3", 200, actions=("up", "down")), "has 4 actions, but 2 names"),
    ],
)
def test_an_environment_that_cannot_be_used_is_named(spec: EnvironmentSpec, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        inspect_environment(spec)


def test_a_specification_survives_json_and_refuses_what_it_does_not_know() -> None:
    spec = EnvironmentSpec("A-v0", 1, {"b": 2}, 10, ("x",), ("left", "right"))
    assert EnvironmentSpec.from_dict(spec.as_dict()) == spec
    with pytest.raises(ValueError, match="unknown key ids"):
        EnvironmentSpec.from_dict({"ids": "A-v0", "solved": 1})
    with pytest.raises(ValueError, match='"id"'):
        EnvironmentSpec.from_dict({"solved": 1})


def test_the_greeting_of_the_renderer_stays_off_the_screen(capfd: pytest.CaptureFixture[str]) -> None:
    environment = EnvironmentSpec("LunarLander-v3", 200).make(render=True)
    environment.reset(seed=0)
    assert isinstance(environment, gymnasium.Env) and np.asarray(environment.render()).shape == (400, 600, 3)
    assert capfd.readouterr().out == ""
