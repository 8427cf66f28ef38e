"""What `report.md` shows of this study alone. Nothing here changes a number."""

from __future__ import annotations

import pandas as pd
import plotly.graph_objects as go

from etudes.reporting.charts import bars, lines
from etudes.study import Study

GONE = "No variant with pseudo-labels ran."


def precision(rounds_table: pd.DataFrame, data: str = "digits", of: str = "precision") -> go.Figure:
    """How many pseudo-labels of each round are true, or how many pictures have one, with most labels of the data set."""
    said = {"precision": "Pseudo-labels that are true", "coverage": "Pictures with a pseudo-label"}
    rows = _most_labels(rounds_table, data)
    return lines(
        rows,
        f"{said[of]}: {data}",
        "round (count)",
        "share (fraction)",
        x="round",
        y=of,
        by="variant",
        low=f"{of}.low",
        high=f"{of}.high",
        empty=GONE,
    )


def gains(study: Study, gain_table: pd.DataFrame, data: str = "digits") -> go.Figure:
    """What each method has more than the bounds and label spreading, on one data set with most labels."""
    rows = _most_labels(gain_table, data)
    order = [name for name in ("supervised", "augmented", "label_spreading") if name in set(rows["against"])]
    rows = rows[~rows["method"].isin([study.baseline])]
    return bars(
        rows.assign(against="over " + rows["against"].str.replace("_", " ")),
        f"Gain in accuracy: {data}",
        "gain (fraction)",
        "method",
        x="gain",
        y="method",
        by="against",
        low="low",
        high="high",
        order=["over " + name.replace("_", " ") for name in order],
        levels={"equal": 0.0},
    )


def by_labels(label_curve_table: pd.DataFrame) -> go.Figure:
    """Accuracy on leaves by number of labelled photographs."""
    rows = label_curve_table[label_curve_table["data"] == "leaves"]
    return lines(
        rows,
        "Accuracy on leaves",
        "labelled photographs (count, logarithmic)",
        "accuracy (fraction)",
        x="labels",
        y="accuracy",
        by="variant",
        log_x=True,
    )


def looks(looks_table: pd.DataFrame) -> go.Figure:
    """The original's curve, in the mean over splits."""
    return lines(
        looks_table,
        "Accuracy gained by pictures that were added one by one",
        "pictures added (count)",
        "gain (fraction)",
        x="added",
        y="gain",
        low="gain.low",
        high="gain.high",
        levels={"none added": 0.0},
        marks=False,
    )


def answer(study: Study, gain_table: pd.DataFrame) -> str:
    """Each arm beside the lower bound and beside augmentation alone, on both data sets with most labels."""
    said, bounds = [], ("supervised", "augmented")
    arms = study.variants[study.variants.index(bounds[-1]) + 1 :]
    for data in gain_table["data"].unique():
        rows = _most_labels(gain_table, data)
        for against in bounds:
            own = rows[(rows["against"] == against) & rows["method"].isin(arms)]
            told = "; ".join(
                f"`{row['method']}` {row['gain']:+.3f} [{row['low']:+.3f}, {row['high']:+.3f}] ({row['verdict']})"
                for row in own.to_dict("records")
            )
            said.append(f"on {data} over `{against}`: {told or 'not run'}")
    return ". ".join(said) or GONE


def what_looks_say(readings_table: pd.DataFrame) -> str:
    """The two readings of one curve."""
    return "; ".join(
        f"{row['reading']}: {row['gain']:+.3f} [{row['gain.low']:+.3f}, {row['gain.high']:+.3f}]"
        for row in readings_table.to_dict("records")
    )


def _most_labels(table: pd.DataFrame, data: str) -> pd.DataFrame:
    rows = table[table["data"] == data]
    return rows[rows["labels"] == rows["labels"].max()] if len(rows) else rows
