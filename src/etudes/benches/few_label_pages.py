"""Figures and tables on the pages of studies with few labels. Nothing here changes a number."""

from __future__ import annotations

from typing import Any

import pandas as pd
import plotly.graph_objects as go

from etudes.benches import repeated
from etudes.metrics import as_metric
from etudes.reporting.charts import lines
from etudes.study import Study

GONE = "The method in question, or that which it is compared with, was left out of this run."
LABELS = "labelled rows (count, logarithmic)"


def by_labels(study: Study, label_curve_table: pd.DataFrame) -> go.Figure:
    """The primary metric of every variant by number of labels, on the first table."""
    first = label_curve_table[label_curve_table["table"] == label_curve_table["table"].iloc[0]]
    return lines(
        first,
        f"{study.metric.capitalize()} on {first['table'].iloc[0]}",
        LABELS,
        as_metric(study.metric).axis,
        x="labels",
        y=study.metric,
        by="variant",
        order=study.variants,
        log_x=True,
    )


def gains(gain_table: pd.DataFrame, against: str) -> go.Figure:
    """What the method in question gains over one variant, by number of labels, on every table."""
    rows, name = gain_table[gain_table["against"] == against], against.replace("_", " ")
    return lines(
        rows,
        f"Gain over {name}",
        LABELS,
        "gain (fraction)",
        x="labels",
        y="gain",
        by="table",
        low="low",
        high="high",
        levels={"equal": 0.0},
        log_x=True,
        empty=GONE,
    )


def where(study: Study, gain_table: pd.DataFrame) -> pd.DataFrame:
    """For each table and variant but the baseline, the numbers of labels with each verdict."""
    return repeated.verdicts(gain_table[gain_table["against"] != study.baseline], "labels")


def answer(study: Study, gain_table: pd.DataFrame) -> str:
    """In how many pairs of table and number of labels the method is better or worse than each variant, for sure and likely."""
    parts = []
    for against, part in gain_table.groupby("against", sort=False):
        if against == study.baseline:
            continue
        counts = part["verdict"].value_counts()
        better, worse = (
            f"{v} in {counts.get(v, 0)} (likely in {counts.get(f'likely {v}', 0)} more)"
            for v in ("better", "worse")
        )
        parts.append(f"than `{against}` {better} and {worse} of {len(part)}")
    return "; ".join(parts) or GONE


def chosen(histories: dict[str, Any]) -> pd.DataFrame:
    """What the labelled rows chose for the stored models: the entry ``chosen`` of each history."""
    told = {
        n: ", ".join(f"{key} {value:g}" for key, value in h["chosen"].items()) for n, h in histories.items()
    }
    return pd.DataFrame({"variant": list(told), "chosen": [text or "–" for text in told.values()]})
