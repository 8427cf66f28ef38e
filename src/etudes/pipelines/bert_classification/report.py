"""What `report.md` shows: figures, and the words and tables that must be computed. Nothing here changes a number."""

from __future__ import annotations

from typing import Any

import pandas as pd
import plotly.graph_objects as go

from etudes.benches.classifier_pages import of_best
from etudes.benches.classifiers import confident_mistakes
from etudes.examples import Examples
from etudes.reporting.charts import lines


def curve(curve_table: pd.DataFrame) -> go.Figure:
    """Accuracy on test by labelled training rows."""
    table = curve_table.rename(columns={"accuracy.low": "low", "accuracy.high": "high"})
    axes = ("labelled training rows", "accuracy on test (fraction)")
    title = "What so many labels teach"
    return lines(
        table, title, *axes, x="rows", y="accuracy", by="variant", low="low", high="high", log_x=True
    )


def settings(histories: dict[str, Any]) -> pd.DataFrame:
    """What dev chose for each variant, and what it said."""
    rows = [
        {
            "variant": name,
            "chosen": f"penalty {history['setting']:g}"
            if "setting" in history
            else f"epoch {best_epoch(history['epochs'])} of {len(history['epochs'])}",
            "accuracy on dev": history["dev"]["accuracy"],
        }
        for name, history in histories.items()
        if "setting" in history or history["epochs"]
    ]
    return pd.DataFrame(rows, columns=["variant", "chosen", "accuracy on dev"])


def best_epoch(epochs: list[dict[str, float]]) -> int:
    """The first epoch with the best accuracy on dev."""
    return int(max(epochs, key=lambda row: (row["dev_accuracy"], -row["epoch"]))["epoch"])


def mistakes(
    predictions: pd.DataFrame, test_split: Examples, metrics: dict[str, float]
) -> list[dict[Any, Any]]:
    """The most confident wrong answers of the most accurate variant, with their sentences."""
    texts = dict(zip(test_split.rows["id"], test_split.rows["text"], strict=True))
    return confident_mistakes(of_best(predictions, metrics), texts)
