"""Estimators of the policy gradient against finite differences of the exact return, the network against torch's own layers."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterator

import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from torch import Tensor

from etudes.pipelines.policy_gradients.estimators import (
    LADDER,
    Method,
    action_weights,
    advantages,
    surrogate,
)
from etudes.pipelines.policy_gradients.network import Stack

# A process with two states and two actions, three steps long: it begins in state 0, and an action leads to state 1 with a
# probability of its own. Rewards differ between states and actions. Everything about it can be enumerated.
STEPS, GAMMA = 3, 0.8
TO_ONE = np.array([[0.3, 0.9], [0.6, 0.2]])
REWARDS = np.array([[1.0, -0.5], [2.0, 0.3]])
THETA = np.array([[0.4, -0.7], [0.1, 0.9]])
BASELINE = np.array([0.7, -1.3])
Episode = tuple[float, list[int], list[int]]


def policy(theta: NDArray) -> NDArray:
    likely = np.exp(theta - theta.max(1, keepdims=True))
    return likely / likely.sum(1, keepdims=True)


def episodes(theta: NDArray, acting: Callable[[int], NDArray] | None = None) -> Iterator[Episode]:
    """Every episode: its probability, its states (one more than steps) and its actions. ``acting`` says by which parameters a step
    acts, if not by ``theta``."""
    for actions in itertools.product((0, 1), repeat=STEPS):
        for following in itertools.product((0, 1), repeat=STEPS):
            states, probability = [0, *following], 1.0
            for t, action in enumerate(actions):
                pi = policy(acting(t) if acting else theta)[states[t], action]
                up = TO_ONE[states[t], action]
                probability *= pi * (up if states[t + 1] else 1 - up)
            yield probability, states, list(actions)


def gained(states: list[int], actions: list[int]) -> NDArray:
    return np.array([REWARDS[s, a] for s, a in zip(states, actions, strict=False)])


def slope(of: Callable[[NDArray], float], step: float = 1e-5) -> NDArray:
    """Central differences (2, 2) of a function of θ at THETA."""
    found = np.zeros_like(THETA)
    for place in np.ndindex(*THETA.shape):
        there = np.zeros_like(THETA)
        there[place] = step
        found[place] = (of(THETA + there) - of(THETA - there)) / (2 * step)
    return found


def expected_estimate(method: Method, trace: float = 1.0) -> NDArray:
    """The mean over all episodes of ``Σ_t Ψ_t ∇ log π(a_t | s_t)``, by the study's own weights and loss."""
    total = torch.zeros(2, 2, dtype=torch.float64)
    ends = np.array([False] * (STEPS - 1) + [True])
    for probability, states, actions in episodes(THETA):
        values = BASELINE[states].astype(float) if LADDER[method].critic else None
        psi = action_weights(method, gained(states, actions), values, ends, ends, GAMMA, trace)
        theta = torch.tensor(THETA, requires_grad=True)
        log_probs = theta.log_softmax(1)[states[:-1], actions]
        (gradient,) = torch.autograd.grad(surrogate(log_probs, torch.from_numpy(psi)).sum(), theta)
        total += probability * gradient
    return total.numpy()


@pytest.mark.parametrize("method", ["reinforce", "reward_to_go"])
def test_estimators_without_discount_are_the_slope_of_the_expected_return(method: Method) -> None:
    def expected_return(theta: NDArray) -> float:
        return sum(probability * gained(*rest).sum() for probability, *rest in episodes(theta))

    np.testing.assert_allclose(expected_estimate(method), slope(expected_return), atol=1e-8)


@pytest.mark.parametrize("method", ["discount", "baseline", "a2c", "ppo"])
def test_estimators_with_a_discount_are_the_slope_of_what_each_action_brings_from_then_on(
    method: Method,
) -> None:
    """Of ``Σ_t E[Σ_{t' ≥ t} γ^{t' - t} r_t']`` when the parameters change for the action at t alone; no baseline changes that."""

    def brought(theta: NDArray) -> float:
        return sum(
            probability * (GAMMA ** np.arange(STEPS - t) * gained(*rest)[t:]).sum()
            for t in range(STEPS)
            for probability, *rest in episodes(THETA, lambda u, t=t: theta if u == t else THETA)  # type: ignore[misc]
        )

    np.testing.assert_allclose(expected_estimate(method), slope(brought), atol=1e-8)


