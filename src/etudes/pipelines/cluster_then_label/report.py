"""What `report.md` shows of this study alone. Nothing here changes a number."""

from __future__ import annotations

from typing import Any

import pandas as pd
import plotly.graph_objects as go

from etudes.reporting.charts import lines

GONE = "Guided k-means was left out of this run."


def alpha(alpha_table: pd.DataFrame, of: str = "accuracy") -> go.Figure:
    """What each alpha gains over alpha = 0, which is k-means."""
    title, unit = {
        "accuracy": ("Accuracy gained over k-means", "accuracy gained (fraction)"),
        "ari": (
            "Clusters nearer to the classes than those of k-means",
            "adjusted Rand index gained (fraction)",
        ),
    }[of]
    name = f"{of}_gain"
    return lines(
        alpha_table[alpha_table["alpha"] > 0],
        title,
        "alpha (weight of impurity, logarithmic)",
        unit,
        x="alpha",
        y=name,
        by="table",
        low=f"{name}.low",
        high=f"{name}.high",
        levels={"k-means (alpha = 0)": 0.0},
        log_x=True,
        empty=GONE,
    )


def objective(guided_history: dict[str, Any]) -> go.Figure:
    """The guided descent of the stored model, sweep by sweep."""
    rows = [
        {"x": row["sweep"], "y": row[name], "by": name}
        for name in ("objective", "impurity")
        for row in guided_history.get("epochs", [])
    ]
    table = pd.DataFrame(rows, columns=["x", "y", "by"])
    unit = "unexplained variance and weighted impurity (fraction)"
    return lines(table, "The objective never rises", "sweep (count)", unit, by="by", empty=GONE)


def two_or_all(measurements_table: pd.DataFrame) -> pd.DataFrame:
    """Pairs of measurements beside all of them, with intervals."""
    said = {"guided": "guided k-means", "kmeans_vote": "k-means and vote", "gain_of_all": "all less these"}
    rows = [
        {"measurements": row["measurements"], "starts": row["starts"]}
        | {text: f"{row[n]:.3f} [{row[f'{n}.low']:.3f}, {row[f'{n}.high']:.3f}]" for n, text in said.items()}
        for row in measurements_table.to_dict("records")
    ]
    return pd.DataFrame(rows, columns=["measurements", "starts", *said.values()])
