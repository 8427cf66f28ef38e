"""One evaluation for every regressor: the same rows, root mean squared errors, intervals that hold what neighbours share.

Errors of rows that lie close in time (hours of a day, advertisements of an employer) are alike, and a bootstrap over rows takes
them for independent. Here blocks of rows are drawn (Kuensch: Annals of Statistics 17, 1989; blocks that do not overlap, as Carlstein:
Annals of Statistics 14, 1986). All answers are scored on the same resamples, so that differences are paired.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Self

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from etudes.benches.parameters import TreesParameters
from etudes.evaluation import mean_interval
from etudes.evaluation.bootstrap import quantile_interval, resample_weights
from etudes.models import ModelState, register_model

FloatArray = NDArray[np.float64]
Score = tuple[float, dict[str, Any]]  # an error, and the setting that it is of
BOOSTER = "booster.skops"
# What stored trees may be made of, besides what skops trusts by itself; anything else in the file is refused.
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


def rmse(truth: FloatArray, answers: FloatArray) -> float:
    """sqrt(mean (y_i - f_i)^2) in the unit of both (N,).

    Raises:
        ValueError: shapes that are not (N,) or differ, or no rows: (N,) against (N, 1) would score N^2 pairs.
    """
    return float(np.sqrt(np.square(errors(truth, answers)).mean()))


def mae(truth: FloatArray, answers: FloatArray) -> float:
    """mean |y_i - f_i| in the unit of both (N,).

    Raises:
        ValueError: as `rmse`.
    """
    return float(np.abs(errors(truth, answers)).mean())


def errors(truth: FloatArray, answers: FloatArray) -> FloatArray:
    """y_i - f_i (N,).

    Raises:
        ValueError: shapes that are not (N,) or differ, or no rows.
    """
    if np.ndim(truth) != 1 or np.shape(truth) != np.shape(answers) or not len(truth):
        raise ValueError(
            f"truth and answers must both have the shape (N,) with N >= 1, found {np.shape(truth)} and {np.shape(answers)}"
        )
    return np.asarray(truth, dtype=np.float64) - np.asarray(answers, dtype=np.float64)


@dataclass(frozen=True)
class Scored:
    """A root mean squared error, or a difference of two, with its interval over blocks of rows."""

    value: float
    low: float
    high: float

    def flat(self, key: str) -> dict[str, float]:
        """As flat metrics under ``key``, ``key.low`` and ``key.high``."""
        return {key: self.value, f"{key}.low": self.low, f"{key}.high": self.high}


class BlockScores:
    """Root mean squared errors of several answers to the same rows, over resamples of whole blocks.

    Args:
        truth: (N,).
        answers: (N,) of each name.
        blocks: (N,) equal for rows that are drawn together, such as the number of their day.
        resamples: of the B blocks, with replacement; a resample's error is that of all its rows.
        seed: of the draws.

    Raises:
        ValueError: as `errors`; blocks of another shape, or fewer than two of them.
    """

    def __init__(
        self,
        truth: FloatArray,
        answers: Mapping[str, FloatArray],
        blocks: NDArray,
        resamples: int,
        seed: int = 0,
    ) -> None:
        squared = np.stack([np.square(errors(truth, found)) for found in answers.values()], axis=1)
        if np.shape(blocks) != np.shape(truth):
            raise ValueError(
                f"blocks must have the shape of the truth, found {np.shape(blocks)} and {np.shape(truth)}"
            )
        _, block = np.unique(blocks, return_inverse=True)
        counts = np.bincount(block)
        if len(counts) < 2:
            raise ValueError(
                "all rows are of one block, which says nothing of others; expected two blocks or more"
            )
        sums = np.stack([np.bincount(block, weights=column) for column in squared.T], axis=1)
        drawn = [
            np.sqrt(weights @ sums / (weights @ counts)[:, None])
            for weights in resample_weights(len(counts), resamples, seed)
        ]
        self.names = list(answers)
        self.found = np.sqrt(squared.mean(axis=0))
        self.drawn: FloatArray = np.concatenate(drawn)

    def rmse(self, name: str, level: float = 0.95) -> Scored:
        """The error of one, with its percentile interval."""
        place = self.names.index(name)
        return Scored(float(self.found[place]), *quantile_interval(self.drawn[:, place], level))

    def saved(self, name: str, against: str, level: float = 0.95) -> Scored:
        """How much less the error of ``name`` is than that of ``against``: positive where it is better."""
        a, b = self.names.index(name), self.names.index(against)
        less = self.drawn[:, b] - self.drawn[:, a]
        return Scored(float(self.found[b] - self.found[a]), *quantile_interval(less, level))

    def table(self, pairs: Sequence[tuple[str, str]]) -> pd.DataFrame:
        """`saved` of every pair whose answers are there: ``variant``, ``against``, ``saved``, ``saved.low``, ``saved.high``."""
        rows = [
            {"variant": a, "against": b, **self.saved(a, b).flat("saved")}
            for a, b in pairs
            if {a, b} <= {*self.names}
        ]
        return pd.DataFrame(rows, columns=["variant", "against", "saved", "saved.low", "saved.high"])

    @classmethod
    def by_day(
        cls,
        truth: FloatArray,
        answers: Mapping[str, FloatArray],
        times: NDArray,
        days: int,
        resamples: int,
        seed: int = 0,
    ) -> Self:
        """Blocks of so many calendar days, counted from the first; ``times`` (N,) are numpy datetimes."""
        number = np.asarray(times).astype("datetime64[D]").astype(np.int64)
        return cls(truth, answers, (number - number.min()) // days, resamples, seed)


def pooled(scored: Sequence[Sequence[Score]], rows: Sequence[int]) -> list[Score]:
    """The root mean squared error of each setting over all folds together.

    Args:
        scored: for each fold the errors of the same settings, in the same order.
        rows: how many rows were held out of each fold.
    """
    return [
        (float(np.sqrt(np.average([error**2 for error, _ in of_one], weights=rows))), of_one[0][1])
        for of_one in zip(*scored, strict=True)
    ]


def out_of_fold(
    fold: NDArray[np.int64], answer: Callable[[NDArray[np.bool_], NDArray[np.bool_]], FloatArray]
) -> FloatArray:
    """Answers (N,) or (N, K) to every row by what is fitted without its fold (N,).

    Args:
        fold: of each row.
        answer: of masks (N,) of the rows to fit and of the rows to answer, the answers to the latter in their order.
    """
    parts = {k: answer(fold != k, fold == k) for k in np.unique(fold)}
    found = np.empty((len(fold), *next(iter(parts.values())).shape[1:]))
    for k, part in parts.items():
        found[fold == k] = part
    return found


@register_model("regressors.trees")
class Trees:
    """Gradient-boosted trees of squared error; ``booster`` is a fitted `HistGradientBoostingRegressor`, stored with skops."""

    registered_name: str

    def __init__(self, booster: Any) -> None:
        self.booster = booster

    @classmethod
    def grow(
        cls, matrix: FloatArray, targets: FloatArray, trees: int, how: TreesParameters, seed: int
    ) -> Self:
        """So many trees, from (N, P) and (N,); nothing is held out of the rows."""
        from sklearn.ensemble import HistGradientBoostingRegressor

        booster = HistGradientBoostingRegressor(
            max_iter=trees,
            learning_rate=how.learning_rate,
            max_leaf_nodes=how.leaves,
            min_samples_leaf=how.min_leaf,
            max_features=how.feature_share,
            max_bins=how.bins,
            early_stopping=False,
            random_state=seed,
        )
        return cls(booster.fit(matrix, targets))

    def predict(self, matrix: FloatArray) -> FloatArray:
        """(N,)."""
        found: FloatArray = self.booster.predict(matrix)
        return found

    def staged(self, matrix: FloatArray) -> Iterator[FloatArray]:
        """The answers (N,) after every tree."""
        yield from self.booster.staged_predict(matrix)

    def state(self) -> ModelState:
        import skops.io

        return ModelState(blobs={BOOSTER: skops.io.dumps(self.booster)})

    @classmethod
    def from_state(cls, state: ModelState) -> Self:
        import skops.io

        return cls(skops.io.loads(state.blobs[BOOSTER], trusted=list(TRUSTED)))


def learning_curve(
    sizes: Sequence[int],
    rows: int,
    draws: int,
    errors_of: Callable[[NDArray[np.int64]], Mapping[str, float]],
    seed: int,
    what: str = "rows",
) -> pd.DataFrame:
    """Errors by number of training rows, means over draws.

    Args:
        sizes: numbers of rows; those that are not below ``rows`` are left out, and all rows are the last.
        rows: how many there are.
        draws: independent draws of so many; of all rows there is one.
        errors_of: the errors by name of what is fitted to the rows of these places.
        seed: of the draws.
        what: the column of sizes.

    Returns:
        ``what``, and for each name its mean error and Student's 95 % interval over draws (``<name>.low``, ``<name>.high``).
    """
    found = []
    for size in [*(size for size in sizes if size < rows), rows]:
        orders = (np.random.default_rng([seed, n]).permutation(rows)[:size] for n in range(draws))
        scored = pd.DataFrame([errors_of(part) for part in ([next(orders)] if size == rows else orders)])
        row: dict[str, float] = {what: size}
        for name in scored:
            ends = mean_interval(scored[name].to_numpy())
            row |= {
                str(name): ends["mean"],
                f"{name}.low": ends.get("low", math.nan),
                f"{name}.high": ends.get("high", math.nan),
            }
        found.append(row)
    return pd.DataFrame(found)