def test_advantages_are_the_sum_of_discounted_errors() -> None:
    """Against equation 16 term by term, over a batch with a true end, a cut and an episode that goes on."""
    generator = np.random.default_rng(0)
    rewards, values = generator.normal(size=(9, 2)), generator.normal(size=(10, 2))
    terminated, ended = np.zeros((9, 2), bool), np.zeros((9, 2), bool)
    terminated[3, 0] = ended[3, 0] = ended[5, 1] = True
    found = advantages(rewards, values, terminated, ended, 0.9, 0.7)
    for column in range(2):
        for t in range(9):
            expected, weight = 0.0, 1.0
            for k in range(t, 9):
                following = 0.0 if terminated[k, column] else values[k + 1, column]
                expected += weight * (rewards[k, column] + 0.9 * following - values[k, column])
                weight *= 0.9 * 0.7
                if ended[k, column]:
                    break
            assert found[t, column] == pytest.approx(expected)


def test_a_cut_episode_goes_on_in_the_values_and_an_ended_one_does_not() -> None:
    rewards, values = np.ones((1, 2)), np.array([[0.0, 0.0], [10.0, 10.0]])
    terminated, ended = np.array([[True, False]]), np.array([[True, True]])
    np.testing.assert_allclose(advantages(rewards, values, terminated, ended, 0.5, 1.0), [[1.0, 6.0]])


def test_mismatched_shapes_are_refused() -> None:
    ends = np.zeros((3, 2), bool)
    with pytest.raises(ValueError, match=r"values \(4, 2, 1\).*one step more of values"):
        advantages(np.zeros((3, 2)), np.zeros((4, 2, 1)), ends, ends, 0.9, 0.9)
    with pytest.raises(ValueError, match=r"values \(3, 2\)"):
        advantages(np.zeros((3, 2)), np.zeros((3, 2)), ends, ends, 0.9, 0.9)
    with pytest.raises(ValueError, match=r"log-probabilities \(5,\) and weights \(5, 1\)"):
        surrogate(torch.zeros(5), torch.zeros(5, 1))
    with pytest.raises(ValueError, match="expected one shape"):
        surrogate(torch.zeros(5), torch.zeros(5), torch.zeros(5, 1), 0.2)


def test_the_clip_stops_the_gradient_where_the_policy_has_moved_far_enough() -> None:
    before = torch.zeros(4)
    log_probs = torch.tensor([1.3, 1.3, 0.7, 0.7]).log().requires_grad_()
    weights = torch.tensor([1.0, -1.0, 1.0, -1.0])
    found = surrogate(log_probs, weights, before, 0.2)
    torch.testing.assert_close(found, torch.tensor([1.2, -1.3, 0.7, -0.8]))
    (gradient,) = torch.autograd.grad(found.sum(), log_probs)
    torch.testing.assert_close(gradient, torch.tensor([0.0, -1.3, 0.7, 0.0]))


def test_at_the_old_policy_the_ratio_has_the_gradient_of_the_log_probability() -> None:
    log_probs = torch.tensor([-0.3, -1.2]).requires_grad_()
    weights = torch.tensor([0.7, -2.0])
    slopes = [
        torch.autograd.grad(surrogate(log_probs, weights, *rest).sum(), log_probs)[0]
        for rest in ((), (log_probs.detach(), 0.2))
    ]
    torch.testing.assert_close(*slopes)


def test_a_stack_is_its_networks_one_by_one() -> None:
    stack = Stack(3, 2, (5, 4))
    weights = torch.stack([stack.draw(torch.Generator().manual_seed(seed), 1.0) for seed in (0, 1)])
    weights += 0.1 * torch.randn(weights.shape, generator=torch.Generator().manual_seed(2))
    seen = torch.randn(2, 7, 3, generator=torch.Generator().manual_seed(3))
    found = stack.answer(stack.layers(weights), seen)
    for row, observations, outputs in zip(weights, seen, found, strict=True):
        torch.testing.assert_close(_plain(row, observations), outputs)
    np.testing.assert_array_equal(stack.play(weights, seen.numpy()), found.numpy())


def _plain(row: Tensor, x: Tensor) -> Tensor:
    """One network by torch's layers."""
    layers, place = [], 0
    for before, units in ((3, 5), (5, 4), (4, 2)):
        layer = torch.nn.Linear(before, units)
        layer.weight.data = row[place : place + before * units].reshape(before, units).T
        layer.bias.data = row[place + before * units :][:units]
        place += (before + 1) * units
        layers += [layer, torch.nn.Tanh()]
    assert place == len(row)
    return torch.nn.Sequential(*layers[:-1])(x)
