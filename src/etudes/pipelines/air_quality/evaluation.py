"""Scores on test, and three questions of the original: what readings below 0 do, what shuffled hours flatter, what few windows cost."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd

from etudes.benches.regressors import BlockScores, rmse
from etudes.evaluation import mean_interval
from etudes.pipelines.air_quality.boosting import grow
from etudes.pipelines.air_quality.linear import Linear, Persistence, Problem, closed_form
from etudes.pipelines.air_quality.model import Forecaster, fit_ridge, tasks
from etudes.pipelines.air_quality.parameters import (
    BoostingParameters,
    EvaluationParameters,
    WindowParameters,
)
from etudes.pipelines.air_quality.windows import CITY, STATION, Windows, cut, of_place
from etudes.training.parameters import RunParameters
from etudes.training.seeds import derive_seed

Frame = pd.DataFrame
PAIRS = (
    ("ols", "descent_history"),
    *((name, other) for name in ("ridge", "boosting") for other in ("persistence", "ols")),
    ("boosting", "ridge"),
)
FLATTERED = ("ols", "boosting")


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
        saved.append(scores.table(PAIRS).assign(**told))
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
    models: dict[str, Forecaster],
    histories: dict[str, Any],
    windows: WindowParameters,
    boosting: BoostingParameters,
    evaluation: EvaluationParameters,
    run: RunParameters,
) -> tuple[Frame, Frame]:
    """What the original left open, at the station and the first horizon; nothing is chosen from it.

    Returns:
        By method the error of folds of whole months and of folds of shuffled hours on the same windows of all months, and how much less the latter
        (``flattered``; the trees correct the last reading, as many as dev chose); and by number of training windows the error of least squares
        and of ridge regression on test, means over draws.
    """
    place, horizon, seed = STATION, windows.horizons[0], derive_seed(run.seed, "question")
    learned, test = (
        cut(of_place(pd.concat(frames).sort_values("time"), place), windows.hours, horizon)
        for frames in ((train_split, dev_split), (test_split,))
    )
    frames = [train_split, dev_split, test_split]
    whole = cut(of_place(pd.concat(frames).sort_values("time"), place), windows.hours, horizon)
    found = []
    for name in FLATTERED:
        if name in models:
            trees = histories[name]["chosen"][f"{place}/{horizon}"].get("trees", 1)
            found.append(flattered(name, whole, evaluation, boosting, trees, seed))
    columns = ["method", "by_months", "shuffled", "flattered", "flattered.low", "flattered.high"]
    setting = histories["ridge"]["chosen"][f"{place}/{horizon}"] if "ridge" in models else None
    few = few_windows(learned, test, evaluation, setting, seed)
    return pd.DataFrame(found, columns=columns), few


def flattered(
    method: str,
    whole: Windows,
    evaluation: EvaluationParameters,
    boosting: BoostingParameters,
    trees: int,
    seed: int,
) -> dict[str, Any]:
    """Cross-validation of one method over folds of whole months, and over as many folds of shuffled windows."""
    month = whole.time.astype("datetime64[M]").astype(np.int64) % 12 % evaluation.folds
    folds = {"by_months": month, "shuffled": np.random.default_rng(seed).permutation(month)}
    answers = {}
    for name, fold in folds.items():
        answers[name] = np.full(len(whole), np.nan)
        for k in np.unique(fold):
            held, rest = whole.take(fold == k), whole.take(fold != k)
            if method == "ols":
                answers[name][fold == k] = least_squares(rest).predict(held)
            else:
                grown = grow(rest, Persistence(), trees, boosting, seed)
                answers[name][fold == k] = grown.predict(held)
    scores = BlockScores.by_day(
        whole.target, answers, whole.time, evaluation.station_block_days, evaluation.resamples
    )
    return {
        "method": method,
        **{name: scores.rmse(name).value for name in folds},
        **scores.saved("shuffled", "by_months").flat("flattered"),
    }


def few_windows(
    learned: Windows,
    test: Windows,
    evaluation: EvaluationParameters,
    setting: dict[str, Any] | None,
    seed: int,
) -> Frame:
    """Errors on test by number of training windows: ``ols``, and ``ridge`` with the setting that dev chose for all of them."""
    found = []
    for size in [*(size for size in evaluation.few if size < len(learned)), len(learned)]:
        scores: dict[str, list[float]] = {"ols": [], "ridge": []}
        for draw in range(evaluation.draws if size < len(learned) else 1):
            part = learned.take(np.random.default_rng([seed, draw]).permutation(len(learned))[:size])
            scores["ols"].append(rmse(test.target, least_squares(part).predict(test)))
            if setting is not None:
                scores["ridge"].append(rmse(test.target, fit_ridge(part, **setting).predict(test)))
        row: dict[str, Any] = {"windows": size}
        for name, values in scores.items():
            ends = mean_interval(values) if values else {}
            row |= {name: ends.get("mean"), f"{name}.low": ends.get("low"), f"{name}.high": ends.get("high")}
        found.append(row)
    return pd.DataFrame(found)


def least_squares(rows: Windows) -> Linear:
    """The closed form on every reading of the windows."""
    problem = Problem.of(rows, "all")
    return problem.model(closed_form(problem))


def seasons(predictions: Frame, variant: str) -> Frame:
    """Of a variant in the city at the first horizon, by month and hour of the day: ``rmse``, and ``bias``, answer less truth."""
    rows = predictions[(predictions["variant"] == variant) & (predictions["place"] == CITY)]
    rows = rows[rows["horizon"] == rows["horizon"].min()]
    apart = rows["predicted"] - rows["truth"]
    keys = {"month": rows["id"].dt.month, "hour": rows["id"].dt.hour}
    table = pd.DataFrame({**keys, "bias": apart, "square": apart**2}).groupby(["month", "hour"]).mean()
    return table.assign(rmse=np.sqrt(table["square"])).drop(columns="square").reset_index()
