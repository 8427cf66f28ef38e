"""Settings, photos and networks for the tests of this study; values come from conf, so a new one needs no change here."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import torch
from etudes.pipelines.adversarial_strip.networks import Networks, View, small_network
from torch import Tensor, nn

from etudes.examples import Examples
from etudes.forms.pictures import png_bytes
from etudes.forms.raw import RawFolder
from etudes.models import load_model, save_model
from etudes.pipelines.adversarial_strip.parameters import Parameters
from etudes.training.parameters import RunParameters
from study_settings import run_parameters, settings_of

SIDE = 16
Settings = Callable[..., Any]


@pytest.fixture(scope="session")
def settings() -> Settings:
    """``settings("attack", learning={"iterations": 3})``: a group of the study's `test` parameters, changed."""
    return settings_of("adversarial_strip", Parameters)


@pytest.fixture(scope="session")
def run_settings() -> Callable[..., RunParameters]:
    """``run_settings(seed=1)``: the shared parameters, on the CPU, changed."""
    return run_parameters


class Brightness(nn.Module):
    """Answers class 1 for photos whose top row is bright and class 0 for others; what it does is known exactly."""

    def forward(self, photos: Tensor) -> Tensor:
        bright = photos[:, :, 0].mean((1, 2))
        return torch.stack([torch.zeros_like(bright), 10 * (bright - 0.5)], 1)


class Raw(nn.Module):
    """A view without standardisation, for networks of the tests."""

    def __init__(self, network: nn.Module) -> None:
        super().__init__()
        self.network, self.side = network, None

    def forward(self, photos: Tensor) -> Tensor:
        return self.network(photos)


class StubNetworks:
    """Stands for `Networks` with views that the test knows."""

    def __init__(self, views: dict[str, nn.Module]) -> None:
        self.views, self.names, self.victim = views, list(views), next(iter(views))

    def view(self, name: str) -> nn.Module:
        return self.views[name]

    def fingerprint(self, name: str) -> str:
        return f"weights of {name}"


@pytest.fixture
def bright_networks() -> StubNetworks:
    """Two networks: one looks at the top row, the other at nothing and always answers class 0."""

    class Constant(nn.Module):
        def forward(self, photos: Tensor) -> Tensor:
            return torch.tensor([[1.0, 0.0]]).expand(len(photos), 2)

    return StubNetworks({"top": Raw(Brightness()), "blind": Raw(Constant())})


@pytest.fixture(scope="session")
def photos() -> Callable[..., Examples]:
    """``photos(40, classes=4)``: noise with a bright square whose place is its class."""

    def build(count: int, classes: int = 4, seed: int = 0, side: int = SIDE) -> Examples:
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

    return build


@pytest.fixture(scope="session")
def small_view() -> View:
    """An untrained network with weights that do not change from run to run."""
    torch.manual_seed(0)
    return View(small_network("cnn", 4, SIDE)).eval().requires_grad_(False)


@pytest.fixture
def networks(small_view: View) -> Networks:
    card = {"classes": 4, "side": SIDE, "fingerprints": {"cnn": "cafe"}}
    return Networks(["cnn", "cnn@32"], {"cnn": small_view.network}, card)


@pytest.fixture
def folder() -> Callable[..., RawFolder]:
    """``folder(["1_cat_1.png", ...])``: a folder of pictures of 16 x 16 pixels with these names, all different."""

    def build(names: list[str]) -> RawFolder:
        generator = np.random.default_rng(0)
        entries = {
            name: png_bytes(generator.integers(0, 256, size=(SIDE, SIDE, 3), dtype=np.uint8))
            for name in names
        }
        return RawFolder("photos", entries, {"embedded_sample": False, "source": "own data"})

    return build


@pytest.fixture
def reloaded(tmp_path: Path) -> Callable[[Any], Any]:
    """``reloaded(model)``: the model written to a folder and read again."""

    def save_and_load(model: Any) -> Any:
        save_model(model, tmp_path / "model")
        return load_model(tmp_path / "model")

    return save_and_load
