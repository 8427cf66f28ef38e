"""Policies against torch's own modules and optimiser, and tables by hand."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from torch import nn

from etudes.pipelines.cross_entropy_method.policies import Network, NetworkPolicy, TablePolicy, drawn_actions
from etudes.pipelines.cross_entropy_method.sessions import Sessions


def module_of(network: Network, weights: torch.Tensor) -> nn.Sequential:
    """The same network as torch has it."""
    layers: list[nn.Module] = []
    begin = 0
    for fan_in, fan_out in network.layers:
        layer = nn.Linear(fan_in, fan_out)
        middle, end = begin + fan_in * fan_out, begin + (fan_in + 1) * fan_out
        layer.weight.data = weights[begin:middle].reshape(fan_in, fan_out).T.clone()
        layer.bias.data = weights[middle:end].clone()
        layers += [layer, nn.Tanh()]
        begin = end
    assert begin == network.size
    return nn.Sequential(*layers[:-1])


def some_sessions(observations: np.ndarray, actions: np.ndarray, playing: np.ndarray) -> Sessions:
    return Sessions(observations, actions, playing, np.zeros(playing.shape[1:]))


@pytest.mark.parametrize("hidden", [0, 5])
def test_logits_are_those_of_torchs_layers(hidden: int) -> None:
    network, g = Network(3, hidden, 4), np.random.default_rng(0)
    weights = g.standard_normal((2, network.size)).astype(np.float32)
    seen = g.standard_normal((2, 6, 3)).astype(np.float32)
    for agent, found in enumerate(network.play(weights, seen)):
        expected = module_of(network, torch.tensor(weights[agent]))(torch.tensor(seen[agent]))
        np.testing.assert_allclose(found, expected.detach(), rtol=1e-5, atol=1e-6)


def test_fitting_is_that_of_torchs_adam_and_an_agent_learns_the_same_alone() -> None:
    g, network, batch, updates = np.random.default_rng(1), Network(3, 4, 2), 8, 5
    memory = [
        {
            "observations": g.standard_normal((2, 10, 3)).astype(np.float32),
            "actions": g.integers(0, 2, (2, 10)),
        }
        for _ in range(2)
    ]
    policy = NetworkPolicy(network, [5, 6], 10, batch, updates, 0.01)
    module = module_of(network, policy.tensor[1])
    optimiser = torch.optim.Adam(module.parameters(), lr=0.01)
    policy.fit(memory, [np.random.default_rng(7), np.random.default_rng(8)])
    seen, taken = (np.concatenate([part[name][1] for part in memory]) for name in ("observations", "actions"))
    for place in np.random.default_rng(8).integers(0, 20, (updates, batch)):
        optimiser.zero_grad()
        nn.functional.cross_entropy(module(torch.tensor(seen[place])), torch.tensor(taken[place])).backward()
        optimiser.step()
    expected = [p.T.flatten() if p.ndim == 2 else p for p in module.parameters()]
    np.testing.assert_allclose(policy.weights[1], torch.cat(expected).detach(), rtol=1e-4, atol=1e-6)
    alone = NetworkPolicy(network, [6], 10, batch, updates, 0.01)
    alone.fit([{k: v[1:] for k, v in part.items()} for part in memory], [np.random.default_rng(8)])
    np.testing.assert_array_equal(alone.weights[0], policy.weights[1])


def test_examples_are_drawn_as_their_sessions_weigh() -> None:
    """Two sessions of 3 and 1 steps: alike where each has the weight 1 / its length."""
    steps = np.arange(6, dtype=np.float32).reshape(3, 1, 2, 1)
    playing = np.array([[[True, True]], [[True, False]], [[True, False]]])
    sessions = some_sessions(steps, steps[..., 0].astype(np.int64), playing)
    policy = NetworkPolicy(Network(1, 0, 6), [0], 6000, 1, 1, 0.1)
    digest = policy.digest(sessions, 1.0 / sessions.lengths, [np.random.default_rng(0)])
    np.testing.assert_array_equal(digest["observations"][..., 0], digest["actions"])
    shares = np.bincount(digest["actions"][0], minlength=6) / 6000
    np.testing.assert_allclose(shares, [1 / 6, 1 / 2, 1 / 6, 0, 1 / 6, 0], atol=0.02)


@pytest.mark.parametrize("forgets", [True, False])
def test_a_table_moves_towards_the_elites_actions(forgets: bool) -> None:
    """By hand: agent 0 saw state 0 three times in one session; agent 1 nothing but state 1, in two rounds."""
    policy = TablePolicy(2, 2, 2, 0.5, forgets)
    policy.weights[:, :, :] = [0.75, 0.25]
    seen = np.array([[[0], [1]], [[0], [1]], [[0], [1]]])
    actions = np.array([[[1], [0]], [[1], [0]], [[0], [0]]])
    playing = np.array([[[True], [True]], [[True], [False]], [[True], [False]]])
    sessions = some_sessions(seen, actions, playing)
    digest = policy.digest(sessions, 1.0 / sessions.lengths, [])
    np.testing.assert_allclose(digest["counts"][0, 0], [1 / 3, 2 / 3])
    np.testing.assert_allclose(digest["counts"][1, 1], [1, 0])
    policy.fit([digest, digest], [])
    unseen = [0.625, 0.375] if forgets else [0.75, 0.25]
    np.testing.assert_allclose(policy.weights[0], [[0.375 + 1 / 6, 0.125 + 1 / 3], unseen])
    np.testing.assert_allclose(policy.weights[1], [unseen, [0.875, 0.125]])


def test_actions_are_drawn_with_their_probabilities_and_the_floor() -> None:
    uniforms = (np.arange(10_000) + 0.5)[None] / 10_000
    probabilities = np.broadcast_to([0.0, 0.3, 0.7], (1, 10_000, 3))
    for floor in (0.0, 0.3):
        shares = np.bincount(drawn_actions(probabilities, uniforms, floor)[0], minlength=3) / 10_000
        np.testing.assert_allclose(shares, (1 - floor) * np.array([0, 0.3, 0.7]) + floor / 3, atol=2e-4)
