"""The width that brings a network nearest to a number of weights, against a search through all."""

from __future__ import annotations

from torch import nn

from etudes.vision.equal_weights import nearest_width, weights


def counted(network: nn.Module) -> int:
    return sum(parameter.numel() for parameter in network.parameters())


def test_the_nearest_width_is_that_of_a_search_through_all() -> None:
    def line(width: int) -> nn.Module:
        return nn.Sequential(nn.Linear(7, width), nn.Linear(width, width))

    for target in (9, 100, 1000, 54321):
        found = abs(counted(line(nearest_width(line, target))) - target)
        assert found == min(abs(counted(line(width)) - target) for width in range(1, 400))
    assert weights(lambda: line(3)) == counted(line(3))
