"""The update against a plain implementation; annealing and reset clocks; it learns."""

from __future__ import annotations

import copy
from typing import Any

import numpy as np
import pytest
import torch
from torch import nn

from etudes.pipelines.lunar_lander_bbf.learner import Learner
from etudes.pipelines.lunar_lander_bbf.network import QNetwork
from etudes.pipelines.lunar_lander_bbf.parameters import AnnealingParameters, Parameters, ResetParameters
from etudes.pipelines.lunar_lander_bbf.passes import Passes
from etudes.rl.flat import flatten_parameters
from etudes.rl.replay import ReplayBuffer
from study_settings import settings_of

settings = settings_of("lunar_lander_bbf", Parameters)
ANNEALING = AnnealingParameters(n_start=10, n_end=3, discount_start=0.97, discount_end=0.997, updates=20)


def some_buffer(seed: int = 0) -> ReplayBuffer:
    """Two environments of three numbers and two actions, at random."""
    generator = np.random.default_rng(seed)
    buffer = ReplayBuffer(400, 2, (3,), np.float32)
    buffer.start(generator.normal(size=(2, 3)))
    for _ in range(100):
        ends = generator.random(2) < 0.1
        no = np.zeros(2, bool)
        buffer.add(
            generator.integers(0, 2, 2), generator.normal(size=2), ends, no, generator.normal(size=(2, 3))
        )
    return buffer


def learner(
    seed: int = 0,
    updates: int = 1000,
    arms: dict[str, Any] | None = None,
    **changes: Any,
) -> Learner:
    return Learner(3, 2, settings("training", **changes), updates=updates, seed=seed, **(arms or {}))


@pytest.mark.parametrize("layer_norm", [False, True])
@pytest.mark.parametrize(("gradient_clip", "double_q"), [(0.1, True), (10.0, True), (10.0, False)])
def test_an_update_equals_a_plain_implementation(
    layer_norm: bool, gradient_clip: float, double_q: bool
) -> None:
    """Five updates with separate tensors, autograd, one loss and one optimiser step after the other."""
    ours = learner(
        updates=5,
        target_rate=0.1,
        weight_decay=0.01,
        n_step=3,
        act_with="online",
        learning_rate=0.001,
        learning_rate_end=0.0005,
        layer_norm=layer_norm,
        gradient_clip=gradient_clip,
        double_q=double_q,
        huber=0.7,
    )
    # A target network that is another from the start, so that the two often choose different actions.
    ours._target.data.add_(0.1 * torch.randn(ours._target.shape, generator=torch.Generator().manual_seed(1)))
    online, target, buffer = copy.deepcopy(ours.online), copy.deepcopy(ours.target), some_buffer()
    for network in (online, target):
        for parameter in network.parameters():
            parameter.data, parameter.grad = parameter.data.clone(), None
            parameter.requires_grad_(network is online)
    draws = copy.deepcopy(ours._draws)
    s = ours.settings
    optimiser = torch.optim.AdamW(online.parameters(), s.learning_rate, eps=s.adam_epsilon, weight_decay=0.01)
    for update in range(5):
        ours.update(buffer, 1)
        optimiser.param_groups[0]["lr"] = 0.001 - 0.0001 * update
        batch = buffer.sample(draws, s.batch_size, 3, s.discount)
        with torch.no_grad():
            following = torch.from_numpy(batch.next_observations)
            best = online(following).argmax(1)
            judged = target(following)
            worth = judged[torch.arange(len(batch)), best] if double_q else judged.max(1).values
            wanted = torch.from_numpy(batch.returns) + torch.from_numpy(batch.discounts) * worth
        values = online(torch.from_numpy(batch.observations))[
            torch.arange(len(batch)), torch.from_numpy(batch.actions)
        ]
        error = (values - wanted).abs()
        loss = torch.where(error < s.huber, 0.5 * error**2, s.huber * (error - 0.5 * s.huber)).mean()
        optimiser.zero_grad()
        loss.backward()
        norm = nn.utils.clip_grad_norm_(online.parameters(), s.gradient_clip)
        assert (norm > s.gradient_clip) == (gradient_clip == 0.1), "both sides of the limit are tried"
        optimiser.step()
        with torch.no_grad():
            for slow, fast in zip(target.parameters(), online.parameters(), strict=True):
                slow.mul_(0.9).add_(0.1 * fast)
        assert ours.loss == pytest.approx(loss.item(), rel=1e-5)
    for network, plain in ((ours.online, online), (ours.target, target)):
        for a, b in zip(network.parameters(), plain.parameters(), strict=True):
            torch.testing.assert_close(a.detach(), b.detach(), atol=1e-6, rtol=1e-5)


def test_several_updates_at_once_keep_the_targets_of_their_beginning() -> None:
    """The first of two is the update that would have been made alone; the second takes other transitions."""
    alone, together = learner(), learner()
    size = alone.settings.batch_size
    buffer = some_buffer()
    batch = buffer.sample(copy.deepcopy(together._draws), 2 * size, 1, together.discount)
    before = copy.deepcopy(together.target)
    for half in (slice(0, size), slice(size, None)):
        with torch.no_grad():
            following = torch.from_numpy(batch.next_observations[half])
            chosen = alone.online(following).argmax(1)
            worth = before(following)[torch.arange(size), chosen]
            wanted = torch.from_numpy(batch.returns[half]) + torch.from_numpy(batch.discounts[half]) * worth
            values = alone.online(torch.from_numpy(batch.observations[half]))
        slope = torch.zeros_like(values)
        taken = torch.arange(size), torch.from_numpy(batch.actions[half])
        slope[taken] = (values[taken] - wanted).clamp(-alone.settings.huber, alone.settings.huber) / size
        alone._passes.forward(torch.from_numpy(batch.observations[half]))
        alone._step(slope)
    together.update(buffer, 2)
    torch.testing.assert_close(alone.weights(), together.weights())
    assert together.updates == 2


