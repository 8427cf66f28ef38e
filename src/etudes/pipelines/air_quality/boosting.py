"""Gradient boosting of what another forecast leaves: scikit-learn grows the trees, dev chooses start and number of trees.

F(x) = s(x) + sum_m f_m(x)   (Friedman 2001), s the mean of train, the last reading, or ridge regression.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, Self

import numpy as np

from etudes.benches.regressors import rmse
from etudes.models import ModelState, register_model
from etudes.pipelines.air_quality.linear import Linear, Persistence
from etudes.pipelines.air_quality.parameters import BoostingParameters
from etudes.pipelines.air_quality.windows import FloatArray, Windows

BOOSTER = "booster.skops"
# What a stored booster may be made of, besides what skops trusts by itself; anything else in the file is refused.
TRUSTED = (
    "functools.partial",  # of `check_array` alone: a partial of anything else names a type that is not here
    "sklearn._loss._loss.CyHalfSquaredError",
    "sklearn._loss.link.IdentityLink",
    "sklearn._loss.link.Interval",
    "sklearn._loss.loss.HalfSquaredError",
    "sklearn.ensemble._hist_gradient_boosting.binning._BinMapper",
    "sklearn.ensemble._hist_gradient_boosting.predictor.TreePredictor",
    "sklearn.utils.validation.check_array",
)


@register_model("air_quality.boosting")
class Boosting:
    """Trees over a start; ``booster`` is a fitted `HistGradientBoostingRegressor`, ``start`` None for the mean."""

    registered_name: str

    def __init__(self, start: Linear | Persistence | None, booster: Any) -> None:
        self.start, self.booster = start, booster

    def predict(self, windows: Windows) -> FloatArray:
        """PM2.5 at the horizon (N,), ug/m3."""
        found: FloatArray = _before(self.start, windows) + self.booster.predict(columns(windows))
        return found

    def state(self) -> ModelState:
        import skops.io

        state = ModelState({"start": None}, blobs={BOOSTER: skops.io.dumps(self.booster)})
        if self.start is not None:
            state.nest("start", self.start.state())
            state.config["class"] = self.start.registered_name
        return state

    @classmethod
    def from_state(cls, state: ModelState) -> Self:
        import skops.io

        from etudes.models import registered_class

        booster = skops.io.loads(state.blobs[BOOSTER], trusted=list(TRUSTED))
        if state.config["start"] is None:
            return cls(None, booster)
        start: Any = registered_class(state.config["class"]).from_state(state.nested("start"))
        return cls(start, booster)


def columns(windows: Windows) -> FloatArray:
    """What trees see (N, k D + 1): every reading, and the hour of the day."""
    return np.column_stack([windows.values.reshape(len(windows), -1), windows.hour])


def _before(start: Linear | Persistence | None, windows: Windows) -> FloatArray:
    return np.zeros(len(windows)) if start is None else start.predict(windows)


def grow(
    windows: Windows, start: Linear | Persistence | None, trees: int, how: BoostingParameters, seed: int
) -> Boosting:
    """So many trees on what the start leaves of the windows' targets."""
    from sklearn.ensemble import HistGradientBoostingRegressor

    booster = HistGradientBoostingRegressor(
        max_iter=trees,
        learning_rate=how.learning_rate,
        max_leaf_nodes=how.leaves,
        min_samples_leaf=how.min_leaf,
        max_features=how.feature_share,
        max_bins=how.bins,
        early_stopping=False,  # it would cut a part of its own from train, in the middle of a day; dev serves
        random_state=seed,
    )
    return Boosting(start, booster.fit(columns(windows), windows.target - _before(start, windows)))


def stages(model: Boosting, windows: Windows) -> Iterator[float]:
    """The root mean squared error on windows (ug/m3) after every tree."""
    before = _before(model.start, windows)
    for found in model.booster.staged_predict(columns(windows)):
        yield rmse(windows.target, before + found)
