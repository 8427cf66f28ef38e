"""Stages of networks: shapes, channels side by side, weights that travel."""

from __future__ import annotations

import pytest
import torch
from torch import nn
from torchvision import models

from etudes.vision.taps import Taps, channel_counts, empty_taps, side_by_side, tapped

SHAPES = {
    "resnet18": [(64, 16), (128, 8), (256, 4)],
    "wide_resnet50_2": [(256, 16), (512, 8), (1024, 4)],
    "squeezenet1_1_caffe": [(128, 15), (256, 7), (384, 3)],
}


def random_network(name: str) -> nn.Module:
    torch.manual_seed(0)
    return getattr(models, {"squeezenet1_1_caffe": "squeezenet1_1"}.get(name, name))(weights=None).eval()


@pytest.mark.parametrize("name", SHAPES)
def test_stages_have_the_channels_and_grids_of_the_network(name: str) -> None:
    taps = empty_taps(name)
    with torch.device("meta"):
        maps = taps(torch.zeros(2, 3, 64, 64))
    assert [(found.shape[1], found.shape[2]) for found in maps] == SHAPES[name]


@pytest.mark.parametrize("name", ["resnet18", "squeezenet1_1_caffe"])
def test_stages_compute_what_the_network_computes(name: str) -> None:
    network = random_network(name)
    seen: list[torch.Tensor] = []
    places = (
        ("features.4", "features.7", "features.10") if "squeeze" in name else ("layer1", "layer2", "layer3")
    )
    for place in places:
        network.get_submodule(place).register_forward_hook(lambda _m, _i, out: seen.append(out.clone()))
    picture = torch.randn(1, 3, 64, 64)
    with torch.inference_mode():
        network(picture)
        for expected, found in zip(list(seen), tapped(network, name)(picture), strict=True):
            torch.testing.assert_close(found, expected)


@pytest.mark.parametrize("name", SHAPES)
def test_stages_written_out_compute_what_torchvisions_do(name: str) -> None:
    full, empty = tapped(random_network(name), name), empty_taps(name)
    assert all(value.is_meta for value in empty.parameters())
    empty.load_state_dict(full.state_dict(), assign=True)
    picture = torch.randn(2, 3, 48, 48)
    with torch.inference_mode():
        for expected, found in zip(full(picture), empty(picture), strict=True):
            torch.testing.assert_close(found, expected, rtol=1e-5, atol=1e-5)


def test_pictures_need_not_be_square_or_of_one_size() -> None:
    taps = tapped(random_network("squeezenet1_1_caffe"), "squeezenet1_1_caffe")
    with torch.inference_mode():
        for size in ((64, 96), (70, 53)):
            maps = taps(torch.randn(1, 3, *size))
            joined = side_by_side(maps, torch.arange(768))
            assert joined.shape == (1, 768, *maps[0].shape[2:])


def test_channels_side_by_side_lie_above_their_patch() -> None:
    fine, coarse = torch.randn(2, 3, 4, 4), torch.randn(2, 2, 2, 2)
    joined = side_by_side([fine, coarse], torch.tensor([0, 2, 3]))
    assert torch.equal(joined[:, :2], fine[:, [0, 2]])
    for row in range(4):
        for column in range(4):
            assert torch.equal(joined[:, 2, row, column], coarse[:, 0, row // 2, column // 2])


def test_channels_of_coarse_maps_alone_still_have_the_fine_grid() -> None:
    joined = side_by_side([torch.randn(1, 3, 4, 4), torch.randn(1, 2, 2, 2)], torch.tensor([4]))
    assert joined.shape == (1, 1, 4, 4)


@pytest.mark.parametrize(
    ("channels", "message"),
    [([2, 1], "rising indices"), ([], "rising indices"), ([0, 5], "expected indices into 5 channels")],
)
def test_channels_that_do_not_rise_or_exist_are_refused(channels: list[int], message: str) -> None:
    maps = [torch.zeros(1, 3, 4, 4), torch.zeros(1, 2, 2, 2)]
    with pytest.raises(ValueError, match=message):
        side_by_side(maps, torch.tensor(channels, dtype=torch.int64))


def test_channel_counts_are_found_by_a_pass() -> None:
    taps = Taps([nn.Conv2d(3, 5, 3, 2), nn.Conv2d(5, 7, 3, 2)])
    assert channel_counts(taps) == [5, 7]


def test_a_network_whose_stages_are_not_known_is_refused() -> None:
    with pytest.raises(ValueError, match="'mobilenet_v2' are not known; expected resnet18"):
        empty_taps("mobilenet_v2")
