"""Scores on test, and three questions of the original: what readings below 0 do, what shuffled hours flatter, what few windows cost."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pandas as pd

from etudes.benches.forecasts import Forecaster, held_out, of_place
from etudes.benches.hours import Windows, cut
from etudes.benches.regressors import BlockScores, learning_curve, rmse
from etudes.pipelines.air_quality.boosting import grow
from etudes.pipelines.air_quality.linear import Persistence
from etudes.pipelines.air_quality.model import fit_ridge, least_squares, tasks
from etudes.pipelines.air_quality.parameters import (
    BoostingParameters,
    EvaluationParameters,
    WindowParameters,
)
from etudes.pipelines.air_quality.windows import CITY, STATION
from etudes.training.parameters import RunParameters
from etudes.training.seeds import derive_seed

Frame = pd.DataFrame
PAIRS = (
    ("ols", "descent_history"),
    *((name, other) for name in ("ridge", "boosting") for other in ("persistence", "ols")),
    ("boosting", "ridge"),
)


def evaluate(
    test_split: Frame,
    models: dict[str, Forecaster],
    histories: dict[str, Any],
    windows: WindowParameters,
    evaluation: EvaluationParameters,
) -> tuple[dict[str, float], Frame, Frame, Frame, Frame]:
    """Score every trained variant on every task.

    Returns:
        metrics (flat, with block bootstrap intervals: ``pm25_rmse`` is of the station at the first horizon; ``_untreated``, ``_city`` and
        ``_<h>h`` say what else), predictions, errors by task, what variants save beside others (`PAIRS`), and what the descents
        say of themselves.
    """
    metrics: dict[str, float] = {}
    rows, errors, saved = [], [], []
    for place, horizon in tasks(windows):
        test = cut(of_place(test_split, place), windows.hours, horizon)
        answers = {name: model.predict(test, place, horizon) for name, model in models.items()}
        days = evaluation.city_block_days if place == CITY else evaluation.station_block_days
        how = (test.time, days, evaluation.resamples)
        scores = BlockScores.by_day(test.target, answers, *how)
        told = {"place": place, "horizon": horizon}
        saved.append(scores.table(PAIRS).assign(place=place, horizon=horizon))
        for name, found in answers.items():
            metrics |= scores.rmse(name).flat(f"{name}.{metric_of(place, horizon, windows)}")
            errors.append({**told, "variant": name, **scores.rmse(name).flat("rmse")})
            rows.append(
                pd.DataFrame(
                    {"variant": name, **told, "id": test.time, "truth": test.target, "predicted": found}
                )
            )
    descents = [
        {"scheme": name.removeprefix("descent_"), "place": place, "horizon": horizon, **found}
        for name, history in histories.items()
        for place, horizon in tasks(windows)
        if "steps" in (found := history["chosen"][f"{place}/{horizon}"])
    ]
    columns = ["scheme", "place", "horizon", "columns", "condition", "steps", "equal_decimals"]
    return (
        metrics,
        pd.concat(rows, ignore_index=True),
        pd.DataFrame(errors),
        pd.concat(saved, ignore_index=True),
        pd.DataFrame(descents, columns=[*columns, "plain_excess"]),
    )


def metric_of(place: str, horizon: int, windows: WindowParameters) -> str:
    """The name of a task's root mean squared error among the metrics."""
    later = "" if horizon == windows.horizons[0] else f"_{horizon}h"
    return "pm25_rmse" + ("" if place == STATION else f"_{place}") + later


def question(
    train_split: Frame,
    dev_split: Frame,
    test_split: Frame,
    histories: dict[str, Any],
    windows: WindowParameters,
    boosting: BoostingParameters,
    evaluation: EvaluationParameters,
    run: RunParameters,
) -> tuple[Frame, Frame]:
    """What the original left open, at the station and the first horizon; nothing is chosen from it.

    Returns:
        For least squares, and for the most trees over the last reading, the error of folds of whole months and of folds of shuffled
        hours on the same windows of all months, and how much less the latter (``flattered``); and by number of training
        windows the error of least squares and of ridge regression on test, means over draws.
    """
    horizon, seed = windows.horizons[0], derive_seed(run.seed, "question")

    def of_station(*frames: Frame) -> Windows:
        rows = of_place(pd.concat(frames, ignore_index=True), STATION)
        return cut(rows.sort_values("time", ignore_index=True), windows.hours, horizon)

    whole = of_station(train_split, dev_split, test_split)
    fits: dict[str, Callable[[Windows], Any]] = {
        "ols": least_squares,
        "boosting": lambda rows: grow(rows, Persistence(), boosting.trees, boosting, seed),
    }
    month = whole.time.astype("datetime64[M]").astype(np.int64) % 12 % evaluation.folds
    flattering = [{"method": n, **flattered(whole, month, fit, evaluation, seed)} for n, fit in fits.items()]
    setting = histories.get("ridge", {}).get("chosen", {}).get(f"{STATION}/{horizon}")
    few = few_windows(of_station(train_split, dev_split), of_station(test_split), evaluation, setting, seed)
    return pd.DataFrame(flattering), few


def flattered(
    whole: Windows,
    month: np.ndarray,
    fit: Callable[[Windows], Any],
    evaluation: EvaluationParameters,
    seed: int,
) -> dict[str, float]:
    """Cross-validation of one method over folds of whole months (N,), and over as many folds of shuffled windows."""
    folds = {"by_months": month, "shuffled": np.random.default_rng(seed).permutation(month)}
    answers = {name: held_out(whole, fold, fit) for name, fold in folds.items()}
    how = (whole.time, evaluation.station_block_days, evaluation.resamples)
    scores = BlockScores.by_day(whole.target, answers, *how)
    found = {name: scores.rmse(name).value for name in folds}
    return found | scores.saved("shuffled", "by_months").flat("flattered")


def few_windows(
    learned: Windows,
    test: Windows,
    evaluation: EvaluationParameters,
    setting: dict[str, Any] | None,
    seed: int,
) -> Frame:
    """Errors on test by number of training windows: ``ols``, and ``ridge`` with the setting that was chosen for all of them."""

    def errors_of(places: np.ndarray) -> dict[str, float]:
        part = learned.take(places)
        rules = {"ols": least_squares(part)} | ({"ridge": fit_ridge(part, **setting)} if setting else {})
        return {name: rmse(test.target, rule.predict(test)) for name, rule in rules.items()}

    table = learning_curve(evaluation.few, len(learned), evaluation.draws, errors_of, seed, "windows")
    return table.reindex(
        columns=["windows", *(f"{n}{end}" for n in ("ols", "ridge") for end in ("", ".low", ".high"))]
    )
