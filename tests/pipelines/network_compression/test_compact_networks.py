"""Folding, designs, and what pruning takes away, against plain computations and PyTorch's own pruning."""

from __future__ import annotations

import pytest
import torch
from torch import nn
from torch.nn.utils import prune

from compression_toys import CONFIG, lived
from etudes.pipelines.network_compression.pruning import channels_kept, masks_of, slimmed
from etudes.vision.cifar_networks import CifarResNet, resnet20_cifar10
from etudes.vision.compact import (
    Compact,
    Shuffle,
    blocks_of,
    convolution,
    folded,
    layers_of,
)

PICTURES = torch.randn(5, 3, 16, 16, generator=torch.Generator().manual_seed(1))


@pytest.mark.parametrize("design", ["dense", "grouped", "separable"])
def test_a_folded_network_gives_the_same_answers_without_normalisation(design: str) -> None:
    network = lived(design=design, stride=2)
    without = folded(network)
    assert not any(isinstance(module, nn.BatchNorm2d) for module in without.modules())
    with torch.no_grad():
        torch.testing.assert_close(without(PICTURES), network(PICTURES), rtol=1e-4, atol=1e-4)
    assert any(isinstance(module, nn.BatchNorm2d) for module in network.modules())  # it is a copy


def test_a_plain_one_is_the_residual_network_itself() -> None:
    theirs, ours = resnet20_cifar10().eval(), Compact().eval()
    ours.load_state_dict(theirs.state_dict())
    with torch.no_grad():
        assert torch.equal(ours(PICTURES), theirs(PICTURES))


def test_designs_have_the_weights_their_formulas_say() -> None:
    counted = {
        design: sum(p.numel() for n, p in convolution(design, 12, 20, 1).named_parameters() if p.ndim == 4)  # type: ignore[arg-type]
        for design in ("dense", "grouped", "separable")
    }
    assert counted == {"dense": 9 * 12 * 20, "grouped": 9 * 12 * 20 // 4, "separable": 9 * 12 + 12 * 20}
    with pytest.raises(ValueError, match="6 channels to 12 cannot be cut into 4 groups"):
        convolution("grouped", 6, 12, 1)


def test_recorded_designs_have_equal_weights() -> None:
    counts = [
        sum(layer.weight.numel() for _, layer in layers_of(Compact(1, 10, width, 2, design)))  # type: ignore[arg-type]
        for design, width in (("dense", 16), ("grouped", 32), ("separable", 46))
    ]
    assert max(counts) < 1.03 * min(counts)


def test_a_shuffle_deals_channels_of_groups_in_turns() -> None:
    channels = torch.arange(8.0)[None, :, None, None]
    assert Shuffle()(channels).flatten().tolist() == [0, 2, 4, 6, 1, 3, 5, 7]
    # Two grouped convolutions see every input only with a shuffle between them.
    layers = nn.Sequential(*(convolution("grouped", 16, 16, 1) for _ in range(2)))
    point = torch.zeros(1, 16, 5, 5, requires_grad=True)
    layers(point)[0, 0].sum().backward()
    assert (point.grad.abs().sum((0, 2, 3)) > 0).all()


@pytest.mark.parametrize("rate", [0.3, 0.8])
def test_weights_that_go_are_those_of_pytorchs_own_pruning(rate: float) -> None:
    network = lived()
    masks, theirs = masks_of(network, rate), folded(network)
    layers = {name: layer for name, layer in layers_of(theirs) if "." in name}
    prune.global_unstructured(
        [(layer, "weight") for layer in layers.values()], prune.L1Unstructured, amount=rate
    )
    assert masks.keys() == {f"{name}.weight" for name in layers}
    for name, layer in layers.items():
        assert torch.equal(masks[f"{name}.weight"], layer.weight_mask)
    share = sum(mask.sum() for mask in masks.values()) / sum(mask.numel() for mask in masks.values())
    assert float(share) == pytest.approx(1 - rate, abs=0.001)


def test_a_slim_network_is_the_one_whose_channels_are_silenced() -> None:
    network = lived(blocks=2)
    kept = channels_kept(network, 0.5)
    narrow, config = slimmed(network, {**CONFIG, "blocks": 2}, 0.5)
    assert config["inner"] == [len(channels) for channels in kept] == [4, 4, 8, 8, 16, 16]
    scores = [block.conv1.weight.abs().sum((1, 2, 3)) for block in blocks_of(folded(network))]
    for block, channels, score in zip(blocks_of(network), kept, scores, strict=True):
        gone = [k for k in range(len(score)) if k not in channels]
        assert score[channels].min() > score[gone].max()
        block.conv2.weight.data[:, gone] = 0
    with torch.no_grad():
        torch.testing.assert_close(narrow(PICTURES), network(PICTURES), rtol=1e-4, atol=1e-4)
    assert [len(c) for c in channels_kept(network, 0.999)] == [1] * 6


def test_inner_channels_leave_the_rest_of_the_network_as_it_is() -> None:
    narrow = Compact(1, 10, 8, inner=[3, 4, 5]).state_dict()
    wide = CifarResNet(1, 10, 8).state_dict()
    changed = {name for name, value in wide.items() if narrow[name].shape != value.shape}
    assert {name.split(".")[2] for name in changed} == {"conv1", "bn1", "conv2"}
