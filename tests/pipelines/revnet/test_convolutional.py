"""The convolutional network: the same gradients with and without its activations."""

from __future__ import annotations

import pytest
import torch

from etudes.pipelines.revnet.convolutional import ConvolutionalRevNet, ReversibleStage


def twins(dtype: torch.dtype = torch.float64) -> list[ConvolutionalRevNet]:
    networks = []
    for stored in (False, True):
        torch.manual_seed(0)
        networks.append(ConvolutionalRevNet(8, 3, 10, stored).to(dtype))
    return networks


def test_gradients_are_those_of_autograd() -> None:
    generator = torch.Generator().manual_seed(1)
    pictures = torch.rand((6, 1, 12, 12), generator=generator, dtype=torch.float64)
    labels = torch.randint(10, (6,), generator=generator)
    found = []
    for network in twins():
        x = pictures.clone().requires_grad_()
        torch.nn.functional.cross_entropy(network(x), labels).backward()
        found.append([x.grad, *(w.grad for w in network.parameters())])
    for ours, theirs in zip(*found, strict=True):
        assert ours is not None and theirs is not None and theirs.abs().max() > 0
        assert torch.allclose(ours, theirs, atol=1e-10)


def test_answers_are_the_same_in_training_and_without_gradients() -> None:
    network, x = twins()[0], torch.rand(3, 1, 12, 12, dtype=torch.float64)
    with torch.inference_mode():
        answered = network(x)
    assert torch.allclose(network(x), answered, atol=1e-12)


def test_only_the_last_state_of_a_stage_is_kept() -> None:
    kept: list[int] = []

    def count(depth: int, stored: bool) -> int:
        kept.clear()
        stage = ReversibleStage(4, depth, stored)
        x = torch.rand(2, 8, 6, 6, requires_grad=True)
        with torch.autograd.graph.saved_tensors_hooks(lambda t: kept.append(t.numel()) or t, lambda t: t):
            stage(x)
        return sum(kept)

    assert count(8, stored=False) == count(2, stored=False)
    assert count(8, stored=True) > 3 * count(2, stored=True)


def test_an_odd_width_is_refused() -> None:
    with pytest.raises(ValueError, match="expected an even number"):
        ConvolutionalRevNet(7, 1, 10)
