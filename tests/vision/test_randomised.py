"""Networks that forget layer by layer, and pictures grown for a channel."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import nn

from etudes.vision.excited import excite
from etudes.vision.randomised import cascade
from etudes.vision.victims import View, small_network


def test_a_cascade_randomises_from_the_last_layer_and_keeps_the_weights() -> None:
    torch.manual_seed(0)
    view = View(small_network("deep_cnn", 3, 24)).eval().requires_grad_(False)
    before = {name: value.clone() for name, value in view.named_parameters()}
    moved = []
    for count, randomised in cascade(view, 2, 0):
        now = dict(randomised.named_parameters())
        assert all(
            torch.equal(now[name].flatten().sort()[0], before[name].flatten().sort()[0]) for name in now
        )
        moved.append((count, {name for name in now if not torch.equal(now[name], before[name])}))
    assert [count for count, _ in moved] == [0, 1, 6, 13]
    assert moved[0][1] == set() and all("head" in name for name in moved[1][1])
    assert "network.features.0.weight" not in moved[2][1] and "network.features.0.weight" in moved[3][1]
    assert all(torch.equal(value, before[name]) for name, value in view.named_parameters())


@dataclass
class Growth:
    steps: int = 60
    rate: float = 0.3
    shift: int = 1
    roughness: float = 0.0


def test_a_grown_picture_has_what_its_channel_looks_for() -> None:
    """A channel that is the red of its picture less the green is driven to full red and no green."""
    layer = nn.Conv2d(3, 1, 1)
    layer.weight.data = torch.tensor([1.0, -1.0, 0.0]).view(1, 3, 1, 1)
    how = Growth(roughness=0.0)
    found = excite(
        nn.Sequential(layer), torch.tensor([0]), torch.ones(1), 12, how, torch.Generator().manual_seed(0)
    )[0]
    assert found[0].min() > 0.9 and found[1].max() < 0.1 and found[2].std() > 0.02
    rough = excite(
        nn.Sequential(layer),
        torch.tensor([0]),
        torch.ones(1),
        12,
        Growth(roughness=50.0),
        torch.Generator().manual_seed(0),
    )[0]
    assert rough.diff(dim=2).abs().mean() < found.diff(dim=2).abs().mean()
