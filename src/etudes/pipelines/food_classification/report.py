"""What `report.md` shows of this study alone. Nothing here changes a number."""

from __future__ import annotations

import numpy as np
import pandas as pd
import plotly.graph_objects as go

from etudes.digits.panels import absent_png
from etudes.examples import Examples
from etudes.reporting import image_grid
from etudes.reporting.charts import bars
from etudes.study import Study

IN_A_ROW, SHOWN = 6, 24
TILE = 110


def on_splits(study: Study, splits_table: pd.DataFrame) -> go.Figure:
    """Accuracy of every method over repeated splits, by the pictures that it is tested on."""
    ran = [name for name in study.variants if name in set(splits_table["variant"])]
    table = splits_table.set_index("variant").loc[ran].reset_index()
    return bars(
        table,
        "Accuracy over repeated splits",
        *("accuracy (fraction)", "method"),
        x="accuracy",
        y="variant",
        by="tested_on",
        low="accuracy.low",
        high="accuracy.high",
    )


def gains(study: Study, gain_table: pd.DataFrame, tested_on: str = "all") -> go.Figure:
    """What each method has more than three others, on the same splits."""
    rows = gain_table[(gain_table["tested_on"] == tested_on) & (gain_table["method"] != study.baseline)]
    return bars(
        rows.assign(against="over " + rows["against"]),
        f"Gain in accuracy, tested on {tested_on.replace('all', 'all pictures').replace('reviewed', 'reviewed pictures')}",
        *("gain (fraction)", "method"),
        x="gain",
        y="method",
        by="against",
        low="low",
        high="high",
        levels={"equal": 0.0},
        empty="None of the methods that others are compared with ran, or no picture was reviewed.",
    )


def dropped(dropping_table: pd.DataFrame) -> go.Figure:
    """What logistic regression gains by training without the suspects."""
    return bars(
        dropping_table.assign(tested_on="tested on " + dropping_table["tested_on"]),
        "Gain in accuracy by dropping suspects",
        *("gain (fraction)", "over"),
        x="gain",
        y="against",
        by="tested_on",
        low="low",
        high="high",
        levels={"equal": 0.0},
    )


def suspects(suspects_table: pd.DataFrame, train_split: Examples, dev_split: Examples) -> bytes:
    """The training pictures whose labels are doubted most, with the label and the class that they belong to."""
    parts = (train_split, dev_split)
    places = {name: (n, i) for n, part in enumerate(parts) for i, name in enumerate(part.rows["id"])}
    rows = [row for row in suspects_table.to_dict("records") if row["id"] in places][:SHOWN]
    if not rows:
        return absent_png("no label of a training picture is doubted")
    found = [np.asarray(parts[n]["pixels"][i]) for n, i in (places[row["id"]] for row in rows)]
    captions = [f"{row['class']}?\n{row['belongs_to']} {row['probability']:.0%}" for row in rows]
    return image_grid(found, captions, IN_A_ROW, tile=TILE)


def answer(gain_table: pd.DataFrame) -> str:
    """What each step gives, on all pictures: the steps that the study is about."""
    steps = (
        ("transfer", "logistic"),
        ("transfer", "augmented"),
        ("logistic", "augmented"),
        ("augmented", "cnn"),
        ("batch_norm", "cnn"),
        ("half_depth", "augmented"),
        ("dense", "augmented"),
    )
    rows = gain_table[gain_table["tested_on"] == "all"].to_dict("records")
    found = {(row["method"], row["against"]): row for row in rows}
    told = [
        f"`{method}` over `{against}` {row['gain']:+.3f} [{row['low']:+.3f}, {row['high']:+.3f}] ({row['verdict']})"
        for method, against in steps
        if (row := found.get((method, against)))
    ]
    return "; ".join(told) or "no two of the methods in question ran"


def of_labels(doubted_table: pd.DataFrame, planted_table: pd.DataFrame) -> str:
    """How many labels are doubted, and what the rule finds of labels that were made wrong."""
    told = [
        f"{row['suspects']} of {row['count']} {row['pictures']} ({row['suspected']:.1%} "
        f"[{row['suspected.low']:.1%}, {row['suspected.high']:.1%}])"
        for row in doubted_table.to_dict("records")
    ]
    made = planted_table.iloc[0]
    return (
        f"In doubt are the labels of {' and of '.join(told)}. Where {made['planted']:.0%} of the labels are made wrong, the rule "
        f"finds {made['recall']:.1%} of these, and at least {made['precision']:.1%} of what it then doubts is one of them"
    )
