"""Figures that `report.md` shows. Nothing here changes a number."""

from __future__ import annotations

import pandas as pd
import plotly.graph_objects as go

from etudes.benches.regressor_pages import best_of, row_by_row
from etudes.reporting.charts import bars
from etudes.study import Study

AXIS = "mean absolute error (GBP)"


def one_by_one(study: Study, metrics: dict[str, float], predictions: pd.DataFrame) -> go.Figure:
    """Every answer of the best variant against the salary."""
    best = best_of(study, metrics)
    return row_by_row(study, predictions, best, f"Answers and salaries, {best}")


def by(error_table: pd.DataFrame, what: str = "category") -> go.Figure:
    """Errors of some variants by category or place."""
    table = error_table[error_table["what"] == what]
    left_out = "The variants that are shown here were left out of this run."
    return bars(
        table, f"Error by {what}", AXIS, what, x="salary_mae", y="entry", by="variant", empty=left_out
    )