@pytest.mark.parametrize("layer_norm", [False, True])
def test_written_out_passes_equal_autograd(layer_norm: bool) -> None:
    """The gradient is of the first rows alone, and values are of all."""
    generator = torch.Generator().manual_seed(0)
    network = QNetwork(3, 2, (7, 5, 6), layer_norm, generator)
    for parameter in network.parameters():  # biases and norms away from 0 and 1
        parameter.data.add_(torch.randn(parameter.shape, generator=generator), alpha=0.3)
    observations, slope = torch.randn(8, 3, generator=generator), torch.randn(5, 2, generator=generator)
    network(observations[:5]).backward(slope)
    wanted = {name: parameter.grad.clone() for name, parameter in network.named_parameters()}
    flatten_parameters(network)
    passes = Passes(network)
    torch.testing.assert_close(passes.forward(observations), network(observations).detach())
    passes.backward(slope)
    for name, parameter in network.named_parameters():
        torch.testing.assert_close(parameter.grad, wanted[name], msg=name)


def test_the_learning_rate_moves_evenly_to_its_end() -> None:
    one = learner(updates=20, learning_rate=0.004, learning_rate_end=0.002)
    rates, buffer = [], some_buffer()
    for _ in range(5):
        rates.append(one.learning_rate)
        one.update(buffer, 5)
    assert rates == pytest.approx([0.004, 0.0035, 0.003, 0.0025, 0.002])


def test_n_falls_and_the_discount_rises_and_both_begin_anew_at_a_reset() -> None:
    resets = ResetParameters(every=40, shrink=0.5)
    both = learner(updates=100, arms={"horizon": ANNEALING, "discounting": ANNEALING, "resets": resets})
    buffer, seen = some_buffer(), []
    for _ in range(10):
        seen.append((both.n, round(both.discount, 4)))
        both.update(buffer, 10)
    assert seen[0] == (10, 0.97) and seen[2] == (3, 0.997)
    # The reset comes with the update after forty; the one after eighty would leave fewer than forty.
    assert [n for n, _ in seen] == [10, 5, 3, 3, 3, 5, 3, 3, 3, 3]
    plain = learner(n_step=2, discount=0.9)
    assert (plain.n, plain.discount) == (2, 0.9)


def test_a_reset_changes_what_it_should() -> None:
    one = learner(layer_norm=True)
    one.update(some_buffer(), 3)
    before = {name: value.detach().clone() for name, value in one.online.named_parameters()}
    one.reset(ResetParameters(every=1, shrink=0.5))
    after = dict(one.online.named_parameters())
    for name, value in after.items():
        if name.startswith("head"):
            kept = torch.corrcoef(torch.stack([value.reshape(-1), before[name].reshape(-1)]))[0, 1]
            assert name.endswith("bias") or abs(kept) < 0.7, "the head is new"
        elif name.endswith("0.weight"):
            fresh = 2 * value - before[name]  # v = 0.5 old + 0.5 fresh, and fresh is orthogonal with gain √2
            torch.testing.assert_close(fresh.T @ fresh, 2 * torch.eye(3), atol=1e-4, rtol=1e-4)
    assert not after["head.bias"].any(), "a fresh bias is zero"
    for a, b in zip(one.online.parameters(), one.target.parameters(), strict=True):
        assert torch.equal(a, b), "the target network follows"
    assert one._optimiser.steps == 0 and not one._optimiser.state()["mean"].any(), "the optimiser forgets"
    assert one.since_reset == 0 and one.updates == 3
    one.update(some_buffer(), 1)
    assert dict(one.online.named_parameters())["head.bias"].any(), "training goes on with the same tensors"
    body = one.online.body[0].weight.detach().clone()
    one.reset(ResetParameters(every=1, shrink=1.0))
    assert torch.equal(one.online.body[0].weight, body), "full shrink keeps the body"


def test_the_seed_decides_the_weights_and_the_draws() -> None:
    weights = []
    for seed in (0, 0, 1):
        one = learner(seed=seed)
        torch.manual_seed(int(weights == []))  # the global generator has no say
        one.update(some_buffer(), 5)
        weights.append(one.weights())
    assert torch.equal(weights[0], weights[1]) and not torch.equal(weights[0], weights[2])


def test_the_network_that_plays_is_chosen_by_parameter() -> None:
    for name in ("online", "target"):
        one = learner(act_with=name)
        one.update(some_buffer(), 5)
        values = one.actor.values(np.ones((1, 3)))
        np.testing.assert_array_equal(values, getattr(one, name).values(np.ones((1, 3))))
        other = learner()
        torch.nn.utils.vector_to_parameters(one.weights(), other.online.parameters())
        np.testing.assert_array_equal(values, other.online.values(np.ones((1, 3))))
