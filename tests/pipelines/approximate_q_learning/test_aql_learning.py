"""Agents in step against one written plainly, the targets by hand, the grid's switches."""

from __future__ import annotations

import itertools
from typing import Any

import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from torch import nn

from etudes.pipelines.approximate_q_learning import learning
from etudes.pipelines.approximate_q_learning.learning import Arm, Learning, follow
from etudes.pipelines.approximate_q_learning.memory import Memory, Transitions
from etudes.pipelines.approximate_q_learning.parameters import Parameters
from etudes.rl.environments import EnvironmentSpec, inspect_environment
from etudes.rl.simulated import side_by_side
from etudes.training.seeds import derive_seed
from rl.toy_environments import toy
from study_settings import settings_of

settings = settings_of("approximate_q_learning", Parameters)
CART = EnvironmentSpec("CartPole-v1", 475)
ARMS = [Arm(*switches) for switches in itertools.product((False, True), repeat=3)]


def trained(
    arm: Arm,
    seeds: tuple[int, ...] = (3, 4, 5),
    spec: EnvironmentSpec = CART,
    rates: tuple[float, ...] = (),
    **changes: Any,
) -> Learning:
    """Agents of one arm, after all their steps."""
    made = Learning(
        arm,
        spec,
        inspect_environment(spec),
        rates or [0.01] * len(seeds),
        seeds,
        [seed + 100 for seed in seeds],
        [10, 11],
        settings("training", **changes),
    )
    made.resume(False)
    made.run()
    return made


def named(arm: Arm) -> str:
    return "_".join(name for name, on in vars(arm).items() if on) or "online"


def plain_network(row: NDArray, form: Learning) -> nn.Sequential:
    """A network of the library with a row of weights (P,)."""
    parts = form.networks.parts(row[None])
    layers: list[nn.Module] = []
    for weight, bias in zip(parts[::2], parts[1::2], strict=True):
        layer = nn.Linear(*weight.shape[1:])
        with torch.no_grad():
            layer.weight.copy_(torch.from_numpy(weight[0].T))
            layer.bias.copy_(torch.from_numpy(bias[0, 0]))
        layers += [layer, nn.ReLU()]
    return nn.Sequential(*layers[:-1])


def plain(arm: Arm, form: Learning, seed: int) -> list[NDArray]:
    """One agent step by step, as the papers have it: PyTorch's layers and optimiser, Gymnasium's own cart, lists for a memory, with
    the numbers of chance that `Learning` would draw."""
    s, count = form.settings, learning.OWN + form.settings.batch_size * arm.replay
    u = np.random.default_rng([seed, 0]).random((count, learning.BLOCK)).T
    coins = np.random.default_rng(0).integers(0, 2, learning.BLOCK)
    fresh = [form.networks.draw(np.random.default_rng(derive_seed(seed, "weights", n))) for n in (0, 1)]
    networks = [plain_network(row, form) for row in fresh[: arm.networks]]
    still = plain_network(fresh[0], form)
    optimisers = [torch.optim.Adam(network.parameters(), 0.01, eps=s.adam_epsilon) for network in networks]
    chance, environment = side_by_side(CART, [seed + 100]), CART.make()
    environment.reset(seed=0)

    def begin() -> NDArray:
        unwrapped: Any = environment.unwrapped
        unwrapped.state, unwrapped.steps_beyond_terminated = chance.states[0].copy(), None
        return np.array(unwrapped.state, np.float32)

    memory: list[tuple[Any, ...]] = []
    seen, age, over = begin(), 0, False
    for t in range(s.steps):
        epsilon = s.epsilon_start + (s.epsilon_end - s.epsilon_start) * min(
            t / (s.epsilon_share * s.steps), 1
        )
        with torch.no_grad():
            values = sum(network(torch.from_numpy(seen)) for network in networks)
        action = int(u[t, 1] * 2) if u[t, 0] < epsilon else int(values.argmax())
        if over:  # this step only begins anew
            chance.pending[:] = True
            chance.calls = t + 1
            chance.step(np.zeros(1))
            made = (seen, action, 0.0, False, 0.0, begin())
            age, over = 0, False
        else:
            after, reward, ended, _, _ = environment.unwrapped.step(action)
            age += 1
            over = ended or age == 500
            made = (seen, action, float(reward), ended, 1.0, np.array(after, np.float32))
        memory.append(made)
        seen = made[-1]
        if t + 1 <= s.warmup_steps:
            continue
        kept = memory[-s.capacity :]
        # Places in a ring: the newest transitions overwrite the oldest.
        ring = {i % s.capacity: memory[i] for i in range(len(memory))}
        rows = [ring[int(x * len(kept))] for x in u[t, 2:]] if arm.replay else [made]
        which = int(coins[t]) if arm.networks == 2 else 0
        own = networks[which]
        judge = networks[1 - which] if arm.networks == 2 else still if arm.target else own
        loss = torch.zeros(())
        for before, done, reward, ended, real, after in rows:
            with torch.no_grad():
                chooser = own if arm.double else judge
                best = int(chooser(torch.from_numpy(after)).argmax())
                target = reward + s.discount * (not ended) * judge(torch.from_numpy(after))[best]
            error = own(torch.from_numpy(before))[done] - target
            loss = loss + real * nn.functional.huber_loss(error, torch.zeros(()), delta=s.huber)
        optimisers[which].zero_grad()
        (loss / len(rows)).backward()
        optimisers[which].step()
        if (t + 1 - s.warmup_steps) % s.target_every == 0:
            still.load_state_dict(own.state_dict())
    return [
        np.concatenate([p.detach().numpy().T.ravel() for p in network.parameters()]) for network in networks
    ]


