"""What `report.md` shows of this study alone. Nothing here changes a number."""

from __future__ import annotations

from typing import Any

import pandas as pd
import plotly.graph_objects as go

from etudes.pipelines.air_quality.evaluation import seasons
from etudes.pipelines.air_quality.windows import STATION
from etudes.reporting.charts import heat, lines, points
from etudes.study import Study

UNIT = "RMSE (µg/m³)"
MOST = 2500  # points of the figure of single hours


def by_horizon(study: Study, error_table: pd.DataFrame, place: str = STATION) -> go.Figure:
    """Errors of every variant by hours ahead."""
    rows = error_table[error_table["place"] == place]
    axes = ("hours ahead (count, logarithmic)", UNIT)
    how = {"x": "horizon", "y": "rmse", "by": "variant", "low": "rmse.low", "high": "rmse.high"}
    return lines(rows, f"RMSE by hours ahead, {place}", *axes, **how, order=study.variants, log_x=True)


def descents(histories: dict[str, Any]) -> go.Figure:
    """The loss above its least value by step, with momentum and without."""
    rows = [
        {**row, "by": name.removeprefix("descent_") + ("" if row["momentum"] else ", no momentum")}
        for name, history in histories.items()
        for row in history["epochs"]
        if "excess_loss" in row
    ]
    table = pd.DataFrame(rows, columns=["step", "excess_loss", "by"])
    table["excess_loss"] = table["excess_loss"].clip(lower=1e-14)  # rounding can be a hair below the least
    title, axes = (
        "Descent reaches the closed form",
        ("step (count, logarithmic)", "loss above the least (fraction)"),
    )
    gone = "Descent was left out of this run."
    return lines(
        table,
        title,
        *axes,
        x="step",
        y="excess_loss",
        by="by",
        marks=False,
        log_x=True,
        log_y=True,
        empty=gone,
    )


def few(few_table: pd.DataFrame) -> go.Figure:
    """Errors by number of training windows."""
    rows = [
        {
            "windows": row["windows"],
            "by": name,
            "rmse": row[name],
            "low": row[f"{name}.low"],
            "high": row[f"{name}.high"],
        }
        for name in ("ols", "ridge")
        for row in few_table.to_dict("records")
    ]
    axes = ("training windows (count, logarithmic)", "RMSE (µg/m³, logarithmic)")
    how = {"x": "windows", "y": "rmse", "by": "by", "low": "low", "high": "high"}
    return lines(pd.DataFrame(rows), "Few windows", *axes, **how, log_x=True, log_y=True)


def of_season(
    study: Study, predictions: pd.DataFrame, metrics: dict[str, float], of: str = "rmse"
) -> go.Figure:
    """Errors or bias of the best variant in the city, by month and hour."""
    best = best_in_city(study, metrics)
    title = {"rmse": "Errors by month and hour", "bias": "Answers less readings by month and hour"}[of]
    rows, unit = seasons(predictions, best), {"rmse": UNIT, "bias": "bias (µg/m³)"}[of]
    axes = ("hour of the day", "month")
    return heat(
        rows,
        f"{title}, city, {best}",
        *axes,
        unit,
        x="hour",
        y="month",
        value=of,
        digits=0,
        diverging=of == "bias",
    )


def hour_by_hour(study: Study, predictions: pd.DataFrame, metrics: dict[str, float]) -> go.Figure:
    """Readings and forecasts of the best variant at the station."""
    scores = {name: metrics[f"{name}.pm25_rmse"] for name in study.variants if f"{name}.pm25_rmse" in metrics}
    best = min(scores, key=lambda name: scores[name])
    rows = predictions[(predictions["variant"] == best) & (predictions["place"] == STATION)]
    rows = rows[rows["horizon"] == rows["horizon"].min()]
    rows = rows.iloc[:: -(-len(rows) // MOST)]
    axes = ("forecast (µg/m³)", "reading (µg/m³)")
    how = {"x": "predicted", "y": "truth", "size": 5, "opacity": 0.5}
    return points(rows, f"Hour by hour, station, {best}", *axes, **how, diagonal="forecast = reading")


def best_in_city(study: Study, metrics: dict[str, float]) -> str:
    """The variant with the least error in the city."""
    key = "pm25_rmse_city"
    scores = {name: metrics[f"{name}.{key}"] for name in study.variants if f"{name}.{key}" in metrics}
    return min(scores, key=lambda name: scores[name])


def no_readings(data_card: dict[str, Any]) -> str:
    """Readings below 0 by measurement, and missing ones."""
    parts = []
    for place in ("station", "city"):
        below = data_card[f"{place}_below_zero"]
        told = ", ".join(f"{name} {count}" for name, count in below.items()) or "none"
        missing = data_card[f"{place}_missing"]
        parts.append(
            f"{place}: of {data_card[f'{place}_hours']:,} hours below 0 {told}; PM2.5 missing in {missing:,}; "
            f"{data_card[f'{place}_gaps_in_time']} gaps in time"
        )
    return ". ".join(part.capitalize() for part in parts) + "."


def claims(saved_table: pd.DataFrame) -> pd.DataFrame:
    """What variants save beside others, with intervals."""
    rows = [
        {
            "place": row["place"],
            "hours ahead": row["horizon"],
            "variant": row["variant"],
            "against": row["against"],
            "RMSE saved": f"{row['saved']:.2f} [{row['saved.low']:.2f}, {row['saved.high']:.2f}]",
        }
        for row in saved_table.to_dict("records")
    ]
    return pd.DataFrame(rows, columns=["place", "hours ahead", "variant", "against", "RMSE saved"])


def settings(histories: dict[str, Any]) -> pd.DataFrame:
    """What dev chose for ridge regression and boosting."""
    rows = []
    for name, history in histories.items():
        for task, chosen in history["chosen"].items():
            shown = {
                key: value for key, value in chosen.items() if key in ("scheme", "start", "penalty", "trees")
            }
            if shown:
                text = ", ".join(f"{key} {value}" for key, value in shown.items())
                rows.append({"variant": name, "place / hours ahead": task, "chosen": text})
    return pd.DataFrame(rows, columns=["variant", "place / hours ahead", "chosen"])
