"""Networks from scratch: equal weights, and the grids they end in."""

from __future__ import annotations

import pytest
import torch
from torch import nn

from etudes.pipelines.food_classification.networks import scratch_network

VARIANTS = ("cnn", "batch_norm", "augmented", "half_depth", "dense")


def made(variant: str, side: int = 32) -> nn.Sequential:
    return scratch_network(variant, side, (8, 16, 32, 32), 32, 5)


def counted(network: nn.Module) -> int:
    return sum(parameter.numel() for parameter in network.parameters())


@pytest.mark.parametrize("variant", VARIANTS)
def test_every_network_has_about_the_weights_of_the_one_with_normalisation(variant: str) -> None:
    network = made(variant).eval()
    assert network(torch.rand(2, 3, 32, 32)).shape == (2, 5)
    assert abs(counted(network) / counted(made("augmented")) - 1) < 0.1


def test_half_depth_has_half_the_convolutions_and_the_same_last_grid() -> None:
    deep, half = made("augmented"), made("half_depth")
    grids = []
    for network, depth in ((deep, 4), (half, 2)):
        assert sum(isinstance(layer, nn.Conv2d) for layer in network) == depth
        before = next(i for i, layer in enumerate(network) if isinstance(layer, nn.Flatten))
        grids.append(network[:before].eval()(torch.rand(1, 3, 32, 32)).shape[2:])
    assert grids[0] == grids[1] == (2, 2)
    assert not any(isinstance(layer, nn.Conv2d) for layer in made("dense"))
    assert not any(isinstance(layer, nn.BatchNorm2d) for layer in made("cnn"))


def test_a_side_that_cannot_be_halved_and_an_unknown_network_are_refused() -> None:
    with pytest.raises(ValueError, match="side = 24 cannot be halved 4 times"):
        made("cnn", side=24)
    with pytest.raises(ValueError, match="there is no network 'lstm'"):
        made("lstm")
