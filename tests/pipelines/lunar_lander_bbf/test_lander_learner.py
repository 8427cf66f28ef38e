"""The update against a plain implementation; annealing and reset clocks; it learns."""

from __future__ import annotations

import copy
from typing import Any

import numpy as np
import pytest
import torch
from torch import nn

from etudes.pipelines.lunar_lander_bbf.learner import Learner
from etudes.pipelines.lunar_lander_bbf.network import QNetworks
from etudes.pipelines.lunar_lander_bbf.parameters import AnnealingParameters, Parameters, ResetParameters
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
    seeds: tuple[int, ...] = (0,), updates: int = 1000, arms: dict[str, Any] | None = None, **changes: Any
) -> Learner:
    training = settings("training", **changes)
    network = QNetworks(3, 2, training.hidden, training.layer_norm)
    return Learner(network, training, updates=updates, seeds=seeds, **(arms or {}))


def plain_network(weights: torch.Tensor, hidden: tuple[int, ...], layer_norm: bool) -> nn.Sequential:
    """A network of the library with a row of weights (P,)."""
    layers: list[nn.Module] = []
    for before, units in zip((3, *hidden[:-1]), hidden, strict=True):
        layers += [nn.Linear(before, units), *[nn.LayerNorm(units)] * layer_norm, nn.ReLU()]
    network = nn.Sequential(*layers, nn.Linear(hidden[-1], 2))
    nn.utils.vector_to_parameters(weights.detach().clone(), network.parameters())
    return network


@pytest.mark.parametrize("layer_norm", [False, True])
@pytest.mark.parametrize(("gradient_clip", "double_q"), [(0.1, True), (10.0, True), (10.0, False)])
def test_updates_equal_a_plain_implementation(layer_norm: bool, gradient_clip: float, double_q: bool) -> None:
    """Five updates of two agents; beside them each alone with the library's layers and optimiser."""
    ours = learner(
        (0, 1),
        updates=5,
        target_rate=0.1,
        weight_decay=0.01,
        n_step=3,
        learning_rate=0.001,
        learning_rate_end=0.0005,
        layer_norm=layer_norm,
        gradient_clip=gradient_clip,
        double_q=double_q,
        huber=0.7,
    )
    s, form = ours.settings, (ours.settings.hidden, layer_norm)
    # Target networks that are others from the start, so that the two often choose different actions.
    ours.target.add_(0.1 * torch.randn(ours.target.shape, generator=torch.Generator().manual_seed(1)))
    online, target = ([plain_network(row, *form) for row in matrix] for matrix in (ours.online, ours.target))
    buffers, draws = [some_buffer(0), some_buffer(1)], copy.deepcopy(ours._draws)
    rate, options = s.learning_rate, {"eps": s.adam_epsilon, "weight_decay": 0.01}
    optimisers = [torch.optim.AdamW(network.parameters(), rate, **options) for network in online]
    for update in range(5):
        ours.update(buffers, 1)
        for agent in (0, 1):
            optimisers[agent].param_groups[0]["lr"] = 0.001 - 0.0001 * update
            batch = buffers[agent].sample(draws[agent], s.batch_size, 3, s.discount)
            with torch.no_grad():
                following = torch.from_numpy(batch.next_observations)
                best = online[agent](following).argmax(1)
                judged = target[agent](following)
                worth = judged[torch.arange(len(batch)), best] if double_q else judged.max(1).values
                wanted = torch.from_numpy(batch.returns) + torch.from_numpy(batch.discounts) * worth
            taken = torch.arange(len(batch)), torch.from_numpy(batch.actions)
            error = (online[agent](torch.from_numpy(batch.observations))[taken] - wanted).abs()
            loss = torch.where(error < s.huber, 0.5 * error**2, s.huber * (error - 0.5 * s.huber)).mean()
            optimisers[agent].zero_grad()
            loss.backward()
            norm = nn.utils.clip_grad_norm_(online[agent].parameters(), s.gradient_clip)
            assert (norm > s.gradient_clip) == (gradient_clip == 0.1), "both sides of the limit are tried"
            optimisers[agent].step()
            with torch.no_grad():
                pairs = zip(target[agent].parameters(), online[agent].parameters(), strict=True)
                for slow, fast in pairs:
                    slow.mul_(0.9).add_(0.1 * fast)
            assert ours.losses[agent].item() == pytest.approx(loss.item(), rel=1e-5)
    for matrix, networks in ((ours.online, online), (ours.target, target)):
        for row, network in zip(matrix, networks, strict=True):
            plain = nn.utils.parameters_to_vector(network.parameters())
            torch.testing.assert_close(row, plain, atol=1e-6, rtol=1e-5)