@pytest.mark.parametrize("arm", ARMS, ids=named)
def test_agents_in_step_equal_separate_networks_of_pytorch(arm: Arm) -> None:
    """Three agents as one stack; the first and the last of them also alone: ends, memory that overwrites, copies, coins."""
    ours = trained(arm, steps=100, capacity=30)
    assert ours.steps == 100 and ours.weights.shape[:2] == (3, arm.networks)
    for place, seed in ((0, 3), (2, 5)):
        for network, theirs in zip(ours.online, plain(arm, ours, seed), strict=True):
            np.testing.assert_allclose(network[place], theirs, rtol=1e-3, atol=2e-4)


@pytest.mark.parametrize("arm", ARMS, ids=named)
def test_an_agent_learns_the_same_alone_and_beside_others(arm: Arm) -> None:
    alone, beside = trained(arm, (4,)), trained(arm)
    np.testing.assert_array_equal(alone.weights[0], beside.weights[1])
    assert alone.curve_of(0) == beside.curve_of(1)


def test_agents_begin_alike_and_meet_equal_chance_in_all_arms_and_with_all_rates() -> None:
    """Before the first update nothing tells the arms apart."""
    found = [trained(arm, warmup_steps=199) for arm in ARMS if arm.networks == 1]
    for one in found[1:]:
        np.testing.assert_array_equal(one.environments.observations, found[0].environments.observations)
    twins = trained(Arm(replay=True), (3, 3), rates=(0.01, 0.001), warmup_steps=20)
    assert not np.array_equal(twins.weights[0], twins.weights[1])
    twins = trained(Arm(replay=True), (3, 3), rates=(0.01, 0.01))
    np.testing.assert_array_equal(twins.weights[0], twins.weights[1])


def test_targets_by_hand() -> None:
    choosing = np.array([[[1, 2], [4, 3], [0, 9]]], np.float32)
    judging = np.array([[[5, 6], [7, 8], [1, 1]]], np.float32)
    rewards, ended = np.ones((1, 3), np.float32), np.array([[False, False, True]])
    assert follow(rewards, ended, choosing, judging, 0.5).tolist() == [[4.0, 4.5, 1.0]]
    assert follow(rewards, ended, judging, judging, 0.5).tolist() == [[4.0, 5.0, 1.0]]


def test_double_dqn_without_a_still_copy_would_be_q_learning() -> None:
    """Why the grid's cell holds the older double Q-learning: one network that chooses and judges takes its largest value."""
    values = np.random.default_rng(0).normal(size=(3, 5, 4)).astype(np.float32)
    rewards, ended = np.zeros((3, 5), np.float32), np.zeros((3, 5), bool)
    np.testing.assert_allclose(follow(rewards, ended, values, values, 1.0), values.max(2))
    assert [arm.networks for arm in ARMS] == [1, 2, 1, 1, 1, 2, 1, 1]


@pytest.mark.parametrize("truncates", [True, False])
def test_an_episode_that_is_cut_off_goes_on_from_its_own_last_observation(truncates: bool) -> None:
    """A clock that stops at 2, by itself or by a time limit; what only resets it counts for nothing."""
    found = trained(Arm(replay=True), spec=toy("Clock", length=2, truncates=truncates))
    assert found.memory is not None
    every = found.memory.draw(np.tile(np.arange(100) / 100 + 0.005, (3, 1)))
    before, after, real = every.observations[..., 1], every.following[..., 1], every.real > 0
    assert (after[real] == before[real] + 1).all() and (before[~real] == 2).all() and not after[~real].any()
    assert (after[real] == 2).sum() > 90 and 0.3 < real.mean() < 0.7
    assert (every.terminated == ((after == 2) & real & (not truncates))).all()


def test_it_learns_to_walk_to_the_end_of_a_chain() -> None:
    found = trained(Arm(True, True, True), spec=toy("Chain"), steps=600, batch_size=16, evaluate_every=200)
    for agent in range(3):
        assert found.curve_of(agent)[-1]["dev_mean_return"] == pytest.approx(0.85, abs=0.1)
    assert (found.best >= found.curve[-1]["returns"]).all()


def test_the_memory_holds_the_latest_and_draws_what_it_is_pointed_at() -> None:
    memory = Memory(3, 2, 1)
    with pytest.raises(ValueError, match="nothing is remembered yet"):
        memory.draw(np.zeros((2, 1)))
    for step in range(5):
        at = np.array([[step], [10 + step]])
        memory.add(
            Transitions(
                at[..., None].astype(np.float32),
                at,
                at.astype(np.float32),
                at == 4,
                np.ones((2, 1), np.float32),
                at[..., None].astype(np.float32) + 1,
            )
        )
    drawn = memory.draw(np.array([[0.0, 0.4, 0.99], [0.5, 0.5, 0.1]]))
    assert len(memory) == 3 and drawn.actions.tolist() == [[3, 4, 2], [14, 14, 13]]
    assert drawn.following[..., 0].tolist() == [[4, 5, 3], [15, 15, 14]]
    assert drawn.terminated.tolist() == [[False, True, False], [False, False, False]]
    again = Memory(3, 2, 1)
    again.restore(memory.state())
    again.add(Transitions(*(array[:, :1] for array in vars(drawn).values())))
    assert again.draw(np.full((2, 1), 0.9)).actions.tolist() == [[3], [14]]
