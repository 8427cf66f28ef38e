"""Settings and pictures for the tests of this study; a new parameter needs no change here, its value is in conf."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from etudes.examples import Examples
from etudes.pipelines.anomaly_padim import fitting, images
from etudes.pipelines.anomaly_padim.backbone import train_backbone
from etudes.pipelines.anomaly_padim.parameters import Parameters
from etudes.samples.textures import raw_file
from etudes.training.parameters import RunParameters
from study_settings import run_parameters, settings_of

Settings = Callable[..., Any]


@pytest.fixture(scope="session")
def settings() -> Settings:
    """``settings("backbone", width=4)``: a group of the study's `test` parameters, changed."""
    return settings_of("anomaly_padim", Parameters)


@pytest.fixture(scope="session")
def run_settings() -> RunParameters:
    return run_parameters()


@pytest.fixture(scope="session")
def pictures(settings: Settings) -> tuple[Examples, Examples]:
    """The embedded sample as `test` has it: training and test pictures."""
    folder = raw_file("images", size=64, train=16, good=8, defective=4, seed=7)
    return images.ingest(folder, settings("images"))[:2]


class Fitted:
    """The outputs of the stages up to the importances, in one process and on tiny sizes."""

    def __init__(self, pictures: tuple[Examples, Examples], settings: Settings, run: RunParameters) -> None:
        self.settings, self.run = settings, run
        gaussian, maps, subsets = settings("gaussian"), settings("maps"), settings("subsets")
        self.train, self.dev, self.test, self.card = images.split(*pictures, settings("split"))
        self.backbone, _ = train_backbone(None, settings("backbone"), run)
        self.statistics, _ = fitting.fit_statistics(self.train, self.card, self.backbone, gaussian, run)
        self.network = (self.dev, self.backbone, self.statistics)
        importance = settings("importance")
        self.importance, _ = fitting.measure_importance(*self.network, gaussian, maps, importance, run)
        self.how = (gaussian, maps, subsets, run)

    def fit(self, name: str) -> tuple[Any, dict[str, Any]]:
        """A variant that looks through the network."""
        if name in ("best", "worst"):
            return fitting.fit_chosen(*self.network, self.importance, *self.how, best=name == "best")
        return fitting.fit_patches(*self.network, *self.how, of=name)  # type: ignore[arg-type]


@pytest.fixture(scope="session")
def fitted(pictures: tuple[Examples, Examples], settings: Settings, run_settings: RunParameters) -> Fitted:
    return Fitted(pictures, settings, run_settings)


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
