"""Thinned networks: a draw is a network, whatever it is asked."""

from __future__ import annotations

import pytest
import torch
from torch import nn

from etudes.training.seeds import derive_seed
from etudes.vision.cifar_networks import CifarResNet
from etudes.vision.thinning import Thinning, thinned

PICTURES = torch.rand(5, 3, 8, 8, generator=torch.Generator().manual_seed(0))


def network(rate: float = 0.4) -> CifarResNet:
    torch.manual_seed(0)
    return CifarResNet(blocks=1, classes=4, width=4, stride=1, rate=rate).eval()


def test_a_pass_drops_what_its_own_generator_says() -> None:
    net = nn.Sequential(Thinning(0.25), nn.Flatten(), nn.Linear(192, 2)).eval()
    found = thinned(net, PICTURES, passes=3, seed=7)
    assert found.shape == (3, 5, 2)
    for number in range(3):
        generator = torch.Generator().manual_seed(derive_seed(7, "pass", number))
        mask = (torch.rand(3, 8, 8, generator=generator) < 0.75).float() / 0.75
        torch.testing.assert_close(found[number], net[2]((PICTURES * mask).flatten(1)))


def test_an_answer_does_not_depend_on_the_batch() -> None:
    net = network()
    whole = thinned(net, PICTURES, 4, seed=1)
    torch.testing.assert_close(thinned(net, PICTURES[2:3], 4, seed=1)[:, 0], whole[:, 2])
    assert (whole.std(0) > 0).any(), "passes differ"
    assert not torch.equal(thinned(net, PICTURES, 4, seed=2), whole)


def test_afterwards_dropout_is_off_again() -> None:
    net = network()
    plain = net(PICTURES)
    thinned(net, PICTURES, 2, seed=0)
    assert torch.equal(net(PICTURES), plain)
    assert not torch.equal(net.train()(PICTURES), net(PICTURES)), "in training it draws anew"


def test_the_mean_of_a_linear_answer_is_dropout_switched_off() -> None:
    net = nn.Sequential(nn.Flatten(), Thinning(0.5), nn.Linear(192, 2)).eval()
    found = thinned(net, PICTURES, 3000, seed=3).mean(0)
    torch.testing.assert_close(found, net(PICTURES), atol=0.03, rtol=0.0)


def test_a_network_without_dropout_has_no_passes() -> None:
    with pytest.raises(ValueError, match="all its passes would be one"):
        thinned(network(rate=0.0), PICTURES, 2, seed=0)
