"""Gradient boosting of what another forecast leaves: scikit-learn grows the trees, held-out windows choose start and number of trees.

F(x) = s(x) + sum_m f_m(x)   (Friedman 2001), s the mean of train, the last reading, or ridge regression.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from etudes.benches.hours import FloatArray, Windows
from etudes.benches.regressors import Trees, rmse
from etudes.models import register_model
from etudes.pipelines.air_quality.linear import Linear, Persistence
from etudes.pipelines.air_quality.parameters import BoostingParameters
from etudes.stored import Stored


@register_model("air_quality.boosting")
@dataclass
class Boosting(Stored):
    """Trees over a start, None for the mean, which the trees begin with by themselves."""

    start: Linear | Persistence | None
    trees: Trees

    def predict(self, windows: Windows) -> FloatArray:
        """PM2.5 at the horizon (N,), ug/m3."""
        return before(self.start, windows) + self.trees.predict(columns(windows))

    def stages(self, windows: Windows) -> Iterator[float]:
        """The root mean squared error on windows (ug/m3) after every tree."""
        start = before(self.start, windows)
        yield from (rmse(windows.target, start + found) for found in self.trees.staged(columns(windows)))


def before(start: Linear | Persistence | None, windows: Windows) -> FloatArray:
    """What a start answers (N,); nothing without one."""
    return np.zeros(len(windows)) if start is None else start.predict(windows)


def columns(windows: Windows) -> FloatArray:
    """What trees see (N, k D + 1): every reading, and the hour of the day."""
    return np.column_stack([windows.values.reshape(len(windows), -1), windows.hour])


def grow(
    windows: Windows, start: Linear | Persistence | None, trees: int, how: BoostingParameters, seed: int
) -> Boosting:
    """So many trees on what the start leaves of the windows' targets."""
    left = windows.target - before(start, windows)
    return Boosting(start, Trees.grow(columns(windows), left, trees, how, seed))
