"""The study's own stages: who learns where, processes, tables by hand."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from etudes.benches import several_environments as several
from etudes.pipelines.cross_entropy_method.evaluation import exact_table, needed_table
from etudes.pipelines.cross_entropy_method.model import NetworkAgents, TableAgents, train, train_expert
from etudes.pipelines.cross_entropy_method.parameters import Parameters
from etudes.rl.environments import EnvironmentSpec
from etudes.samples.environments import raw_file
from study_settings import run_parameters, settings_of

settings = settings_of("cross_entropy_method", Parameters)
CART, TAXI = EnvironmentSpec("CartPole-v1", 475), EnvironmentSpec("Taxi-v4", 0)
LANDER, CAR = EnvironmentSpec("LunarLander-v3", 200), EnvironmentSpec("MountainCar-v0", -110)


def made(*specs: EnvironmentSpec) -> tuple[Any, ...]:
    raw = raw_file("several", embedded_sample=True, environments=[spec.as_dict() for spec in specs])
    return several.split(several.ingest(raw), settings("split"), settings("runs"), run_parameters())


def test_agents_are_the_same_in_one_process_and_in_two() -> None:
    train_split, dev, _, card = made(LANDER)
    found = [
        train(
            *(
                train_split,
                dev,
                card,
                settings("training", processes=processes),
                run_parameters(),
                "combined",
            ),
            memory=True,
            floor=True,
            starts=True,
        )
        for processes in (1, 2)
    ]
    (one, told), (two, same) = found
    for name in ("kept", "last"):
        ours, others = (getattr(model.agents[LANDER.id], name) for model in (one, two))
        np.testing.assert_array_equal(ours, others)
    curves = [[agent["curve"] for agent in history["agents"]] for history in (told, same)]
    assert curves[0] == curves[1] and len(curves[0]) == 2


def test_variants_learn_where_the_parameters_name_them() -> None:
    train_split, dev, _, card = made(CART, TAXI, CAR)
    model, history = train(
        train_split, dev, card, settings("training"), run_parameters(), "weights", search=True
    )
    assert list(model.agents) == [CART.id] and isinstance(model.agents[CART.id], NetworkAgents)
    curve = history["agents"][0]["curve"]
    given = settings("training").environments[CART.id].search
    assert curve[-1]["sessions"] == given.rounds * given.starts * given.candidates
    expert, _ = train_expert(train_split, dev, card)
    assert list(expert.agents) == [CART.id, TAXI.id, CAR.id] and not expert.learned
    with pytest.raises(ValueError, match="this variant plays none of MountainCar-v0"):
        train(*made(CAR)[:2], made(CAR)[3], settings("training"), run_parameters(), "plain")


def test_an_agent_taken_alone_plays_as_it_did_and_says_how_likely_it_acts() -> None:
    g = np.random.default_rng(0)
    networks = NetworkAgents(4, 3, 2, *g.standard_normal((2, 3, 23)).astype(np.float32))
    tables = TableAgents(*g.dirichlet(np.ones(6), (2, 3, 500)))
    for agents, seen in ((networks, g.standard_normal((20, 4)).astype(np.float32)), (tables, np.arange(500))):
        values = agents.values(2, seen)
        np.testing.assert_allclose(values.sum(1), 1, rtol=1e-5)
        again = type(agents).from_state(agents.only(2).state())
        np.testing.assert_array_equal(again.policy(0)(seen), values.argmax(1))
        assert len(again) == 1 and not np.array_equal(again.last_policy(0)(seen), values.argmax(1))


def test_sessions_needed_by_hand() -> None:
    def agent(*returns: float) -> dict[str, Any]:
        return {
            "curve": [
                {"dev_mean_return": value, "sessions": 10 * n, "own_steps": 100 * n}
                for n, value in enumerate(returns, 1)
            ]
        }

    def row(*agents: dict[str, Any]) -> dict[str, Any]:
        histories = {"plain": {"environments": {CART.id: {"agents": list(agents)}}}}
        return needed_table(histories, settings("evaluation")).to_dict("records")[0]

    found = row(agent(1, 480, 3), agent(1, 2, 490), agent(500, 0, 0))
    assert (found["learned_share"], found["sessions"], found["steps"]) == (1, 20, 200)
    few = row(agent(1, 2, 3), agent(1, 2, 3), agent(500, 0, 0))
    assert few["learned_share"] == pytest.approx(1 / 3) and np.isnan(few["sessions"])


def test_exact_returns_are_those_of_the_rules() -> None:
    """The expert's is the ceiling and loses no start; a table that always drives south never arrives."""
    train_split, dev, _, card = made(TAXI)
    expert, _ = train_expert(train_split, dev, card)
    south = np.zeros((2, 500, 6))
    south[..., 0] = 1
    stuck = several.Players({TAXI.id: TableAgents(south, south)}, True)
    found = exact_table({"expert": expert, "plain": stuck}, card, 100).set_index("variant")
    assert found.loc["expert", "exact_return"] == pytest.approx(7.93)
    assert found.loc["expert", "lost_starts"] == 0 and found.loc["plain", "lost_starts"] == 1
    assert found.loc["plain", "exact_return"] == pytest.approx(-200)
