"""What `report.md` shows: figures, and tables that must be computed. Nothing here changes a number."""

from __future__ import annotations

from typing import Any

import pandas as pd
import plotly.graph_objects as go

from etudes.benches.classifier_pages import by_class, of_best
from etudes.benches.classifiers import confident_mistakes
from etudes.reporting.charts import bars


def by_kind(kind_table: pd.DataFrame) -> go.Figure:
    """Accuracy of each variant by what training knew of a word."""
    axes = ("words right (fraction)", "what training knew of the word")
    return bars(kind_table, "What is hard", *axes, x="accuracy", y="kind", by="variant")


def by_tag(per_tag_table: pd.DataFrame, metrics: dict[str, float]) -> go.Figure:
    """Quality of the best variant by tag."""
    return by_class(per_tag_table, metrics)


def parts(gain_table: pd.DataFrame) -> pd.DataFrame:
    """What a part is worth, with intervals in one cell."""
    gains = {"gain": "all words", "unseen_gain": "new words", "sentence_gain": "whole sentences"}
    rows = [
        {
            "variant": row["variant"],
            "against": row["against"],
            **{
                what: f"{row[g]:+.4f} [{row[f'{g}.low']:+.4f}, {row[f'{g}.high']:+.4f}]"
                for g, what in gains.items()
            },
        }
        for row in gain_table.to_dict("records")
    ]
    return pd.DataFrame(rows, columns=["variant", "against", *gains.values()])


def mistakes(
    predictions: pd.DataFrame, test_split: pd.DataFrame, metrics: dict[str, float]
) -> list[dict[Any, Any]]:
    """The most confident wrong tags of the most accurate variant, each word in its sentence."""
    shown = of_best(predictions, metrics).reset_index(drop=True)
    places = shown.groupby("id").cumcount()
    words = dict(zip(test_split["id"], test_split["words"], strict=True))
    wrong = shown[shown["truth"] != shown["predicted"]].nlargest(50, "confidence")
    texts = {
        row: " ".join(f"[{w}]" if k == places[row] else w for k, w in enumerate(words[shown["id"][row]]))
        for row in wrong.index
    }
    return confident_mistakes(wrong.assign(id=wrong.index), texts)
