"""Rules written by hand, in Gymnasium's own environments."""

from __future__ import annotations

import numpy as np
import pytest

from etudes.rl.controllers import car_rule, rule_for
from etudes.rl.environments import EnvironmentSpec
from etudes.rl.evaluation import evaluate_policy


@pytest.mark.parametrize(("name", "least"), [("CartPole-v1", 500), ("MountainCar-v0", -110)])
def test_a_rule_solves_its_environment(name: str, least: float) -> None:
    rule = rule_for(name)
    assert rule is not None
    assert evaluate_policy(rule, EnvironmentSpec(name, least), range(40), 40).returns.mean() >= least


def test_nobody_has_a_rule_for_an_environment_of_another_name() -> None:
    assert rule_for("Pendulum-v1") is None and rule_for("CartPoleOfMine-v0") is None


def test_the_car_pushes_right_for_good_once_it_has_the_energy() -> None:
    """From where the rule first says so, the engine alone brings it to the flag, whichever way it rolls then."""
    rolling_back = np.array([[-0.9, -0.045]])
    assert car_rule(rolling_back)[0] == 2
    position, speed = rolling_back[0]
    for _ in range(200):
        speed += 0.001 - 0.0025 * np.cos(3 * position)
        position += speed
        if position >= 0.5:
            return
    pytest.fail("the car never arrived")
