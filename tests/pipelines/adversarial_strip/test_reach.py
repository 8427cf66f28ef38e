"""Passes that leave out what the strip cannot reach give the logits of the whole network."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from torch import nn

from attack_toys import photos
from etudes.pipelines.adversarial_strip import reach
from etudes.pipelines.adversarial_strip.reach import PastedPhotos
from etudes.vision.victims import SmallNetwork, View, intensities, small_network


def whole(view: nn.Module, pixels: np.ndarray, strip: torch.Tensor) -> torch.Tensor:
    inputs = intensities(pixels, "cpu")
    inputs = torch.cat([strip.expand(len(inputs), -1, -1, -1), inputs[:, :, strip.shape[1] :]], 2)
    return view(inputs)


@pytest.mark.parametrize("name", ["cnn", "deep_cnn", "squeezenet1_1", "mobilenet_v2", "resnet18"])
def test_short_passes_equal_whole_ones_in_logits_and_gradient(name: str) -> None:
    from torchvision import models

    small = name in ("cnn", "deep_cnn")
    side = 64 if small else 160
    torch.manual_seed(0)
    network = small_network(name, 4, side) if small else getattr(models, name)(weights=None)
    view = View(network).eval().requires_grad_(False)
    pixels = photos(3, side=side)["pixels"]
    pasted = PastedPhotos(view, pixels, 6)
    assert pasted.cut > 0 and pasted.below.shape[2] < side - 6, "there is something to leave out"
    strip = torch.rand(3, 6, side, generator=torch.Generator().manual_seed(1)).requires_grad_()
    logits = pasted.logits(strip, torch.tensor([2, 0]))
    expected = whole(view, pixels[[2, 0]], strip)
    assert torch.allclose(logits, expected, atol=1e-4 * float(expected.detach().abs().max()))
    weights = torch.randn(logits.shape, generator=torch.Generator().manual_seed(2))
    short, long = (torch.autograd.grad((z * weights).sum(), strip)[0] for z in (logits, expected))
    assert torch.allclose(short, long, atol=1e-3 * float(long.abs().max()))


class MixesRows(nn.Module):
    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return x + x.mean(2, keepdim=True)


@pytest.mark.parametrize(
    "kind", ["mixed after one layer", "sees all at once", "too many features", "resized"]
)
def test_what_cannot_be_left_out_is_computed(kind: str, monkeypatch: pytest.MonkeyPatch) -> None:
    network: nn.Module = small_network("mlp" if kind == "sees all at once" else "cnn", 4, 16)
    if kind == "mixed after one layer":
        head = nn.Sequential(nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(4, 4))
        network = SmallNetwork(nn.Sequential(nn.Conv2d(3, 4, 3, padding=1), MixesRows()), head)
    if kind == "too many features":
        monkeypatch.setattr(reach, "LARGEST_CACHE", 100)
    view = View(network, 32 if kind == "resized" else None).eval().requires_grad_(False)
    pixels, strip = photos(3)["pixels"], torch.rand(3, 3, 16)
    pasted = PastedPhotos(view, pixels, 3)
    assert pasted.cut == (kind == "mixed after one layer")
    assert torch.allclose(pasted.logits(strip), whole(view, pixels, strip), atol=1e-5)
