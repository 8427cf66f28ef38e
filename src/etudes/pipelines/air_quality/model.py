"""The variants of the study, and the model that answers users. Importing this module registers every class that a model file may name.

A variant is a `Forecaster`: a rule for each place and horizon. At the station a setting is chosen by cross-validation over whole months of
train and dev, in the city, where there are years, by fitting train and scoring dev. The rule that is kept is then fitted with
it to train and dev together, so that the test is that of the original's months. It is so for all variants, those without a setting too.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd

from etudes.benches.regressors import rmse
from etudes.models import register_model
from etudes.pipelines.air_quality.boosting import Boosting, grow, stages
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
from etudes.pipelines.air_quality.windows import CITY, PLACES, UNTREATED, Windows, cut, latest, of_place
from etudes.serving.predictor import Column, Predictor
from etudes.stored import Stored
from etudes.training.parameters import RunParameters
from etudes.training.seeds import derive_seed

__all__ = ["AirPredictor", "Boosting", "Forecaster", "Linear", "Persistence"]
Frame = pd.DataFrame
Setting = dict[str, Any]
Pairs = list[tuple[Windows, Windows]]  # what a setting is tried on: train, and what is held out of it
Score = tuple[float, Setting]  # the error of a setting on all that is held out, ug/m3
Candidates = Callable[[Pairs], list[Score]]
Refit = Callable[[Windows, Setting], tuple[Any, Setting]]  # a rule, and what is said of how it was fitted


@register_model("air_quality.forecaster")
@dataclass
class Forecaster(Stored):
    """``rules`` by task, ``<place>/<horizon>``; each has ``predict(windows) -> (N,)``. ``hours`` of a window."""

    rules: dict[str, Any]
    hours: int

    def predict(self, windows: Windows, place: str, horizon: int) -> np.ndarray:
        """PM2.5 of a place so many hours ahead (N,), ug/m3."""
        found: np.ndarray = self.rules[f"{place}/{horizon}"].predict(windows)
        return found


def tasks(windows: WindowParameters) -> list[tuple[str, int]]:
    """Places and horizons; the untreated readings at the first horizon alone, where the original's number stands."""
    return [(p, h) for p in PLACES for h in windows.horizons if p != UNTREATED or h == windows.horizons[0]]


def learn(
    train_split: Frame, dev_split: Frame, windows: WindowParameters, candidates: Candidates, refit: Refit
) -> tuple[Forecaster, dict[str, Any]]:
    """One variant on all tasks.

    Returns:
        The forecaster; and a history with the errors on what was held out (``pm25_rmse`` of the station at the first horizon, and of every task by its name),
        what was ``chosen`` for each task, and ``epochs`` where the refit of the first task gives any.
    """
    rules, chosen, dev_scores = {}, {}, {}
    epochs: list[dict[str, float]] = []
    for place, horizon in tasks(windows):
        name = f"{place}/{horizon}"
        parts = [of_place(frame, place) for frame in (train_split, dev_split)]
        whole = pd.concat(parts, ignore_index=True).sort_values("time", ignore_index=True)
        pairs = [
            (cut(rest, windows.hours, horizon), cut(held, windows.hours, horizon))
            for rest, held in ([parts] if place == CITY else folds(whole, parts[1]))
        ]
        dev_scores[name], setting = min(candidates(pairs), key=lambda found: found[0])
        rules[name], told = refit(cut(whole, windows.hours, horizon), setting)
        curve = told.pop("epochs", [])
        epochs = epochs or curve
        chosen[name] = {**setting, **told}
    history = {"dev": {"pm25_rmse": next(iter(dev_scores.values())), **dev_scores}, "chosen": chosen}
    return Forecaster(rules, windows.hours), {**history, "epochs": epochs}


