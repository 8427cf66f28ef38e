"""Passes that leave out what the strip cannot reach give the logits of the whole network."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest
import torch
from etudes.pipelines.adversarial_strip.networks import SmallNetwork, View, intensities, small_network
from torch import nn

from etudes.examples import Examples
from etudes.pipelines.adversarial_strip import reach
from etudes.pipelines.adversarial_strip.reach import PastedPhotos


def whole(view: nn.Module, pixels: np.ndarray, strip: torch.Tensor) -> torch.Tensor:
    photos = intensities(pixels, "cpu")
    rows = strip.shape[1]
    photos = torch.cat([strip.expand(len(photos), -1, -1, -1), photos[:, :, rows:]], 2)
    return view(photos)


def torchvision_network(name: str) -> nn.Module:
    from torchvision import models

    torch.manual_seed(0)
    return getattr(models, name)(weights=None)


@pytest.mark.parametrize("name", ["cnn", "deep_cnn", "squeezenet1_1", "mobilenet_v2", "resnet18"])
def test_short_passes_equal_whole_ones_in_logits_and_gradient(
    photos: Callable[..., Examples], name: str
) -> None:
    small = name in ("cnn", "deep_cnn")
    side = 64 if small else 160
    torch.manual_seed(0)
    network = small_network(name, 4, side) if small else torchvision_network(name)
    view = View(network).eval().requires_grad_(False)
    pixels = photos(3, side=side)["pixels"]
    pasted = PastedPhotos(view, pixels, 6)
    assert pasted.cut > 0 and pasted.needed < side, "there is something to leave out"
    strip = torch.rand(3, 6, side, generator=torch.Generator().manual_seed(1)).requires_grad_()
    indices = torch.tensor([2, 0])
    logits = pasted.logits(strip, indices)
    expected = whole(view, pixels[[2, 0]], strip)
    scale = float(expected.detach().abs().max())
    assert torch.allclose(logits, expected, atol=1e-4 * scale)
    weights = torch.randn(logits.shape, generator=torch.Generator().manual_seed(2))
    short = torch.autograd.grad((logits * weights).sum(), strip)[0]
    long = torch.autograd.grad((expected * weights).sum(), strip)[0]
    assert torch.allclose(short, long, atol=1e-3 * float(long.abs().max()))


def test_a_network_that_sees_everything_at_once_is_passed_whole(photos: Callable[..., Examples]) -> None:
    view = View(small_network("mlp", 4, 16)).eval()
    pixels = photos(3)["pixels"]
    pasted = PastedPhotos(view, pixels, 3)
    assert pasted.cut == 0
    strip = torch.rand(3, 3, 16)
    assert torch.allclose(pasted.logits(strip), whole(view, pixels, strip))


def test_a_layer_that_mixes_rows_is_found(photos: Callable[..., Examples]) -> None:
    class MixesRows(nn.Module):
        def forward(self, x: torch.Tensor) -> torch.Tensor:
            return x + x.mean(2, keepdim=True)

    features = nn.Sequential(nn.Conv2d(3, 4, 3, padding=1), MixesRows())
    head = nn.Sequential(nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(4, 4))
    view = View(SmallNetwork(features, head)).eval().requires_grad_(False)
    pixels = photos(3)["pixels"]
    pasted = PastedPhotos(view, pixels, 3)
    assert pasted.cut == 1
    strip = torch.rand(3, 3, 16)
    assert torch.allclose(pasted.logits(strip), whole(view, pixels, strip), atol=1e-5)


def test_whole_passes_serve_where_the_features_are_too_many(
    photos: Callable[..., Examples], monkeypatch: pytest.MonkeyPatch, small_view: View
) -> None:
    monkeypatch.setattr(reach, "LARGEST_CACHE", 100)
    pixels = photos(3, side=32)["pixels"]
    pasted = PastedPhotos(small_view, pixels, 3)
    assert pasted.cut == 0 and pasted.kept is None
    strip = torch.rand(3, 3, 32)
    assert torch.allclose(pasted.logits(strip), whole(small_view, pixels, strip), atol=1e-5)


def test_a_strip_of_another_shape_is_refused(photos: Callable[..., Examples], small_view: View) -> None:
    pasted = PastedPhotos(small_view, photos(3)["pixels"], 3)
    with pytest.raises(ValueError, match=r"expected \(3, 3, 16\)"):
        pasted.logits(torch.rand(3, 2, 16))
