"""Thinned networks: many passes at once against one after the other."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from etudes.pipelines.mc_dropout.networks import DropoutNetwork


def network(rate: float = 0.4, everywhere: bool = True) -> DropoutNetwork:
    torch.manual_seed(0)
    return DropoutNetwork(side=8, width=3, hidden=12, outputs=10, rate=rate, everywhere=everywhere).eval()


@pytest.mark.parametrize("everywhere", [True, False])
def test_one_pass_of_many_is_many_passes_of_one(everywhere: bool) -> None:
    net, pictures = network(everywhere=everywhere), torch.rand(5, 1, 8, 8)
    masks = net.masks(7, seed=1)
    assert (masks[0] is None) is not everywhere
    found = net.thinned(pictures, masks)
    assert found.shape == (7, 5, 10)
    for t in range(7):
        x = net.stages[0](pictures)
        for mask, stage in zip(masks, list(net.stages)[1:], strict=True):
            x = stage(x if mask is None else x * mask[t])
        torch.testing.assert_close(found[t], x, atol=1e-6, rtol=1e-5)


def test_a_pass_leaves_units_out_as_training_does() -> None:
    # Zeroing columns of the weights is leaving out units: a draw is a network.
    net, pictures = network(everywhere=False), torch.rand(3, 1, 8, 8)
    masks = net.masks(1, seed=2)
    found = net.thinned(pictures, masks)[0]
    with torch.no_grad():
        net.stages[2][0].weight *= masks[1][0]
        net.stages[3].weight *= masks[2][0]
    torch.testing.assert_close(found, net(pictures), atol=1e-6, rtol=1e-5)


def test_masks_keep_their_share_and_their_expectation() -> None:
    masks = network(rate=0.3).masks(4000, seed=0)
    assert [tuple(mask.shape[1:]) for mask in masks] == [(3, 4, 4), (24,), (12,)]
    for mask in masks:
        assert mask.mean().item() == pytest.approx(1.0, abs=0.02)
        assert (mask == 0).float().mean().item() == pytest.approx(0.3, abs=0.02)
        assert set(np.unique(mask.numpy())) == {np.float32(0), np.float32(1) / np.float32(0.7)}


def test_an_answer_does_not_depend_on_the_batch() -> None:
    net, pictures = network(), torch.rand(6, 1, 8, 8)
    masks = net.masks(4, seed=3)
    torch.testing.assert_close(net.thinned(pictures[2:3], masks)[:, 0], net.thinned(pictures, masks)[:, 2])


def test_the_mean_of_one_dense_layer_is_dropout_switched_off() -> None:
    # Only the last layer is linear in its mask: there the mean over passes of the logits is the usual approximation.
    net = network(rate=0.5, everywhere=False)
    pictures, masks = torch.rand(2, 1, 8, 8), net.masks(20_000, seed=4)
    masks[1] = None
    torch.testing.assert_close(net.thinned(pictures, masks).mean(0), net(pictures), atol=0.02, rtol=0.0)


def test_training_drops_where_it_says() -> None:
    dense, everywhere = network(everywhere=False), network(everywhere=True)
    assert [drop.p for drop in dense.drops] == [0.0, 0.4, 0.4]
    assert [drop.p for drop in everywhere.drops] == [0.4, 0.4, 0.4]
    pictures = torch.rand(2, 1, 8, 8)
    assert not torch.equal(dense.train()(pictures), dense(pictures))
    assert torch.equal(dense.eval()(pictures), dense(pictures))


def test_a_network_without_dropout_has_no_passes() -> None:
    net = network(rate=0.0)
    with pytest.raises(ValueError, match="all its passes would be one"):
        net.thinned(torch.rand(1, 1, 8, 8), net.masks(3, seed=0))
