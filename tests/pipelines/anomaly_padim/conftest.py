"""Settings and pictures for the tests of this study; a new parameter needs no change here, its value is in conf."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from etudes.forms.raw import RawFolder
from etudes.models import load_model, save_model
from etudes.pipelines.anomaly_padim import nodes
from etudes.pipelines.anomaly_padim.parameters import Parameters
from etudes.samples.textures import raw_file
from etudes.training.parameters import RunParameters
from study_settings import run_parameters, settings_of

STUDY = "anomaly_padim"
Settings = Callable[..., Any]


@pytest.fixture(scope="session")
def settings() -> Settings:
    """``settings("backbone", width=4)``: a group of the study's `test` parameters, changed."""
    return settings_of(STUDY, Parameters)


@pytest.fixture(scope="session")
def run_settings() -> RunParameters:
    return run_parameters()


@pytest.fixture(scope="session")
def folder() -> RawFolder:
    """The embedded sample as `test` has it."""
    return raw_file("images", size=64, train=16, good=8, defective=4, seed=7)


class Fitted:
    """The outputs of the stages up to training, in one process and on tiny sizes."""

    def __init__(self, folder: RawFolder, settings: Settings, run: RunParameters) -> None:
        self.settings, self.run = settings, run
        gaussian, maps, subsets = settings("gaussian"), settings("maps"), settings("subsets")
        self.train_images, self.test_images, self.data_card = nodes.ingest(folder, settings("images"))
        splits = nodes.split(self.train_images, self.test_images, settings("split"))
        self.train, self.dev, self.test, self.card = splits
        self.backbone, self.backbone_history = nodes.train_backbone(None, settings("backbone"), run)
        self.statistics, self.statistics_history = nodes.train_statistics(
            self.train, self.card, self.backbone, gaussian, run
        )
        self.importance, self.importance_history = nodes.train_importance(
            self.dev, self.card, self.backbone, self.statistics, gaussian, maps, settings("importance"), run
        )
        network = (self.dev, self.backbone, self.statistics)
        trained = {
            "mean_image": nodes.train_mean_image(self.train, self.dev, self.card, gaussian, maps, run),
            "padim": nodes.train_padim(*network, gaussian, maps, run),
            "pca": nodes.train_pca(*network, gaussian, maps, subsets, run),
            "random": nodes.train_random(*network, gaussian, maps, subsets, run),
            "best": nodes.train_best(*network, self.importance, gaussian, maps, subsets, run),
            "worst": nodes.train_worst(*network, self.importance, gaussian, maps, subsets, run),
        }
        self.models = {name: model for name, (model, _) in trained.items()}
        self.histories = {name: history for name, (_, history) in trained.items()}

    def evaluated(self, **models: Any) -> tuple[Any, ...]:
        """The outputs of `evaluate` for all variants, or for those given."""
        groups = [self.settings(name) for name in ("gaussian", "maps", "importance", "subsets", "evaluation")]
        return nodes.evaluate(
            self.test,
            self.dev,
            self.card,
            self.backbone,
            self.statistics,
            self.importance,
            *groups,
            self.run,
            **(models or self.models),
        )


@pytest.fixture(scope="session")
def fitted(folder: RawFolder, settings: Settings, run_settings: RunParameters) -> Fitted:
    return Fitted(folder, settings, run_settings)


@pytest.fixture(scope="session")
def evaluated(fitted: Fitted) -> tuple[Any, ...]:
    return fitted.evaluated()


@pytest.fixture
def reloaded(tmp_path: Path) -> Callable[[Any], Any]:
    """``reloaded(model)``: the model written to a folder and read again."""

    def save_and_load(model: Any) -> Any:
        save_model(model, tmp_path / "model")
        return load_model(tmp_path / "model")

    return save_and_load


@pytest.fixture(scope="session")
def made_vectors() -> Callable[..., np.ndarray]:
    """``made_vectors(40, 5, 6)``: N correlated vectors of C channels at P positions, (N, C, P), float32."""

    def build(n: int, channels: int, positions: int, seed: int = 0) -> np.ndarray:
        generator = np.random.default_rng(seed)
        mix = generator.normal(size=(positions, channels, channels))
        offset = generator.normal(size=(positions, channels)) * 5
        raw = generator.normal(size=(n, positions, channels))
        return (np.einsum("npc,pcd->ndp", raw, mix) + offset.T[None]).astype(np.float32)

    return build