def test_several_updates_at_once_keep_the_targets_of_their_beginning() -> None:
    """The first of two is the update that would have been made alone; the second takes other transitions."""
    alone, together, buffer = learner(), learner(), some_buffer()
    size, form = alone.settings.batch_size, (alone.settings.hidden, alone.settings.layer_norm)
    batch = buffer.sample(copy.deepcopy(together._draws[0]), 2 * size, 1, together.discount)
    before = plain_network(together.target[0], *form)
    for half in (slice(0, size), slice(size, None)):
        online = plain_network(alone.online[0], *form)
        with torch.no_grad():
            following = torch.from_numpy(batch.next_observations[half])
            worth = before(following)[torch.arange(size), online(following).argmax(1)]
            wanted = torch.from_numpy(batch.returns[half]) + torch.from_numpy(batch.discounts[half]) * worth
        values = online(torch.from_numpy(batch.observations[half]))
        taken = values[torch.arange(size), torch.from_numpy(batch.actions[half])]
        nn.functional.huber_loss(taken, wanted, delta=alone.settings.huber).backward()
        gradients = [parameter.grad.flatten() for parameter in online.parameters()]
        alone._step(torch.cat(gradients)[None])
    together.update([buffer], 2)
    torch.testing.assert_close(alone.online, together.online)
    assert together.updates == 2


def test_an_agent_learns_the_same_alone_and_beside_others() -> None:
    """To the last bit: how many processes share the agents decides nothing."""
    alone, beside = learner((1,)), learner((0, 1, 2))
    for _ in range(5):
        alone.update([some_buffer(1)], 3)
        beside.update([some_buffer(seed) for seed in range(3)], 3)
    assert torch.equal(alone.online[0], beside.online[1])
    assert torch.equal(alone.target[0], beside.target[1])


def test_the_learning_rate_moves_evenly_to_its_end() -> None:
    one = learner(updates=20, learning_rate=0.004, learning_rate_end=0.002)
    rates, buffer = [], some_buffer()
    for _ in range(5):
        rates.append(one.learning_rate)
        one.update([buffer], 5)
    assert rates == pytest.approx([0.004, 0.0035, 0.003, 0.0025, 0.002])


def test_n_falls_and_the_discount_rises_and_both_begin_anew_at_a_reset() -> None:
    resets = ResetParameters(every=40, shrink=0.5)
    both = learner(updates=100, arms={"horizon": ANNEALING, "discounting": ANNEALING, "resets": resets})
    buffer, seen = some_buffer(), []
    for _ in range(10):
        seen.append((both.n, round(both.discount, 4)))
        both.update([buffer], 10)
    assert seen[0] == (10, 0.97) and seen[2] == (3, 0.997)
    # The reset comes with the update after forty; the one after eighty would leave fewer than forty.
    assert [n for n, _ in seen] == [10, 5, 3, 3, 3, 5, 3, 3, 3, 3]
    plain = learner(n_step=2, discount=0.9)
    assert (plain.n, plain.discount) == (2, 0.9)


def test_a_reset_changes_what_it_should() -> None:
    one = learner(layer_norm=True)
    one.update([some_buffer()], 3)
    hidden, body = one.settings.hidden, one.network.body
    before = one.online.detach().clone()
    one.reset(ResetParameters(every=1, shrink=0.5))
    first = (2 * one.online - before)[0, : 3 * hidden[0]].view(hidden[0], 3)
    # v = 0.5 old + 0.5 fresh, and fresh is orthogonal with gain √2.
    torch.testing.assert_close(first.T @ first, 2 * torch.eye(3), atol=1e-4, rtol=1e-4)
    head, old = one.online[0, body:-2], before[0, body:-2]
    assert abs(torch.corrcoef(torch.stack([head, old]))[0, 1]) < 0.7, "the head is new"
    assert not one.online[0, -2:].any(), "a fresh bias is zero"
    assert torch.equal(one.online, one.target), "the target network follows"
    assert one._optimiser.steps == 0 and not one._optimiser.state()["mean"].any(), "the optimiser forgets"
    assert one.since_reset == 0 and one.updates == 3
    one.update([some_buffer()], 1)
    assert one.online[0, -2:].any(), "training goes on with the same tensors"
    kept = one.online[0, :body].detach().clone()
    one.reset(ResetParameters(every=1, shrink=1.0))
    assert torch.equal(one.online[0, :body], kept), "full shrink keeps the body"


def test_the_seed_decides_the_weights_and_the_draws() -> None:
    weights = []
    for seed in (0, 0, 1):
        one = learner((seed,))
        torch.manual_seed(int(weights == []))  # the global generator has no say
        one.update([some_buffer()], 5)
        weights.append(one.online.detach())
    assert torch.equal(weights[0], weights[1]) and not torch.equal(weights[0], weights[2])


def test_the_network_that_plays_is_chosen_by_parameter() -> None:
    for name in ("online", "target"):
        one = learner(act_with=name)
        one.update([some_buffer()], 5)
        assert torch.equal(one.actor, getattr(one, name)) and not torch.equal(one.online, one.target)
