"""What `report.md` shows: figures, and the words that must be computed. Nothing here changes a number."""

from __future__ import annotations

from typing import Any

import pandas as pd
import plotly.graph_objects as go

from etudes.reporting.charts import lines, points
from etudes.study import Study

LOSS = "log-loss on test (nats)"
WITHOUT = {
    "plain": "plain",
    "dropout": "dropout off",
    "temperature": "plain, tempered",
    "ensemble": "ensemble",
}


def passes(passes_table: pd.DataFrame, metrics: dict[str, float]) -> go.Figure:
    """Log-loss by the number of passes, beside answers of one pass."""
    levels = {
        said: metrics[f"{name}.log_loss"] for name, said in WITHOUT.items() if f"{name}.log_loss" in metrics
    }
    return lines(
        passes_table,
        "Log-loss by the number of passes",
        "passes with dropout on (count)",
        LOSS,
        x="passes",
        y="log_loss",
        levels=levels,
        log_x=True,
        empty="mc_dropout was left out of this run.",
    )


def sweep(sweep_table: pd.DataFrame, split_card: dict[str, Any]) -> go.Figure:
    """Log-loss by the rate of dropout, of networks that learned from all training pictures."""
    shown = sweep_table[sweep_table["pictures"] == split_card["train_rows"]]
    return _by_rate(shown, "One set of weights, three ways")


def few_pictures(sweep_table: pd.DataFrame, split_card: dict[str, Any]) -> go.Figure:
    """The same of networks that learned from few pictures."""
    shown = sweep_table[sweep_table["pictures"] != split_card["train_rows"]]
    return _by_rate(shown, "The same with few training pictures")


def _by_rate(table: pd.DataFrame, title: str) -> go.Figure:
    place = (
        table["place"]
        .where(table["place"] != "everywhere", ", everywhere")
        .where(table["place"] == "everywhere", "")
    )
    return lines(
        table.assign(by=table["way"] + place),
        title,
        "units that are dropped (share)",
        LOSS,
        x="rate",
        y="log_loss",
        by="by",
        empty="dropout was left out of this run.",
    )


def rotated(study: Study, rotated_table: pd.DataFrame) -> go.Figure:
    """Log-loss of turned pictures."""
    shown = rotated_table[rotated_table["variant"] != study.baseline]
    axes = ("turned by (degrees)", LOSS)
    return lines(shown, "Turned pictures", *axes, x="angle", y="log_loss", by="variant", order=study.variants)


def spread(spread_table: pd.DataFrame) -> go.Figure:
    """What single passes say of one digit while it is turned."""
    return points(
        spread_table.assign(digit=spread_table["digit"].astype(str)),
        "Single passes over one turned picture",
        "turned by (degrees)",
        "probability (fraction)",
        x="angle",
        y="probability",
        by="digit",
        opacity=0.4,
        empty="mc_dropout was left out of this run.",
    )


def rates(dropout_history: dict[str, Any]) -> str:
    """What dev said of the rates."""
    if "tried" not in dropout_history:
        return "`dropout` was left out of this run."
    best = min(dropout_history["tried"], key=lambda row: row["passes"])
    tried = "; ".join(
        f"{row['rate']:g} ({row['place']}): {row['off']:.4f} off, {row['tempered']:.4f} at temperature "
        f"{row['temperature']:.2f}, {row['passes']:.4f} on"
        for row in dropout_history["tried"]
    )
    return f"Log-loss on dev by rate: {tried}. Chosen by the last of them is **{best['rate']:g}**."
