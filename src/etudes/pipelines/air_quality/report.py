"""What `report.md` shows of this study alone. Nothing here changes a number."""

from __future__ import annotations

from typing import Any, Literal

import pandas as pd
import plotly.graph_objects as go

from etudes.benches.regressor_pages import best_of, of_season, row_by_row
from etudes.pipelines.air_quality.windows import CITY, STATION
from etudes.reporting.charts import lines
from etudes.study import Study

UNIT = "RMSE (µg/m³)"


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


def when(
    study: Study, predictions: pd.DataFrame, metrics: dict[str, float], of: Literal["rmse", "bias"] = "rmse"
) -> go.Figure:
    """Errors or bias of the best variant in the city, by month and hour."""
    return of_season(study, first(predictions, CITY), best_of(study, metrics, "pm25_rmse_city"), CITY, of)


def hour_by_hour(study: Study, predictions: pd.DataFrame, metrics: dict[str, float]) -> go.Figure:
    """Readings and forecasts of the best variant at the station."""
    best = best_of(study, metrics)
    return row_by_row(study, first(predictions, STATION), best, f"Hour by hour, station, {best}")


def first(predictions: pd.DataFrame, place: str) -> pd.DataFrame:
    """The predictions of a place at the first horizon."""
    rows = predictions[predictions["place"] == place]
    return rows[rows["horizon"] == rows["horizon"].min()]


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


def settings(histories: dict[str, Any]) -> pd.DataFrame:
    """What held-out windows chose for ridge regression and boosting, by place and hours ahead."""
    shown = ("scheme", "start", "penalty", "trees")
    rows = [
        {"variant": name, "place / hours ahead": task} | {key: chosen.get(key) for key in shown}
        for name, history in histories.items()
        for task, chosen in history["chosen"].items()
        if {*shown} & {*chosen}
    ]
    return pd.DataFrame(rows, columns=["variant", "place / hours ahead", *shown])