def folds(whole: Frame, dev: Frame) -> list[tuple[Frame, Frame]]:
    """Whole months of train and dev dealt out in turn, as many to a fold as dev has, each fold held out once: its rest, and it."""
    month = whole["time"].dt.month
    learned = sorted(month.unique())
    count = max(2, len(learned) // dev["time"].dt.month.nunique())
    fold = month.map({of: place % count for place, of in enumerate(learned)})
    return [(whole[fold != k], whole[fold == k]) for k in range(count)]


def crossed(pairs: Pairs, score: Callable[[Windows, Windows], list[Score]]) -> list[Score]:
    """The errors of the same settings on all pairs together: roots of the mean squares over all that is held out."""
    scored = [score(train, held) for train, held in pairs]
    counts = [len(held) for _, held in pairs]
    return [
        (float(np.sqrt(np.average([found[0] ** 2 for found in of_one], weights=counts))), of_one[0][1])
        for of_one in zip(*scored, strict=True)
    ]


def plain(fit: Callable[[Windows], Any]) -> Candidates:
    """The one candidate of a variant that has no setting."""
    return lambda pairs: crossed(
        pairs, lambda train, held: [(rmse(held.target, fit(train).predict(held)), {})]
    )


def train_persistence(
    train_split: Frame, dev_split: Frame, windows: WindowParameters
) -> tuple[Forecaster, dict[str, Any]]:
    """PM2.5 stays what it is: the trivial baseline."""
    rule = Persistence()
    return learn(
        *(train_split, dev_split, windows),
        plain(lambda rows: rule),
        lambda both, setting: (rule, {}),
    )


def train_ols(
    train_split: Frame, dev_split: Frame, windows: WindowParameters
) -> tuple[Forecaster, dict[str, Any]]:
    """Least squares in closed form on every reading of the window, as the original's."""

    def fit(rows: Windows) -> Linear:
        problem = Problem.of(rows, "all")
        return problem.model(closed_form(problem))

    return learn(
        *(train_split, dev_split, windows),
        plain(fit),
        lambda both, setting: (fit(both), {}),
    )


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

    return learn(train_split, dev_split, windows, plain(fit), refit)


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
    return learn(
        *(train_split, dev_split, windows),
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
                for trees, error in enumerate(stages(model, held), start=1):
                    found.append((error, {"start": name, "trees": trees, "ridge": best}))
            return found

        return crossed(pairs, score)

    def refit(both: Windows, setting: Setting) -> tuple[Boosting, Setting]:
        start = start_of(setting["start"], both, setting["ridge"])
        return grow(both, start, setting["trees"], boosting, seed), {}

    return learn(train_split, dev_split, windows, candidates, refit)


@register_model("air_quality.predictor")
class AirPredictor(Predictor):
    """The chosen variant behind a table of consecutive hours at the station: ``hour`` of the day, and the measurements.

    Every hour from the k-th on is answered, the first ones, before which too little is known, are not.
    """

    split_card: dict[str, Any]

    @property
    def columns(self) -> tuple[Column, ...]:
        from etudes.pipelines.air_quality.hours import BELOW_ZERO

        k = self.model.hours
        pairs = zip(self.split_card["measurements"], self.split_card["train_medians"], strict=True)
        return (
            Column("hour", "whole", low=0, high=23, about="hour of the day", examples=tuple(range(k))),
            *(
                Column(name, "number", low=-90 if name in BELOW_ZERO else 0, examples=(max(middle, 0.0),) * k)
                for name, middle in pairs
            ),
        )

    def answer(self, frame: Frame) -> Frame:
        """``pm25_in_<h>_h`` (ug/m3) for each horizon h; NaN where fewer than k hours are known.

        Raises:
            ValueError: fewer than k rows, or an hour that does not follow that before it.
        """
        k, hour = self.model.hours, frame["hour"].to_numpy()
        if len(frame) < k:
            raise ValueError(f"found {len(frame)} hours; expected {k} consecutive ones or more")
        wrong = np.flatnonzero((np.diff(hour) - 1) % 24)
        if len(wrong):
            row = int(wrong[0]) + 1
            raise ValueError(
                f"hour in row {row} is {hour[row]} after {hour[row - 1]}; expected consecutive hours, nothing is filled in"
            )
        windows = latest(frame.drop(columns="hour"), hour, k)
        found = {}
        for task in self.model.rules:
            place, _, horizon = task.partition("/")
            if place == PLACES[0]:
                known = np.maximum(self.model.predict(windows, place, int(horizon)), 0.0)
                found[f"pm25_in_{horizon}_h"] = np.concatenate([np.full(k - 1, np.nan), known])
        return pd.DataFrame(found)

    def describe(self, answer: Frame) -> str:
        """The forecasts after the last hour, a line for each horizon."""
        last = answer.iloc[-1]
        return "\n".join(
            f"PM2.5 in {str(name).split('_')[2]} h: {value:.1f} ug/m3" for name, value in last.items()
        )
