"""Networks in two parts: together they are the network, and maps and features are those of its layers."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from etudes.models import ModelState
from etudes.vision import tuned
from etudes.vision.imagenet import normalised
from etudes.vision.parameters import ViewParameters
from etudes.vision.pretrained import untrained

VIEW = ViewParameters(shift=0.2, turn=0.3, zoom=0.1, shear=0, light=0.1, mirror=True)


def backbone() -> tuned.Backbone:
    torch.manual_seed(0)
    return tuned.Backbone(tuned.empty_parts(tuned.TEXTURES, 4).eval(), {"name": tuned.TEXTURES, "width": 4})


@pytest.mark.parametrize(
    ("name", "channels"), [("squeezenet1_1", 512), ("resnet18", 512), ("mobilenet_v2", 1280)]
)
def test_the_parts_in_a_row_are_the_network_without_its_classifier(name: str, channels: int) -> None:
    torch.manual_seed(1)
    network = untrained(name).eval()
    parts, batch = tuned.parts_of(network, name), torch.rand(1, 3, 64, 64)
    body = (
        network.features
        if hasattr(network, "features")
        else torch.nn.Sequential(*list(network.children())[:-2])
    )
    with torch.inference_mode():
        found = parts.top(parts.trunk(batch))
        torch.testing.assert_close(found, body(batch))
    assert found.shape[1] == channels and sum(p.numel() for p in parts.top.parameters()) > 0


def test_a_network_whose_last_stage_is_not_known_is_refused() -> None:
    with pytest.raises(ValueError, match="resnet20_cifar10"):
        tuned.parts_of(untrained("resnet20_cifar10"), "resnet20_cifar10")


def test_maps_begin_with_the_picture_itself_and_features_are_means_of_both_parts() -> None:
    pixels = np.random.default_rng(0).integers(0, 256, (3, 32, 32, 3), dtype=np.uint8)
    eyes = backbone()
    maps = eyes.maps(pixels, VIEW, count=2, seed=5)
    with torch.inference_mode():
        below = eyes.network.trunk(normalised(pixels))
        above = eyes.network.top(below)
    assert maps.shape == (3, 3, *below.shape[1:]) and maps.dtype == np.float16
    np.testing.assert_allclose(maps[:, 0], below, rtol=2e-3, atol=1e-3)
    np.testing.assert_array_equal(maps[:, :1], eyes.maps(pixels))
    assert np.abs(maps[:, 1].astype(float) - maps[:, 2]).max() > 0.01
    np.testing.assert_array_equal(maps, eyes.maps(pixels, VIEW, count=2, seed=5))
    expected = torch.cat([below.mean((2, 3)), above.mean((2, 3))], 1)
    np.testing.assert_allclose(eyes.features(maps[:, 0]), expected, rtol=5e-3, atol=2e-3)


def test_a_backbone_answers_the_same_when_it_was_stored() -> None:
    eyes, pixels = backbone(), np.full((1, 32, 32, 3), 90, np.uint8)
    state = eyes.state()
    again = tuned.Backbone.from_state(ModelState(state.config, state.arrays, state.blobs))
    np.testing.assert_array_equal(again.maps(pixels), eyes.maps(pixels))
