"""Values, gradient and optimiser written out against PyTorch's, network by network."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from torch import nn

from etudes.pipelines.approximate_q_learning.network import Adam, Networks

K, B, INPUTS, ACTIONS, HIDDEN = 3, 7, 5, 4, (6, 8)


def plain_network(weights: NDArray) -> nn.Sequential:
    """A network of the library with a row of weights (P,)."""
    layers: list[nn.Module] = []
    for before, units in zip((INPUTS, *HIDDEN[:-1]), HIDDEN, strict=True):
        layers += [nn.Linear(before, units), nn.ReLU()]
    network = nn.Sequential(*layers, nn.Linear(HIDDEN[-1], ACTIONS))
    parts = Networks(INPUTS, ACTIONS, HIDDEN).parts(weights[None])
    with torch.no_grad():
        for parameter, part in zip(network.parameters(), parts, strict=True):
            parameter.copy_(torch.from_numpy(part[0].T if parameter.ndim == 2 else part[0, 0]))
    return network


def flat(tensors: Any) -> NDArray:
    """Tensors of a network of the library as a row (P,)."""
    return np.concatenate([tensor.detach().numpy().T.ravel() for tensor in tensors])


def some(seed: int = 0) -> tuple[Networks, NDArray, dict[str, NDArray]]:
    generator = np.random.default_rng(seed)
    networks = Networks(INPUTS, ACTIONS, HIDDEN)
    batch = {
        "observations": generator.normal(size=(K, B, INPUTS)).astype(np.float32),
        "actions": generator.integers(0, ACTIONS, (K, B)),
        "targets": generator.normal(size=(K, B)).astype(np.float32),
        "counts": (generator.random((K, B)) < 0.8).astype(np.float32),
    }
    return networks, np.stack([networks.draw(generator) for _ in range(K)]), batch


def test_values_are_those_of_each_network_alone() -> None:
    networks, weights, batch = some()
    ours = networks.values(weights, batch["observations"])
    for row, seen, values in zip(weights, batch["observations"], ours, strict=True):
        theirs = plain_network(row)(torch.from_numpy(seen)).detach().numpy()
        np.testing.assert_allclose(values, theirs, rtol=1e-5, atol=1e-6)


def test_updates_equal_those_of_separate_networks_in_pytorch() -> None:
    """Five updates of three networks with learning rates of their own; automatic differentiation, the library's Adam."""
    rates, huber = (0.01, 0.003, 0.001), 0.3
    networks, weights, _ = some()
    theirs = [plain_network(row) for row in weights]
    optimisers = [
        torch.optim.Adam(network.parameters(), rate, eps=1e-4)
        for network, rate in zip(theirs, rates, strict=True)
    ]
    adam = Adam(networks.size, rates, 1e-4)
    for update in range(5):
        batch = some(update + 1)[2]
        gradient, losses = networks.gradient(weights, **batch, huber=huber)
        adam.step(weights, gradient)
        for k, (network, optimiser) in enumerate(zip(theirs, optimisers, strict=True)):
            own = {name: torch.from_numpy(array[k]) for name, array in batch.items()}
            taken = network(own["observations"])[torch.arange(B), own["actions"]]
            errors = nn.functional.huber_loss(taken, own["targets"], reduction="none", delta=huber)
            loss = (errors * own["counts"]).mean()
            optimiser.zero_grad()
            loss.backward()
            optimiser.step()
            assert losses[k] == pytest.approx(loss.item(), rel=1e-5)
            found = flat(parameter.grad for parameter in network.parameters())
            np.testing.assert_allclose(gradient[k], found, rtol=1e-4, atol=1e-6)
    for row, network in zip(weights, theirs, strict=True):
        np.testing.assert_allclose(row, flat(network.parameters()), rtol=1e-4, atol=1e-5)


def test_fresh_weights_are_spread_as_pytorchs() -> None:
    networks = Networks(100, 50, (200,))
    parts = networks.parts(networks.draw(np.random.default_rng(0))[None])
    theirs = [*nn.Linear(100, 200).parameters(), *nn.Linear(200, 50).parameters()]
    for part, parameter in zip(parts, theirs, strict=True):
        assert part.std() == pytest.approx(parameter.std().item(), rel=0.3)
        assert abs(part).max() == pytest.approx(parameter.abs().max().item(), rel=0.1)


@pytest.mark.parametrize(("name", "shape"), [("targets", (K, B, 1)), ("actions", (B,)), ("counts", (K, 1))])
def test_shapes_that_would_broadcast_are_refused(name: str, shape: tuple[int, ...]) -> None:
    networks, weights, batch = some()
    batch[name] = np.zeros(shape, batch[name].dtype)
    with pytest.raises(ValueError, match=r"expected \(K, B, inputs\) and thrice \(K, B\)"):
        networks.gradient(weights, **batch, huber=1.0)
