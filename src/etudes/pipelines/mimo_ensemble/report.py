"""What `report.md` shows: figures, pictures, and the words that must be computed. Nothing here changes a number."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
import plotly.graph_objects as go

from etudes.digits.panels import absent_png
from etudes.examples import Examples
from etudes.pipelines.mimo_ensemble.parameters import EvaluationParameters
from etudes.reporting import image_grid
from etudes.reporting.charts import bars, lines, points
from etudes.study import Study

LOSS = "log-loss on test (nats)"
IN_A_ROW = 6
SAID = {"better": "better", "worse": "worse", "cannot tell": "not to be told apart"}


def members(study: Study, members_table: pd.DataFrame) -> go.Figure:
    """How good one member is, and how often two of them differ: an ensemble wants both."""
    return points(
        members_table,
        "One member, and two of them",
        "members disagree (share of pictures)",
        "accuracy of one member (fraction)",
        x="disagreement",
        y="member_accuracy",
        by="variant",
        order=study.variants,
        size=12,
        empty="Only variants with one member ran.",
    )


def width(width_table: pd.DataFrame) -> go.Figure:
    """Log-loss of one input and of several, by width."""
    table = width_table.assign(by=width_table["members"].astype(str) + " inputs").replace(
        {"by": {"1 inputs": "1 input"}}
    )
    axes = ("channels of the first stage (count)", LOSS)
    return lines(
        table, "One input and several, by width", *axes, x="width", y="log_loss", by="by", log_x=True
    )


def cost(study: Study, cost_table: pd.DataFrame, metrics: dict[str, float]) -> go.Figure:
    """Log-loss by the time of an answer."""
    shown = cost_table[cost_table["variant"] != study.baseline]
    shown = shown.assign(loss=[metrics[f"{name}.log_loss"] for name in shown["variant"]])
    axes = ("time of one picture (ms)", LOSS)
    return points(
        shown,
        "What an answer costs",
        *axes,
        x="latency",
        y="loss",
        by="variant",
        order=study.variants,
        size=12,
    )


def corrupted(study: Study, corrupted_table: pd.DataFrame) -> go.Figure:
    """Log-loss on pictures that were made worse."""
    shown = corrupted_table[corrupted_table["variant"] != study.baseline]
    axes = ("corruption", "log-loss (nats)")
    return bars(
        shown, "Corrupted pictures", *axes, x="corruption", y="log_loss", by="variant", order=study.variants
    )


def disagreed(
    test_split: Examples, split_card: dict[str, Any], models: dict[str, Any], evaluation: EvaluationParameters
) -> bytes:
    """Test pictures on which the members of a network with several outputs are furthest apart, with what each of them says."""
    several = [name for name in models if name.startswith("mimo_") and hasattr(models[name], "draws")]
    if not several:
        return absent_png("no network with several outputs was trained")
    draws = models[several[-1]].draws(test_split)
    names = np.array(split_card["classes"])
    apart = draws.std(axis=0).sum(axis=1).argsort()[::-1][: evaluation.shown]
    said = names[draws.argmax(axis=2)]
    captions = [f"{test_split.rows['class'].iloc[i]}\n{', '.join(said[:, i])}" for i in apart]
    return image_grid([test_split["pixels"][i] for i in apart], captions, IN_A_ROW, tile=150)


def gaps(gap_table: pd.DataFrame, width_table: pd.DataFrame) -> str:
    """What several inputs change at each width, in words."""
    told = []
    for row in gap_table[gap_table["measure"] == "log_loss"].to_dict("records"):
        told.append(
            f"{row['first']} minus {row['second']}: {row['difference']:+.3f} [{row['difference.low']:+.3f}, "
            f"{row['difference.high']:+.3f}] nats, {SAID[row['verdict']]}"
        )
    one = width_table[width_table["members"] == 1].set_index("width")["log_loss"]
    steps = "; ".join(f"{value:.3f} at width {width}" for width, value in one.items())
    return f"{'; '.join(told)}. One input alone: {steps}."
