"""A replayed update is the update, to the last bit."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor
from torch.func import grad_and_value

from etudes.training.replayed import Replayed, Weights


def update(weights: Weights, x: Tensor, y: Tensor) -> tuple[Weights, Tensor]:
    def loss(moved: Weights) -> Tensor:
        return (torch.tanh(x @ moved["w"]) - y).square().mean()

    return grad_and_value(loss)(weights)


@pytest.mark.parametrize("rows", [6, 3])
def test_replayed_update_equals_the_function_on_other_tensors_weights_and_shapes(rows: int) -> None:
    generator = torch.Generator().manual_seed(0)
    calls = []

    def counted(weights: Weights, x: Tensor, y: Tensor) -> tuple[Weights, Tensor]:
        calls.append(len(x))
        return update(weights, x, y)

    replayed = Replayed(counted, after=0)
    for _ in range(2):
        for n in (6, rows):
            weights = {"w": torch.randn((2, 1), generator=generator)}
            x, y = torch.randn((n, 2), generator=generator), torch.randn((n, 1), generator=generator)
            found, expected = replayed(weights, x, y), update(weights, x, y)
            assert torch.equal(found[0]["w"], expected[0]["w"]) and torch.equal(found[1], expected[1])
    assert calls == sorted({6, rows}, reverse=True), "each shape is recorded once"


def test_the_first_calls_are_made_as_they_are_and_equal_those_that_are_replayed() -> None:
    weights = {"w": torch.ones(2, 1)}
    x, y = torch.randn(6, 2), torch.randn(6, 1)
    replayed = Replayed(update, after=2)
    found = [replayed(weights, x, y) for _ in range(4)]
    assert len(replayed._recorded) == 1 and all(torch.equal(one[0]["w"], found[0][0]["w"]) for one in found)
    assert not found[0][0]["w"].requires_grad
