"""Photos and networks of which a test knows what they show and answer."""

from __future__ import annotations

import numpy as np
import pandas as pd
import torch
from torch import Tensor, nn

from etudes.examples import Examples
from etudes.vision.victims import Victims, small_network

SIDE = 16


def photos(count: int, classes: int = 4, seed: int = 0, side: int = SIDE) -> Examples:
    """Noise with a bright square whose place is the class; class 1 is related to the target."""
    generator = np.random.default_rng(seed)
    labels = np.arange(count) % classes
    pixels = generator.integers(0, 120, size=(count, side, side, 3), dtype=np.uint8)
    for picture, label in zip(pixels, labels, strict=True):
        top, left = 4 + 6 * (label // 2), 1 + 8 * (label % 2)
        picture[top : top + 5, left : left + 6] = 250
    rows = pd.DataFrame(
        {
            "id": [f"{label}_class{label}_{n}.png" for n, label in enumerate(labels)],
            "label": labels.astype(np.int64),
            "name": [f"class{label}" for label in labels],
            "related": labels == 1,
        }
    )
    return Examples(rows, {"pixels": pixels})


def untrained_victims(*names: str) -> Victims:
    """Views of an untrained network whose weights do not change from run to run."""
    torch.manual_seed(0)
    card = {"classes": 4, "side": SIDE, "fingerprints": {"cnn": "cafe"}}
    return Victims(names or ("cnn", "cnn@32"), {"cnn": small_network("cnn", 4, SIDE)}, card)


class Brightness(nn.Module):
    """Answers class 1 for photos whose top row is bright and class 0 for others; what it does is known exactly."""

    side = None

    def forward(self, pictures: Tensor) -> Tensor:
        bright = pictures[:, :, 0].mean((1, 2))
        return torch.stack([torch.zeros_like(bright), 10 * (bright - 0.5)], 1)


class Blind(nn.Module):
    """Always answers class 0."""

    def forward(self, pictures: Tensor) -> Tensor:
        return torch.tensor([[1.0, 0.0]]).expand(len(pictures), 2)


class StubVictims:
    """Stands for `Victims` with views that the test knows."""

    def __init__(self, **views: nn.Module) -> None:
        self.views, self.names, self.victim = views, list(views), next(iter(views))

    def view(self, name: str) -> nn.Module:
        return self.views[name]

    def fingerprint(self, name: str) -> str:
        return f"weights of {name}"
