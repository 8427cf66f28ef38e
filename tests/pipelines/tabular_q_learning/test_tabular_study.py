"""The study's own stages: arms and the choice among them, the expert, tables by hand, input that does not fit."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from etudes.benches import several_environments as several
from etudes.pipelines.tabular_q_learning.evaluation import arm_rows, learned_at
from etudes.pipelines.tabular_q_learning.expert import train_expert
from etudes.pipelines.tabular_q_learning.model import train_tables
from etudes.pipelines.tabular_q_learning.parameters import Parameters, TrainingsParameters
from etudes.rl.environments import EnvironmentSpec
from etudes.samples.environments import raw_file
from study_settings import run_parameters, settings_of

settings = settings_of("tabular_q_learning", Parameters)
TAXI, CART = EnvironmentSpec("Taxi-v4", 0), EnvironmentSpec("CartPole-v1", 475)


def made(*specs: EnvironmentSpec) -> tuple[Any, ...]:
    raw = raw_file("several", embedded_sample=True, environments=[spec.as_dict() for spec in specs])
    return several.split(several.ingest(raw), settings("split"), settings("runs"), run_parameters())


def training(name: str, **changes: Any) -> TrainingsParameters:
    return settings("training", environments={name: changes})


def test_the_arm_that_is_best_on_dev_plays() -> None:
    """An arm that cannot learn (a learning rate near 0, values that punish) is not the one."""
    train, dev, _, card = made(TAXI)
    arms = {"constant": {"learning_rate": 1e-9, "learning_rate_end": 1e-9, "initial": -100.0}}
    model, history = train_tables(
        train, dev, card, training(TAXI.id, steps=20_000, arms=arms), run_parameters(), "q_learning"
    )
    agents = model.agents[TAXI.id]
    told = history["agents"][0]
    scores = {
        name: np.mean([agent["arms"][name]["dev_mean_return"] for agent in history["agents"]])
        for name in told["arms"]
    }
    assert told["arm"] == max(scores, key=lambda name: scores[name]) != "constant"
    np.testing.assert_array_equal(agents.kept, agents.arms[told["arm"]].kept)
    assert told["curve"] == told["arms"][told["arm"]]["curve"]
    assert len(agents.only(1)) == 1 and not agents.only(1).arms


def test_the_expert_knows_the_rules() -> None:
    train, dev, _, card = made(TAXI, CART)
    model, history = train_expert(train, dev, card, settings("training"))
    assert history["environments"][CART.id]["dev"]["mean_return"] == 500
    assert 4 <= history["environments"][TAXI.id]["dev"]["mean_return"] <= 15
    assert not model.learned
    (_, taxi, (own,)), _ = several.by_environment(card, dev)
    level = learned_at({"expert": model}, TAXI.id, taxi, own, settings("evaluation"))
    assert level > 0
    assert learned_at({}, TAXI.id, taxi, own, settings("evaluation")) == np.inf


def test_episodes_needed_by_hand() -> None:
    train, dev, test, card = made(TAXI)
    model, history = train_tables(train, dev, card, settings("training"), run_parameters(), "sarsa")
    own = history["environments"][TAXI.id]
    for agent, episodes in zip(own["agents"], (10, 20), strict=True):
        curve = [{"step": 5 * n, "episodes": n, "dev_mean_return": float(n)} for n in range(0, 50, episodes)]
        agent["arms"]["none"] |= {"curve": curve}
        agent["arms"]["original"] |= {"curve": curve[: 2 * (episodes == 10)]}
    ((_, taxi, (test_rows,)),) = several.by_environment(card, test)
    rows = arm_rows(model.agents[TAXI.id], own, taxi, test_rows, 8.0, settings("evaluation"))
    found = {row["arm"]: row for row in rows}
    assert (found["none"]["episodes"], found["none"]["steps"], found["none"]["learned_share"]) == (15, 75, 1)
    assert found["original"]["learned_share"] == 0.5 and np.isnan(found["original"]["episodes"])
    assert sum(row["chosen"] for row in rows) == 1 and found["none"]["states"] == 500


@pytest.mark.parametrize(
    ("spec", "changes", "message"),
    [
        (TAXI, {"arms": {"none": {"bins": [2]}}}, r"arm 'none' has bins \(2,\), but states have numbers"),
        (CART, {"reaches": [1.0]}, r"reach to \(1.0,\); an observation has 4 numbers"),
        (EnvironmentSpec("MountainCar-v0", -110), {}, "'MountainCar-v0' cannot be stepped as arrays"),
        (
            EnvironmentSpec("FrozenLake-v1", 1),
            {},
            "says nothing of 'FrozenLake-v1'; it has Taxi-v4, CartPole-v1",
        ),
    ],
)
def test_what_does_not_fit_is_said(spec: EnvironmentSpec, changes: dict[str, Any], message: str) -> None:
    train, dev, _, card = made(spec)
    with pytest.raises(ValueError, match=message):
        train_tables(
            train,
            dev,
            card,
            training(TAXI.id if spec is TAXI else CART.id, **changes),
            run_parameters(),
            "q_learning",
        )
