"""Network, targets and loop: against hand computation and a plain update; input that does not fit."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch
from pydantic import ValidationError
from torch import nn

from etudes.benches.agents import choose_predictor, ingest, split
from etudes.pipelines.breakout_dqn.evaluation import human_scale, score, values_table
from etudes.pipelines.breakout_dqn.learning import Arm, Learning, screens_of
from etudes.pipelines.breakout_dqn.model import QAgents, train_agents, train_follower
from etudes.pipelines.breakout_dqn.network import QNetwork, put_weights, weights_of
from etudes.pipelines.breakout_dqn.parameters import Parameters
from etudes.pipelines.breakout_dqn.values import discounted, play_with_values
from etudes.rl.environments import EnvironmentSpec, inspect_environment
from etudes.samples.environments import raw_file
from etudes.study import load_study
from rl.toy_environments import toy
from study_settings import run_parameters, settings_of

settings = settings_of("breakout_dqn", Parameters)
GAME = EnvironmentSpec("etudes.rl.brick_game:Bricks-v0", 12, actions=("stay", "left", "right"))


def learning(arm: Arm | None = None, **changes: Any) -> Learning:
    return Learning(
        arm or Arm(),
        GAME,
        inspect_environment(GAME),
        3,
        [1, 2],
        [5],
        settings("network"),
        settings("training", **changes),
    )


def made(spec: EnvironmentSpec = GAME) -> tuple[Any, ...]:
    card = ingest(raw_file("environment", embedded_sample=True, **spec.as_dict()))
    return card, *split(card, settings("split"), settings("runs"), run_parameters())


class Fixed(nn.Module):
    """The same action values for every state."""

    def __init__(self, *values: float) -> None:
        super().__init__()
        self.values = torch.tensor([values])

    def forward(self, screens: torch.Tensor) -> torch.Tensor:
        return self.values.expand(len(screens), -1)


def test_targets_by_hand() -> None:
    """Plain: 1 + 0.9 max(2, 5) = 5.5. Double: the network that learns takes action 0, which is worth 2: 1 + 0.9 * 2 = 2.8. After
    an end nothing follows."""
    returns, discounts, screens = torch.tensor([1.0, 1.0]), torch.tensor([0.9, 0.0]), torch.zeros(2, 2, 8, 8)
    for double, wanted in ((False, 5.5), (True, 2.8)):
        one = learning(Arm(double=double))
        one.online, one.target = Fixed(7, 1), Fixed(2, 5)  # type: ignore[assignment]
        assert one.targets(returns, discounts, screens).tolist() == pytest.approx([wanted, 1.0])


def test_a_dueling_head_by_hand() -> None:
    """Q = V + A - mean A, the mean of each state: the mean of its action values is the value of the state."""
    torch.manual_seed(0)
    network = QNetwork((2, 8, 8), 3, [[4, 3, 1]], 8, dueling=True)
    screens = torch.randint(0, 255, (5, 2, 8, 8), dtype=torch.uint8)
    features = network.body(screens.float() / 255)
    advantages, (value,) = network.advantage(features), (network.value(features),)  # type: ignore[misc]
    found = network(screens)
    for row in range(5):
        by_hand = value[row] + advantages[row] - sum(advantages[row]) / 3
        torch.testing.assert_close(found[row], by_hand)
    torch.testing.assert_close(found.mean(1, keepdim=True), value)


def test_the_network_of_2013_has_its_sizes() -> None:
    """Mnih et al. 2013: 9 x 9 x 32 features behind two convolutions, 256 units."""
    network = QNetwork((4, 84, 84), 4, [[16, 8, 4], [32, 4, 2]], 256, dueling=False)
    parts = (16 * 4 * 64 + 16) + (32 * 16 * 16 + 32) + (81 * 32 * 256 + 256) + (256 * 4 + 4)
    assert weights_of(network).shape == (parts,)
    halves = QNetwork((4, 84, 84), 4, [[16, 8, 4], [32, 4, 2]], 256, dueling=True)
    assert weights_of(halves).shape == (parts + 128 + 1 - 128 * 4,)  # two streams, as many hidden weights


def test_an_update_is_the_plain_one() -> None:
    """n rewards, a still copy, Huber's loss, clipped gradient, Adam: as written out with PyTorch's own pieces."""
    one = learning(Arm(double=True, dueling=True, n=3), warmup_steps=60, learning_rate=0.01)
    while one.steps < 60:
        one.advance()
    plain = QNetwork((2, 6, 6), 3, one_form(), settings("network").hidden, True)
    put_weights(plain, weights_of(one.online))
    still = QNetwork((2, 6, 6), 3, one_form(), settings("network").hidden, True)
    put_weights(still, weights_of(one.target))
    state = one.generator.bit_generator.state
    one.update(1)
    one.generator.bit_generator.state = state
    batch = one.buffer.sample(one.generator, 8, 3, one.settings.discount)
    seen, following = (torch.from_numpy(part) for part in (batch.observations, batch.next_observations))
    optimiser = torch.optim.Adam(plain.parameters(), 0.01, eps=one.settings.adam_epsilon)
    total = torch.zeros(())
    for i in range(8):
        with torch.no_grad():
            best = int(plain(following[i : i + 1])[0].argmax())
            wanted = batch.returns[i] + batch.discounts[i] * still(following[i : i + 1])[0, best]
        error = plain(seen[i : i + 1])[0, batch.actions[i]] - wanted
        total = total + (0.5 * error**2 if error.abs() < 1 else error.abs() - 0.5) / 8
    total.backward()
    nn.utils.clip_grad_norm_(plain.parameters(), one.settings.gradient_clip)
    optimiser.step()
    np.testing.assert_allclose(weights_of(one.online), weights_of(plain), atol=2e-5)


def one_form() -> Any:
    return settings("network").convolutions


def test_a_lost_life_is_an_end_and_points_are_clipped_in_updates_alone() -> None:
    one = learning()
    step = one.environments.step(np.zeros(2, int))
    lost = type(step)(**{**vars(step), "lost": np.array([True, False]), "rewards": np.array([7.0, -2.0])})
    one.environments.step = lambda actions: lost  # type: ignore[method-assign, assignment]
    one.advance()
    assert one.buffer._terminated[:2].tolist() == [True, False]
    assert one.buffer._rewards[:2].tolist() == [1, -1] and one.running.tolist() == [7, -2]


def test_a_transition_holds_one_picture() -> None:
    one = learning(capacity=2000)
    assert 36 < one.buffer.nbytes / 2000 < 36 + 24


def test_the_still_copy_moves_when_it_is_due() -> None:
    one = learning(warmup_steps=60, target_every=3)
    while one.updates < 2:
        one.advance()
    assert not np.array_equal(weights_of(one.online), weights_of(one.target))
    one.update(1)
    np.testing.assert_array_equal(weights_of(one.online), weights_of(one.target))


def test_returns_of_a_life_by_hand_and_values_of_states_that_ended() -> None:
    assert discounted([0, 4, 0, 1], 0.5).tolist() == [0.625, 1.25, 0.5, 1.0]
    played = play_with_values(lambda seen: np.tile([3.0, 1, 1], (len(seen), 1)), GAME, [1, 2], 0.5)
    assert len(played.said) == len(played.got) and (played.said == 3).all() and len(played.returns) == 2
    assert played.got.max() <= 2


@pytest.mark.slow
def test_it_learns_the_small_game() -> None:
    """Twice the points of chance (2.1) after 4,500 steps."""
    changes = {"steps": 4500, "warmup_steps": 500, "batch_size": 64, "capacity": 4500, "target_every": 50}
    training = settings("training", **changes, learning_rate=0.001, evaluate_every=1500)
    network = settings("network", convolutions=[[16, 3, 1]], hidden=128)
    one = Learning(
        Arm(True, True, 3), GAME, inspect_environment(GAME), 0, range(8), range(20), network, training
    )
    one.resume(False)
    one.run()
    assert one.best > 4.2


def test_agents_are_scored_saved_and_chosen() -> None:
    data_card, train, dev, test, card = made()
    found = train_agents(train, dev, card, settings("network"), settings("training"), run_parameters())
    follower = train_follower(dev, card)
    models = {"follower": follower[0], "dqn": found[0]}
    histories = {"follower": follower[1], "dqn": found[1]}
    metrics, *_, values, samples = score(models, histories, test, card, settings("evaluation"))
    assert metrics["follower.mean_return"] == 12 and "dqn.human_normalised" not in metrics
    assert values["variant"].unique().tolist() == ["dqn"] and len(values) == 2 and len(samples.rows)
    assert metrics["dqn.q_return"] == values["q_return"].iloc[-1]
    again = QAgents.from_state(found[0].state())
    seen = np.random.default_rng(0).integers(0, 255, (3, 2, 6, 6), dtype=np.uint8)
    np.testing.assert_array_equal(again.values(0, seen), found[0].values(0, seen))
    chosen = choose_predictor(load_study("breakout_dqn"), data_card, card, models, histories)
    assert [column.name for column in chosen.columns] == ["seed"] and len(chosen.model) == 1
    assert len(chosen.predict(chosen.example())) == 2
    answer = chosen.answer(chosen.parse("7"))
    assert answer["return"][0] >= 0 and "episode 7" in chosen.describe(answer)
    with pytest.raises(ValueError, match=r"expected the seed of an episode|is not the seed of an episode"):
        chosen.parse("[1, 2]")


def test_the_human_scale_is_that_of_ataris_game_alone() -> None:
    metrics = {
        "dqn.mean_return": 30.5,
        "dqn.mean_return.low": 1.7,
        "dqn.last_mean_return": 9.0,
        "dqn.iqm": 9.0,
    }
    found = human_scale(metrics, "ALE/Breakout-v5")
    assert found == {"dqn.human_normalised": 1.0, "dqn.human_normalised.low": 0.0}
    for other in ("MinAtar/Breakout-v1", "etudes.rl.brick_game:Bricks-v0", "ALE/Pong-v5"):
        assert human_scale(metrics, other) == {}


def test_values_are_of_the_points_that_are_known() -> None:
    points = [{"step": 1, "dev_mean_return": 2.0, "q_value": 1.0, "q_return": None}]
    other = [{"step": 1, "dev_mean_return": 4.0, "q_value": 3.0, "q_return": 0.5}]
    table = values_table(
        {"dqn": {"agents": [{"curve": points}, {"curve": other}]}, "random": {"agents": [{}]}}
    )
    assert table.to_dict("records") == [
        {"variant": "dqn", "step": 1, "dev_mean_return": 3.0, "q_value": 2.0, "q_return": 0.5}
    ]


def test_a_model_of_another_environment_is_refused() -> None:
    facts = {"shape": [2, 8, 8], "actions": 3, "convolutions": [[4, 3, 1]], "hidden": 8, "dueling": False}
    network = QNetwork(**facts)  # type: ignore[arg-type]
    agents = QAgents(facts, weights_of(network)[None], weights_of(network)[None])
    with pytest.raises(ValueError, match=r"learned from \(2, 8, 8\): it belongs to another environment"):
        agents.policy(0)(np.zeros((1, 4, 84, 84), np.uint8))
    with pytest.raises(ValueError, match="they are of another network"):
        put_weights(network, np.zeros(7, np.float32))


def test_environments_that_are_no_pictures_are_refused() -> None:
    chain = toy("Chain")
    with pytest.raises(ValueError, match=r"expected pictures \(frames, height, width\) uint8"):
        screens_of(inspect_environment(chain), chain.id)
    with pytest.raises(ValueError, match="leave it out of the parameter variants"):
        train_follower(made()[2], made(chain)[-1])
    with pytest.raises(ValueError, match="expected actions 0, 1"):
        made(EnvironmentSpec("Pendulum-v1", 0))
    with pytest.raises(ValueError, match="'Breakout-v77' cannot be made"):
        made(EnvironmentSpec("Breakout-v77", 0))
    with pytest.raises(ValueError, match="too small for the convolutions"):
        QNetwork((2, 8, 8), 3, [[4, 9, 1]], 8, dueling=False)
    with pytest.raises(ValueError, match=r"expected \(frames, height, width\)"):
        QNetwork((8,), 3, [[4, 3, 1]], 8, dueling=False)


@pytest.mark.parametrize(
    ("group", "changes", "message"),
    [
        ("training", {"learning_rate": -0.1}, "greater than 0"),
        ("training", {"warmup_steps": 300}, "warmup_steps must be fewer than steps"),
        ("network", {"convolutions": [[4, 0, 1]]}, "expected numbers of 1 or more"),
        ("network", {"hidden": 7}, "an even number of units"),
    ],
)
def test_settings_that_cannot_be_are_refused(group: str, changes: dict[str, Any], message: str) -> None:
    with pytest.raises(ValidationError, match=message):
        settings(group, **changes)
