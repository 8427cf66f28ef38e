"""Acting, learning, budgets and curves; the noise of gradients; input that does not fit."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch
from pydantic import ValidationError

from etudes.benches import several_environments as several
from etudes.pipelines.policy_gradients.learning import Learning, drawn, play
from etudes.pipelines.policy_gradients.model import PolicyAgents, train_controller, train_policies
from etudes.pipelines.policy_gradients.noise import ESTIMATORS, episode_gradients, noise, noise_to_signal
from etudes.pipelines.policy_gradients.parameters import Method, Parameters, TrainingParameters
from etudes.rl.environments import EnvironmentSpec
from etudes.rl.simulated import side_by_side
from etudes.samples.environments import raw_file
from study_settings import run_parameters, settings_of

settings = settings_of("policy_gradients", Parameters)
CART, ACROBOT = EnvironmentSpec("CartPole-v1", 475), EnvironmentSpec("Acrobot-v1", -100)


def training(name: str = CART.id, **changes: Any) -> TrainingParameters:
    return settings("training", environments={name: changes}).of(name)


def learning(method: Method, agents: int = 2, first: int = 0, **changes: Any) -> Learning:
    """Agents with the seeds ``first``, ``first + 1``, ... on CartPole, two environments each."""
    seeds = [*range(first, first + agents)]
    environments = side_by_side(CART, [10 * seed + place for seed in seeds for place in range(2)])
    found = Learning(method, environments, 2, seeds, [1, 2, 3], training(**changes))
    found.resume(False)
    return found


def chance(agents: Learning) -> list[np.random.Generator]:
    return [np.random.default_rng(seed) for seed in agents.chance]


def made(*specs: EnvironmentSpec) -> tuple[Any, ...]:
    raw = raw_file("several", embedded_sample=True, environments=[spec.as_dict() for spec in specs])
    return several.split(several.ingest(raw), settings("split"), settings("runs"), run_parameters())


def test_actions_are_drawn_as_often_as_they_are_likely() -> None:
    logits = np.log([[0.2, 0.5, 0.3]])
    actions = drawn(np.repeat(logits, 1000, axis=0), (np.arange(1000) + 0.5) / 1000)
    np.testing.assert_array_equal(np.bincount(actions), [200, 500, 300])
    assert drawn(logits, np.array([1 - 1e-17])) == [2]


def test_whole_episodes_fill_a_column_each() -> None:
    agents = learning("reinforce")
    for _ in range(2):  # the second batch begins with resets
        batch = play(agents.network, agents.policies, agents.environments, chance(agents), ~agents.over, None)
        lengths = batch.real.sum(0)
        assert batch.ended.sum(0).tolist() == [[1, 1], [1, 1]]
        for agent, place in np.ndindex(2, 2):
            length = lengths[agent, place]
            assert batch.real[:length, agent, place].all() and batch.ended[length - 1, agent, place]
        np.testing.assert_array_equal(batch.rewards.sum(0), lengths)
        assert np.abs(batch.observations[0]).max() <= 0.05  # where episodes begin


def test_windows_go_on_where_the_last_one_stopped() -> None:
    agents = learning("a2c")
    first, second = (
        play(agents.network, agents.policies, agents.environments, chance(agents), ~agents.over, 30)
        for _ in range(2)
    )
    np.testing.assert_array_equal(first.observations[-1], second.observations[0])
    assert not first.real.all() and first.ended.any()
    np.testing.assert_array_equal(first.ended[:-1], ~first.real[1:])  # the step after an end only resets


@pytest.mark.parametrize("method", ["a2c", "ppo"])
def test_an_agent_learns_the_same_alone_and_beside_others(method: Method) -> None:
    both, alone = learning(method), learning(method, agents=1, first=1)
    for agents in (both, alone):
        agents.run()
    torch.testing.assert_close(both.weights[1 :: len(both)], alone.weights, atol=1e-4, rtol=1e-3)
    assert both.steps[1] == alone.steps[0]


@pytest.mark.parametrize("method", ["discount", "a2c"])
def test_no_agent_learns_from_more_steps_than_it_has(method: Method) -> None:
    agents = learning(method)
    agents.run()
    assert agents.over.all() and (agents.steps <= agents.settings.steps).all()
    assert (agents.steps > agents.settings.steps / 2).all()
    for curve in agents.curves:
        assert [row["step"] for row in curve] == agents.points == [0, 400, 800]
    before = agents.weights.clone()
    batch = play(
        agents.network, agents.policies, agents.environments, chance(agents), np.array([True, False]), None
    )
    assert not batch.real[:, 1].any()
    agents.steps[:] = 0
    agents.learn(batch, np.array([True, False]), chance(agents))
    moved = (agents.weights != before).any(1).tolist()
    assert moved == [True, False] * (len(moved) // 2)


def test_a_resumed_training_ends_with_the_same_numbers(tmp_path: Any) -> None:
    from etudes.training.session import training_session

    ends = []
    for stop in (False, True):
        with training_session("test", tmp_path / str(stop), lambda step, metrics: None):
            agents = learning("baseline")
            agents.resume(run_parameters(), "key")
            if stop:
                while not agents.means:
                    agents.advance()
                    agents.means = [{"step": 0}] * (min(map(len, agents.curves)) > 1)
                agents.means = []
                agents.save()
                agents = learning("baseline")
                assert agents.resume(run_parameters(resume=True), "key") and agents.steps.max() > 0
            agents.run()
            ends.append(agents)
    torch.testing.assert_close(ends[0].weights, ends[1].weights, rtol=0, atol=0)
    assert ends[0].curves == ends[1].curves


def test_ppo_learns_to_balance() -> None:
    environments = side_by_side(CART, [*range(8)])
    changes = {"steps": 25_000, "hidden": [32], "evaluate_every": 25_000}
    ppo = {"environments": 8, "window": 128}
    agent = Learning("ppo", environments, 2, [0], [*range(10)], training(**changes, ppo=ppo))
    agent.resume(False)
    agent.run()
    start, end = (row["dev_mean_return"] for row in agent.curves[0])
    assert start < 100 and end > 150


def test_noise_by_hand() -> None:
    """A signal of length 3 under noise with a variance of 1 in each of 36 numbers needs four episodes."""
    generator = np.random.default_rng(0)
    truth = np.full(36, 0.5)
    assert noise_to_signal(truth + generator.normal(size=(4000, 36))) == pytest.approx(4, rel=0.05)
    assert noise_to_signal(generator.normal(size=(50, 400))) == pytest.approx(50, rel=0.5)


def test_episodes_gradients_are_those_of_each_alone() -> None:
    agents = learning("baseline", agents=1)
    agents.run()
    batch = play(agents.network, agents.policies, agents.environments, chance(agents), np.ones(1, bool), None)
    for estimator in ESTIMATORS:
        found = episode_gradients(estimator, agents.network, agents.weights, batch, agents.settings)
        short = int(batch.real[:, 0, 1].sum())
        one = type(batch)(
            *(
                getattr(batch, name)[: short + (name == "observations"), :, 1:]
                for name in ("observations", "actions", "rewards", "terminated", "ended", "real")
            )
        )
        alone = episode_gradients(estimator, agents.network, agents.weights, one, agents.settings)
        np.testing.assert_allclose(found[1], alone[0], rtol=1e-4, atol=1e-4)
        assert np.abs(found).max() > 0


def test_stages_are_measured_and_left_out_without_a_critic() -> None:
    train, dev, _, card = made(CART)
    groups = (settings("training"), run_parameters())
    model, history = train_policies(train, dev, card, *groups, "baseline")
    agents = model.agents[CART.id]
    assert isinstance(agents, PolicyAgents) and agents.stages.shape[:3] == (3, 2, 2)
    np.testing.assert_array_equal(agents.stages[-1, 0], agents.last)
    table = noise({"baseline": model}, card, groups[0], settings("evaluation"), groups[1])
    assert len(table) == 3 * len(ESTIMATORS) and (table["episodes_needed"] > 0).all()
    assert (table["episodes_needed.low"] <= table["episodes_needed"]).all()
    likely = agents.values(0, np.zeros((1, 4), np.float32))
    assert likely.sum() == pytest.approx(1) and len(agents.only(1)) == 1
    plain, _ = train_policies(train, dev, card, *groups, "discount")
    assert noise({"discount": plain}, card, groups[0], settings("evaluation"), groups[1]).empty
    assert len(history["environments"][CART.id]["epochs"]) == 3


def test_rules_play_where_there_is_one() -> None:
    _, dev, _, card = made(CART, ACROBOT)
    model, history = train_controller(dev, dev, card)
    assert [*model.agents] == [CART.id, ACROBOT.id] and not model.learned
    assert history["environments"][CART.id]["dev"]["mean_return"] == 500


@pytest.mark.parametrize(
    ("spec", "message"),
    [
        (EnvironmentSpec("Taxi-v4", 0), r"'Taxi-v4' observes the number of a state \(one of 500\)"),
        (EnvironmentSpec("MountainCar-v0", -110), "says nothing of 'MountainCar-v0'; it has CartPole-v1"),
    ],
)
def test_what_does_not_fit_is_said(spec: EnvironmentSpec, message: str) -> None:
    train, dev, _, card = made(spec)
    groups = settings("training")
    if spec.id == "Taxi-v4":
        own = {**groups.environments, spec.id: groups.environments[CART.id]}
        groups = groups.model_copy(update={"environments": own})
    with pytest.raises(ValueError, match=message):
        train_policies(train, dev, card, groups, run_parameters(), "ppo")


@pytest.mark.parametrize(
    ("rates", "message"), [({"ppo": -1.0}, "greater than 0"), ({"trpo": 0.1}, "Input should be 'reinforce'")]
)
def test_rates_are_positive_and_of_known_methods(rates: dict[str, float], message: str) -> None:
    with pytest.raises(ValidationError, match=message):
        training(learning_rates=rates)
