"""The study's own stages: the choice among learning rates, the players beside the grid, tables by hand, input that does not fit."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
import pytest
from pydantic import ValidationError

from etudes.benches.agents import ingest, split
from etudes.pipelines.approximate_q_learning.evaluation import (
    GRID,
    effects_table,
    rates_table,
    score,
    stability,
)
from etudes.pipelines.approximate_q_learning.model import QAgents, train_agents, train_expert, train_search
from etudes.pipelines.approximate_q_learning.parameters import Parameters
from etudes.pipelines.approximate_q_learning.pipeline import create_pipeline
from etudes.pipelines.approximate_q_learning.search import linear_actions, search
from etudes.rl.environments import EnvironmentSpec, inspect_environment
from etudes.rl.evaluation import evaluate_policy
from etudes.samples.environments import raw_file
from rl.toy_environments import toy
from study_settings import run_parameters, settings_of

settings = settings_of("approximate_q_learning", Parameters)
CART = EnvironmentSpec("CartPole-v1", 475)


def made(spec: EnvironmentSpec = CART) -> tuple[Any, ...]:
    card = ingest(raw_file("environment", embedded_sample=True, **spec.as_dict()))
    return split(card, settings("split"), settings("runs"), run_parameters())


def test_the_rate_with_the_highest_curves_is_the_variants() -> None:
    """One that cannot learn is not the one, wherever it stands in the list."""
    train, dev, _, card = made(toy("Chain", solved=0.8))
    training = settings("training", learning_rates=[1e-9, 0.01], steps=600, batch_size=16, keep="last")
    model, history = train_agents(train, dev, card, training, run_parameters(), replay=True, target=True)
    told = history["agents"][0]
    assert (
        told["learning_rate"] == 0.01 and told["curve"] == told["curves"]["0.01"] != told["curves"]["1e-09"]
    )
    assert told["kept_step"] == 600 and [agent["seed"] for agent in history["agents"]] == [
        *train["agent_seed"]
    ]
    np.testing.assert_array_equal(model.kept, model.last)
    alone = settings("training", learning_rates=[0.01], steps=600, batch_size=16)
    again, best = train_agents(train, dev, card, alone, run_parameters(), replay=True, target=True)
    np.testing.assert_array_equal(model.last, again.last)
    for agent in best["agents"]:
        top = max(point["dev_mean_return"] for point in agent["curve"])
        assert agent["kept_step"] == max(p["step"] for p in agent["curve"] if p["dev_mean_return"] == top)


def test_an_agent_answers_with_the_mean_of_its_networks() -> None:
    train, dev, _, card = made()
    model, _ = train_agents(train, dev, card, settings("training"), run_parameters(), double=True)
    seen = np.random.default_rng(0).normal(size=(5, 4)).astype(np.float32)
    parts = [
        QAgents(4, 2, model.hidden, model.kept[:, [n]], model.last[:, [n]]).values(1, seen) for n in (0, 1)
    ]
    np.testing.assert_allclose(model.values(1, seen), sum(parts) / 2, rtol=1e-5)
    assert model.only(1).policy(0)(seen).tolist() == model.values(1, seen).argmax(1).tolist()


def test_linear_policies_are_found_and_the_expert_balances() -> None:
    parameters = settings("search", candidates=32, elite_share=0.2)
    weights, told = search(CART, inspect_environment(CART), 0, parameters, 20_000)
    assert 20_000 <= told["steps"] < 20_000 + 32 * 500 and told["rounds"] > 3
    policy = lambda seen: linear_actions(weights[None], seen[None])[0]  # noqa: E731
    assert evaluate_policy(policy, CART, range(20), 20).returns.mean() > 400
    train, dev, _, card = made()
    assert train_expert(dev, card)[1]["dev"]["mean_return"] == 500
    model, history = train_search(train, dev, card, settings("training"), settings("search"))
    assert len(model) == 2 and not model.learned and history["agents"][0]["steps"] >= 200
    with pytest.raises(ValueError, match="leave it out of the parameter variants"):
        train_expert(dev, made(toy("Chain"))[-1])


def test_actions_of_linear_policies_by_hand() -> None:
    weights = np.array([[[1.0, 0, 0], [0, 1, 0.5]], [[0, 0, 1], [0, 0, 2]]])
    seen = np.array([[1.0, 0.2], [1, 0.9]])
    assert linear_actions(weights, np.stack([seen, seen])).tolist() == [[0, 1], [1, 1]]


def test_effects_by_hand() -> None:
    """Replay is worth 4, a target network 2 with replay and nothing without, double nothing."""
    found = {
        name: np.full((3, 4), 1.0 + 4 * replay + 2 * (replay and target))
        for (replay, target, _), name in GRID.items()
    }
    table = effects_table({"mean_return": found}, 100).set_index(["switch", "given"])
    assert (
        table.loc[("replay", "all"), "mean_return"] == 5 and table.loc[("double", "all"), "mean_return"] == 0
    )
    assert table.loc[("target network", "with replay"), ["mean_return", "pairs"]].tolist() == [2, 2]
    assert table.loc[("target network", "without replay"), "mean_return"] == 0
    assert table.loc[("replay", "with target network"), "mean_return.low"] == 6
    few = effects_table({"mean_return": {name: found[name] for name in ("online", "replay")}}, 100)
    assert few[["switch", "given", "pairs"]].to_numpy().tolist() == [
        ["replay", "all", 1],
        ["replay", "without target network", 1],
        ["replay", "without double", 1],
    ]
    assert effects_table({"mean_return": {}}, 100).empty


def curve(*returns: float) -> list[dict[str, float]]:
    return [{"step": place, "dev_mean_return": value} for place, value in enumerate(returns)]


def test_steadiness_by_hand() -> None:
    curves = (curve(0, 500, 100, 480), curve(1, 2, 3, 475))
    agents = [{"learning_rate": 0.1, "curve": own, "curves": {"0.1": own}} for own in curves]
    history = {"epochs": [{}], "agents": agents}
    assert stability(history, 475).tolist() == [[0, 1, 0, 1], [0, 0, 0, 1]]
    (row,) = rates_table({"dqn": history, "expert": {"epochs": []}}, 475).to_dict("records")
    assert (row["stable_share"], row["stable_after"], row["ever"], row["chosen"]) == (3 / 8, 1 / 2, 1, True)
    assert row["curve_return"] == np.mean([0, 500, 100, 480, 1, 2, 3, 475])


def test_scores_hold_the_grids_own_measures() -> None:
    train, dev, test, card = made(toy("Chain", solved=0.8))
    training = settings("training", learning_rates=[0.01], steps=600, batch_size=16)
    found = train_agents(train, dev, card, training, run_parameters(), replay=True)
    metrics, *_, effects, rates, _ = score(
        {"replay": found[0]}, {"replay": found[1]}, test, card, settings("evaluation", frames=2)
    )
    assert metrics["replay.solved_agents"] == 1 and metrics["replay.solved_agents.low"] < 0.5
    assert 0 < metrics["replay.stable_share"] <= 1
    assert effects.empty and isinstance(rates, pd.DataFrame) and rates["chosen"].tolist() == [True]


def test_the_graph_trains_each_cell_of_the_grid_with_its_switches() -> None:
    names = {node.name.rpartition("train_")[2] for node in create_pipeline().nodes if "train" in node.tags}
    assert {*GRID.values()} <= names and len({*GRID.values()}) == 8


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"steps": 20}, "warmup_steps must be fewer than steps"),
        ({"evaluate_every": 150}, "at most half of steps"),
        ({"learning_rates": [0.1, -0.1]}, "expected positive numbers"),
        ({"learning_rates": [0.1, 0.1]}, "expected each once"),
    ],
)
def test_settings_that_contradict_are_refused(changes: dict[str, Any], message: str) -> None:
    with pytest.raises(ValidationError, match=message):
        settings("training", **changes)


def test_an_agent_plays_one_environment() -> None:
    with pytest.raises(ValidationError, match=r"split\.environments = 2: expected 1"):
        settings("split", environments=2)
