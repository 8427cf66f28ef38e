"""Figures and tables on the pages of studies of regressors. Nothing here changes a number."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Literal

import pandas as pd
import plotly.graph_objects as go

from etudes.metrics import as_metric
from etudes.reporting.charts import heat, lines, points
from etudes.study import Study

MOST = 2500  # points of a figure of single rows


def best_of(study: Study, metrics: Mapping[str, float], metric: str = "") -> str:
    """The variant with the best value of a metric, the primary one if empty."""
    found = as_metric(metric or study.metric)
    scores = {n: metrics[f"{n}.{found.name}"] for n in study.variants if f"{n}.{found.name}" in metrics}
    return max(scores, key=lambda name: found.merit(scores[name]))


def row_by_row(study: Study, rows: pd.DataFrame, variant: str, title: str) -> go.Figure:
    """Every ``truth`` against what was ``predicted`` of a variant, thinned to a number that a page can show."""
    shown = rows[rows["variant"] == variant]
    unit = as_metric(study.metric).unit
    return points(
        shown.iloc[:: max(1, -(-len(shown) // MOST))],
        title,
        f"answer ({unit})",
        f"truth ({unit})",
        x="predicted",
        y="truth",
        diagonal="answer = truth",
        size=5,
        opacity=0.5,
    )


def claims(study: Study, saved_table: pd.DataFrame) -> pd.DataFrame:
    """What variants save beside others (a table such as `etudes.benches.regressors.BlockScores.table`), with intervals in one cell."""
    metric = as_metric(study.metric)
    cells = saved_table[["saved", "saved.low", "saved.high"]].map(metric.format)
    words = [f"{value} [{low}, {high}]" for value, low, high in cells.itertuples(index=False)]
    kept = saved_table.drop(columns=["saved", "saved.low", "saved.high"])
    first = [name for name in kept if name not in ("variant", "against")]
    return kept[[*first, "variant", "against"]].assign(**{f"{metric.text} saved": words})


def of_season(
    study: Study, rows: pd.DataFrame, variant: str, where: str, of: Literal["rmse", "bias"] = "rmse"
) -> go.Figure:
    """Root mean squared errors of a variant, or answers less truth, by month and hour of the day; ``id`` is the time."""
    shown = rows[rows["variant"] == variant]
    apart = shown["predicted"] - shown["truth"]
    keys = [shown["id"].dt.month.rename("month"), shown["id"].dt.hour.rename("hour")]
    value = (apart**2).groupby(keys).mean() ** 0.5 if of == "rmse" else apart.groupby(keys).mean()
    title = {"rmse": "Errors by month and hour", "bias": "Answers less readings by month and hour"}[of]
    name = "RMSE" if of == "rmse" else "bias"
    return heat(
        value.rename("value").reset_index(),
        f"{title}, {where}, {variant}",
        "hour of the day",
        "month",
        f"{name} ({as_metric(study.metric).unit})",
        x="hour",
        y="month",
        digits=0,
        diverging=of == "bias",
    )


def by_size(study: Study, few_table: pd.DataFrame) -> go.Figure:
    """The table of `etudes.benches.regressors.learning_curve`; its first column holds the sizes."""
    what, *names = (str(name) for name in few_table if not str(name).endswith((".low", ".high")))
    parts = [
        few_table[[what]].assign(
            by=name, error=few_table[name], low=few_table[f"{name}.low"], high=few_table[f"{name}.high"]
        )
        for name in names
    ]
    return lines(
        pd.concat(parts, ignore_index=True),
        f"Error by number of training {what}",
        f"training {what} (count, logarithmic)",
        f"RMSE ({as_metric(study.metric).unit}, logarithmic)",
        x=what,
        y="error",
        by="by",
        low="low",
        high="high",
        log_x=True,
        log_y=True,
    )


def by_horizon(study: Study, error_table: pd.DataFrame, place: str) -> go.Figure:
    """Errors of every variant at a place by hours ahead, with intervals."""
    return lines(
        error_table[error_table["place"] == place],
        f"RMSE by hours ahead, {place}",
        "hours ahead (count, logarithmic)",
        f"RMSE ({as_metric(study.metric).unit})",
        x="horizon",
        y="rmse",
        by="variant",
        low="rmse.low",
        high="rmse.high",
        order=study.variants,
        log_x=True,
    )
