"""The variants of the study. Importing this module registers every class that a model file may name.

A variant is a `Forecaster`: a rule for each place and horizon. At the station a setting is chosen by cross-validation over whole months of
train and dev, in the city, where there are years, by fitting train and scoring dev. The rule that is kept is then fitted with
it to train and dev together, so that the test is that of the original's months. It is so for all variants, those without a setting too.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import pandas as pd

from etudes.benches.forecasts import Course, Forecaster, Pairs, Setting, crossed, plain
from etudes.benches.hours import Windows
from etudes.benches.regressors import Score, rmse
from etudes.pipelines.air_quality.boosting import Boosting, grow
from etudes.pipelines.air_quality.linear import (
    Linear,
    Persistence,
    Problem,
    closed_form,
    descend,
    ridge_path,
)
from etudes.pipelines.air_quality.parameters import (
    BoostingParameters,
    DescentParameters,
    RidgeParameters,
    WindowParameters,
)
from etudes.pipelines.air_quality.windows import PLACES, STATION, UNTREATED
from etudes.training.parameters import RunParameters
from etudes.training.seeds import derive_seed

__all__ = ["Boosting", "Linear", "Persistence"]
Frame = pd.DataFrame


def tasks(windows: WindowParameters) -> list[tuple[str, int]]:
    """Places and horizons; the untreated readings at the first horizon alone, where the original's number stands."""
    return [(p, h) for p in PLACES for h in windows.horizons if p != UNTREATED or h == windows.horizons[0]]


def course(train: Frame, dev: Frame, windows: WindowParameters) -> Course:
    """What all variants learn from."""
    return Course(train, dev, tasks(windows), windows.hours, (STATION, UNTREATED), "pm25_rmse", "pm25")


def train_persistence(
    train_split: Frame, dev_split: Frame, windows: WindowParameters
) -> tuple[Forecaster, dict[str, Any]]:
    """PM2.5 stays what it is: the trivial baseline."""
    return course(train_split, dev_split, windows).learn_plain(lambda rows: Persistence())


def train_ols(
    train_split: Frame, dev_split: Frame, windows: WindowParameters
) -> tuple[Forecaster, dict[str, Any]]:
    """Least squares in closed form on every reading of the window, as the original's."""

    return course(train_split, dev_split, windows).learn_plain(least_squares)


def least_squares(rows: Windows) -> Linear:
    """The closed form on every reading of the windows."""
    problem = Problem.of(rows, "all")
    return problem.model(closed_form(problem))


def train_descent(
    train_split: Frame,
    dev_split: Frame,
    windows: WindowParameters,
    descent: DescentParameters,
    scheme: str = "all",
) -> tuple[Forecaster, dict[str, Any]]:
    """Least squares by gradient descent in one scheme; ``chosen`` says how far it ended from the closed form.

    ``distance`` is the largest difference of two weights or of two answers to the windows it was fitted to, in ug/m3,
    ``equal_decimals`` minus its logarithm. ``epochs`` has the loss above the least one by step, with momentum and without.
    """

    def fit(rows: Windows) -> Linear:
        problem = Problem.of(rows, scheme)
        return problem.model(descend(problem, descent.tolerance, descent.steps).weights)

    def refit(both: Windows, setting: Setting) -> tuple[Linear, Setting]:
        problem = Problem.of(both, scheme)
        found, exact = descend(problem, descent.tolerance, descent.steps), closed_form(problem)
        apart = found.weights - exact
        distance = float(max(np.abs(apart).max(), np.abs(problem.matrix @ apart).max()))
        told = {
            "columns": len(exact),
            "condition": found.condition,
            "steps": found.steps,
            "distance": distance,
            "equal_decimals": float(-np.log10(max(distance, 1e-16))),
        }
        least = problem.loss(exact)
        plain = descend(problem, descent.tolerance, found.steps, momentum=False)
        told["plain_excess"] = plain.path[-1][1] / least - 1
        epochs = [
            {"step": float(step), "momentum": float(way), "excess_loss": loss / least - 1}
            for way, path in ((1, found.path), (0, plain.path))
            for step, loss in path
            if step
        ]
        return problem.model(found.weights), {**told, "epochs": epochs}

    return course(train_split, dev_split, windows).learn(plain(fit), refit)


def score_ridge(train: Windows, held: Windows, ridge: RidgeParameters) -> list[Score]:
    """The errors of every scheme, start and penalty."""
    found = []
    for scheme in ridge.schemes:
        for start in ridge.starts:
            problem = Problem.of(train, scheme, start)
            for penalty, weights in zip(ridge.penalties, ridge_path(problem, ridge.penalties), strict=True):
                score = rmse(held.target, problem.model(weights).predict(held))
                found.append((score, {"scheme": scheme, "start": start, "penalty": penalty}))
    return found


def fit_ridge(rows: Windows, scheme: str, start: str, penalty: float) -> Linear:
    """Ridge regression with one setting."""
    problem = Problem.of(rows, scheme, start)
    return problem.model(ridge_path(problem, [penalty])[0])


def train_ridge(
    train_split: Frame, dev_split: Frame, windows: WindowParameters, ridge: RidgeParameters
) -> tuple[Forecaster, dict[str, Any]]:
    """Ridge regression; dev chooses the scheme, what it is pulled towards, and how much."""
    return course(train_split, dev_split, windows).learn(
        lambda pairs: crossed(pairs, lambda train, held: score_ridge(train, held, ridge)),
        lambda both, setting: (fit_ridge(both, **setting), {}),
    )


def train_boosting(
    train_split: Frame,
    dev_split: Frame,
    windows: WindowParameters,
    ridge: RidgeParameters,
    boosting: BoostingParameters,
    run: RunParameters,
) -> tuple[Forecaster, dict[str, Any]]:
    """Boosted trees on what a start leaves; dev chooses the start and how many trees are kept."""
    seed = derive_seed(run.seed, "boosting")

    def start_of(name: str, rows: Windows, setting: Mapping[str, Any]) -> Linear | Persistence | None:
        if name == "ridge":
            return fit_ridge(rows, **setting)
        return Persistence() if name == "persistence" else None

    def candidates(pairs: Pairs) -> list[Score]:
        linear = crossed(pairs, lambda train, held: score_ridge(train, held, ridge))
        best = min(linear, key=lambda found: found[0])[1]

        def score(train: Windows, held: Windows) -> list[Score]:
            found = []
            for name in boosting.starts:
                model = grow(train, start_of(name, train, best), boosting.trees, boosting, seed)
                for trees, error in enumerate(model.stages(held), start=1):
                    found.append((error, {"start": name, "trees": trees, "ridge": best}))
            return found

        return crossed(pairs, score)

    def refit(both: Windows, setting: Setting) -> tuple[Boosting, Setting]:
        start = start_of(setting["start"], both, setting["ridge"])
        return grow(both, start, setting["trees"], boosting, seed), {}

    return course(train_split, dev_split, windows).learn(candidates, refit)
