"""Figures and words on the pages of studies of how sure classifiers are. Nothing here changes a number."""

from __future__ import annotations

import pandas as pd
import plotly.graph_objects as go

from etudes.metrics import KNOWN
from etudes.reporting.charts import lines
from etudes.study import Study

SAID = {"better": "is better than", "worse": "is worse than", "cannot tell": "cannot be told from"}


def rejection(study: Study, rejection_table: pd.DataFrame) -> go.Figure:
    """Accuracy of what is still answered, if the least sure rows are not."""
    shown = rejection_table[rejection_table["variant"] != study.baseline]
    title = "Accuracy of the surest answers"
    axes = ("rows that are answered (share)", "accuracy (fraction)")
    return lines(shown, title, *axes, x="kept", y="accuracy", by="variant", order=study.variants)


def claims(claim_table: pd.DataFrame) -> str:
    """The paired differences of this run in words, a sentence for each measure."""
    if claim_table.empty:
        return "The variants that the question needs were left out of this run."
    sentences = []
    for measure, rows in claim_table.groupby("measure", sort=False):
        metric = KNOWN[str(measure)]
        parts = [
            f"`{row['first']}` {SAID[row['verdict']]} `{row['second']}` ({row['difference']:+.4f} "
            f"[{row['difference.low']:+.4f}, {row['difference.high']:+.4f}])"
            for row in rows.to_dict("records")
        ]
        sentences.append(f"**{metric.text}** ({metric.direction}): {'; '.join(parts)}.")
    return "\n\n".join(sentences)
