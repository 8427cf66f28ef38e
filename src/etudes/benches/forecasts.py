"""Forecasts of hourly readings: one rule for each place and hours ahead, its setting chosen on hours that were held out.

A split is a table of hours of all places below each other, with the column ``place``. A task is a place and how many hours ahead.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd

from etudes.benches.hours import Windows, cut, month_folds
from etudes.benches.regressors import Score, out_of_fold, pooled, rmse
from etudes.models import register_model
from etudes.stored import Stored

Frame = pd.DataFrame
Setting = dict[str, Any]
Pairs = list[tuple[Windows, Windows]]  # what a setting is tried on: train, and what is held out of it
Candidates = Callable[[Pairs], list[Score]]
Refit = Callable[[Windows, Setting], tuple[Any, Setting]]  # a rule, and what is said of how it was fitted


@register_model("hours.forecaster")
@dataclass
class Forecaster(Stored):
    """``rules`` by task, ``<place>/<hours ahead>``, each with ``predict(windows) -> (N,)``; ``hours`` of a window; ``told``, the
    place whose forecasts a user is told, and ``unit``, their name."""

    rules: dict[str, Any]
    hours: int
    told: str
    unit: str

    def predict(self, windows: Windows, place: str, horizon: int) -> np.ndarray:
        """The target of a place so many hours ahead (N,)."""
        found: np.ndarray = self.rules[f"{place}/{horizon}"].predict(windows)
        return found

    def forecasts(self, windows: Windows) -> dict[str, np.ndarray]:
        """What a user is told: ``<unit>_in_<h>_h`` (N,) for each task of that place, never below 0."""
        tasks = (name.split("/") for name in self.rules)
        return {
            f"{self.unit}_in_{h}_h": np.maximum(self.predict(windows, place, int(h)), 0.0)
            for place, h in tasks
            if place == self.told
        }


def of_place(split: pd.DataFrame, place: str) -> pd.DataFrame:
    """The hours of one place in a split, with the columns that it has."""
    rows = split[split["place"] == place].drop(columns="place")
    return rows.dropna(axis="columns", how="all").reset_index(drop=True)


@dataclass(frozen=True)
class Course:
    """What all variants of a study learn from, and how.

    Args:
        train, dev: the splits.
        tasks: places and hours ahead; the first is the primary one.
        hours: of a window.
        rotated: places whose settings are chosen by cross-validation over whole months (`month_folds`); at others train is fitted and
            dev scored.
        metric: the name of the primary task's error among the dev scores.
        unit: as of `Forecaster`.
    """

    train: Frame
    dev: Frame
    tasks: Sequence[tuple[str, int]]
    hours: int
    rotated: Collection[str]
    metric: str
    unit: str

    def learn(self, candidates: Candidates, refit: Refit) -> tuple[Forecaster, dict[str, Any]]:
        """One variant on all tasks; the rule that is kept is fitted to train and dev together.

        Returns:
            The forecaster; and a history with the errors on what was held out (``metric``, and of every task by its name), what was
            ``chosen`` for each task, and ``epochs`` where the refit of the first task gives any.
        """
        rules, chosen, scores = {}, {}, {}
        epochs: list[dict[str, float]] = []
        for place, horizon in self.tasks:
            name = f"{place}/{horizon}"
            parts = [of_place(frame, place) for frame in (self.train, self.dev)]
            whole = pd.concat(parts, ignore_index=True).sort_values("time", ignore_index=True)
            pairs = [
                (cut(rest, self.hours, horizon), cut(held, self.hours, horizon))
                for rest, held in (month_folds(whole, parts[1]) if place in self.rotated else [parts])
            ]
            scores[name], setting = min(candidates(pairs), key=lambda found: found[0])
            rules[name], told = refit(cut(whole, self.hours, horizon), setting)
            curve = told.pop("epochs", [])
            epochs, chosen[name] = epochs or curve, {**setting, **told}
        dev = {self.metric: next(iter(scores.values())), **scores}
        forecaster = Forecaster(rules, self.hours, self.tasks[0][0], self.unit)
        return forecaster, {"dev": dev, "chosen": chosen, "epochs": epochs}

    def learn_plain(self, fit: Callable[[Windows], Any]) -> tuple[Forecaster, dict[str, Any]]:
        """A variant that has no setting."""
        return self.learn(plain(fit), lambda both, setting: (fit(both), {}))


def crossed(pairs: Pairs, score: Callable[[Windows, Windows], list[Score]]) -> list[Score]:
    """The errors of the same settings on all pairs together."""
    return pooled([score(*pair) for pair in pairs], [len(held) for _, held in pairs])


def plain(fit: Callable[[Windows], Any]) -> Candidates:
    """The one candidate of a variant that has no setting."""
    return lambda pairs: crossed(
        pairs, lambda train, held: [(rmse(held.target, fit(train).predict(held)), {})]
    )


def held_out(windows: Windows, fold: np.ndarray, fit: Callable[[Windows], Any]) -> np.ndarray:
    """Answers (N,) to every window by a rule that was fitted without its fold (N,)."""
    return out_of_fold(fold, lambda kept, out: fit(windows.take(kept)).predict(windows.take(out)))
