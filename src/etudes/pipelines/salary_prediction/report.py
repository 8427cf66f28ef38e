"""What `report.md` shows: figures, and tables that must be computed. Nothing here changes a number."""

from __future__ import annotations

from typing import Any

import pandas as pd
import plotly.graph_objects as go

from etudes.assembly import trained
from etudes.benches.regressor_pages import best_of, row_by_row
from etudes.reporting import figures, new_figure
from etudes.reporting.charts import bars
from etudes.study import Study

TERMS = 12
LEFT_OUT = "The variants that are shown here were left out of this run."


def one_by_one(study: Study, metrics: dict[str, float], predictions: pd.DataFrame) -> go.Figure:
    """Every answer of the best variant against the salary."""
    best = best_of(study, metrics)
    return row_by_row(study, predictions, best, f"Answers and salaries, {best}")


def by(error_table: pd.DataFrame, what: str = "category") -> go.Figure:
    """Errors of some variants by category or place."""
    table = error_table[error_table["what"] == what]
    title = f"Error by {what}"
    return bars(
        table,
        title,
        "mean absolute error (GBP)",
        what,
        x="salary_mae",
        y="entry",
        by="variant",
        empty=LEFT_OUT,
    )


def telling(models: dict[str, Any]) -> go.Figure:
    """Words of titles and categories that raise and lower an answer most."""
    model = trained(models).get("ridge_fields")
    if model is None:
        return new_figure("ridge_fields was left out of this run", height=120)
    found = [
        (view, *pair)
        for view in ("title", "categories")
        for pair in dict(model.strongest(view, TERMS)).items()
    ]
    table = pd.DataFrame(found, columns=["label", "term", "weight"])
    names = list(dict.fromkeys(table["label"]))
    return figures.term_weights(table, names, title="Terms that raise (+) or lower (-) the log salary")


def claims(saved_table: pd.DataFrame) -> pd.DataFrame:
    """What variants save beside others, with intervals in one cell."""
    words = [
        f"{r['saved']:,.0f} [{r['saved.low']:,.0f}, {r['saved.high']:,.0f}]"
        for r in saved_table.to_dict("records")
    ]
    return saved_table[["variant", "against"]].assign(**{"GBP saved": words})


def settings(histories: dict[str, Any]) -> pd.DataFrame:
    """What each variant chose in the study's own split, and the factor of its intervals."""
    rows = [
        {
            "variant": name,
            "penalty": history.get("penalty", "–"),
            "error of held-out rows (GBP)": round(history["dev"]["salary_mae"]),
            "margin of the log salary": round(history["margin"], 3),
        }
        for name, history in histories.items()
        if "margin" in history
    ]
    names = ["variant", "penalty", "error of held-out rows (GBP)", "margin of the log salary"]
    return pd.DataFrame(rows, columns=names)
