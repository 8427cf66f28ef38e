"""Networks in numpy: gradients against differences and PyTorch's, states against their reconstruction."""

from __future__ import annotations

from itertools import pairwise

import numpy as np
import pytest
import torch

from etudes.pipelines.revnet.networks import (
    DenseNetwork,
    PlainNetwork,
    ReversibleNetwork,
    network_of,
    reconstruction_error,
    softmax_cross_entropy,
)

KINDS = ("plain", "stored", "reversible")


def made(kind: str, blocks: int = 3, dtype: type = np.float64) -> DenseNetwork:
    """A network whose biases are not zero."""
    network = network_of(kind, inputs=12, width=8, blocks=blocks, outputs=4, seed=1, dtype=dtype)
    generator = np.random.default_rng(2)
    network.weights = [(w + generator.normal(0, 0.1, w.shape)).astype(dtype) for w in network.weights]
    return network


def batch(rows: int = 7) -> tuple[np.ndarray, np.ndarray]:
    generator = np.random.default_rng(0)
    return generator.normal(size=(rows, 12)), generator.integers(4, size=rows)


@pytest.mark.parametrize("kind", KINDS)
def test_gradients_equal_central_differences(kind: str) -> None:
    network, (x, labels) = made(kind), batch()
    network.loss_and_gradient(x, labels)
    found, step = [g.copy() for g in network.gradients], 1e-6
    for weight, gradient in zip(network.weights, found, strict=True):
        for place in np.ndindex(weight.shape):
            there, ends = weight[place], []
            for moved in (there + step, there - step):
                weight[place] = moved
                ends.append(network.loss_and_gradient(x, labels))
            weight[place] = there
            assert gradient[place] == pytest.approx((ends[0] - ends[1]) / (2 * step), abs=1e-8)


@pytest.mark.parametrize("kind", KINDS)
def test_gradients_equal_those_of_autograd(kind: str) -> None:
    network, (x, labels) = made(kind, blocks=4), batch(30)
    loss = network.loss_and_gradient(x, labels)
    weights = [torch.tensor(w, requires_grad=True) for w in network.weights]
    pairs = [(weights[i], weights[i + 1]) for i in range(0, len(weights), 2)]
    state = torch.relu(torch.tensor(x) @ pairs[0][0] + pairs[0][1])
    if kind == "plain":
        for w, b in pairs[1:-1]:
            state = torch.relu(state @ w + b)
    else:
        first, second = state.chunk(2, dim=1)
        for f, g in list(pairwise(pairs[1:-1]))[::2]:
            first = first + torch.relu(second) @ f[0] + f[1]
            second = second + torch.relu(first) @ g[0] + g[1]
        state = torch.cat([first, second], dim=1)
    logits = torch.relu(state) @ pairs[-1][0] + pairs[-1][1]
    theirs = torch.nn.functional.cross_entropy(logits, torch.tensor(labels))
    theirs.backward()
    assert loss == pytest.approx(theirs.item(), abs=1e-12)
    np.testing.assert_allclose(network.logits(x), logits.detach().numpy(), atol=1e-12)
    for ours, weight in zip(network.gradients, weights, strict=True):
        np.testing.assert_allclose(ours, weight.grad.numpy(), atol=1e-10)


def test_storing_and_computing_again_give_the_same_gradients_where_units_are_dead() -> None:
    """An inactive unit of the first layer is exactly 0, computed again a rounding error of either sign."""
    x, labels = batch(50)
    stored, reversible = (made(kind, 6, np.float32) for kind in ("stored", "reversible"))
    first = np.maximum(x.astype(np.float32) @ stored.weights[0] + stored.weights[1], 0)
    assert (first == 0).any()
    for network in (stored, reversible):
        network.loss_and_gradient(x.astype(np.float32), labels)
    for one, other in zip(stored.gradients, reversible.gradients, strict=True):
        np.testing.assert_allclose(one, other, atol=2e-6)


def test_a_block_is_undone() -> None:
    network = made("reversible")
    assert isinstance(network, ReversibleNetwork)
    x1, x2 = np.random.default_rng(3).normal(size=(2, 5, 4))
    y1, y2 = network.forward(1, x1, x2)
    assert not np.allclose(y1, x1) and not np.allclose(y2, x2)
    for found, wanted in zip(network.inverse(1, y1, y2), (x1, x2), strict=True):
        np.testing.assert_allclose(found, wanted, atol=1e-14)


def test_error_grows_with_coarser_numbers_and_is_a_share() -> None:
    x = batch(20)[0]
    errors = {}
    for dtype in (np.float32, np.float64):
        network = ReversibleNetwork(12, 8, 16, 4, seed=0, dtype=dtype)
        errors[dtype] = reconstruction_error(network, x)
    assert errors[np.float64] < 1e-14
    assert 1e-8 < errors[np.float32] < 1e-4


def test_sizes_at_equal_weights() -> None:
    def count(network: DenseNetwork) -> int:
        return sum(w.size for w in network.weights if w.ndim == 2)

    assert count(PlainNetwork(784, 256, 2, 10)) == count(ReversibleNetwork(784, 256, 4, 10))
    with pytest.raises(ValueError, match="width = 7; expected an even number"):
        ReversibleNetwork(12, 7, 1, 4)


def test_a_loss_of_other_shapes_is_refused() -> None:
    with pytest.raises(ValueError, match=r"expected \(B, K\) and \(B,\)"):
        softmax_cross_entropy(np.zeros((4, 3)), np.zeros((4, 1), dtype=np.int64))
    logits = np.random.default_rng(0).normal(size=(6, 3)) * 300  # no overflow
    labels = np.array([0, 1, 2, 0, 1, 2])
    loss, gradient = softmax_cross_entropy(logits, labels)
    theirs = torch.nn.functional.cross_entropy(torch.tensor(logits), torch.tensor(labels))
    assert loss == pytest.approx(float(theirs))
    assert gradient.sum(axis=1) == pytest.approx(np.zeros(6), abs=1e-12)
