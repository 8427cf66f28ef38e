"""What `report.md` shows: figures, pictures, and the words that must be computed. Nothing here changes a number."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
import plotly.graph_objects as go

from etudes.digits.panels import absent_png
from etudes.examples import Examples
from etudes.pipelines.network_compression.parameters import EvaluationParameters, FileParameters
from etudes.reporting import image_grid
from etudes.reporting.charts import lines, points
from etudes.study import Study

IN_A_ROW = 6
ACCURACY, BYTES = "accuracy on test (fraction)", "file (kilobytes)"


def size(
    study: Study, cost_table: pd.DataFrame, metrics: dict[str, float], file: FileParameters
) -> go.Figure:
    """Accuracy by the bytes of the file, with the line that files must stay below."""
    shown = cost_table.assign(accuracy=[metrics[f"{name}.accuracy"] for name in cost_table["variant"]])
    how: dict[str, Any] = {"x": "kilobytes", "y": "accuracy", "by": "variant", "order": study.variants}
    found = points(
        shown, "Accuracy by size", BYTES, ACCURACY, **how, size=12, log_x=True, empty="No network ran."
    )
    if len(shown):
        found.add_vline(x=file.limit, line_dash="dot", annotation_text=f"{file.limit:g} kB")
    return found


def frontier(frontier_table: pd.DataFrame, file: FileParameters) -> go.Figure:
    """Every network at every number of bits."""
    how: dict[str, Any] = {"x": "kilobytes", "y": "accuracy", "by": "network", "log_x": True}
    found = lines(frontier_table, "Fewer weights, fewer bits", BYTES, ACCURACY, **how)
    found.add_vline(x=file.limit, line_dash="dot", annotation_text=f"{file.limit:g} kB")
    return found


def lost(pruning_table: pd.DataFrame) -> go.Figure:
    """Accuracy by what is taken away, before and after more training."""
    parts = [
        pruning_table.assign(accuracy=pruning_table[column], by=pruning_table["kind"] + when)
        for column, when in (("accuracy_before", ", at once"), ("accuracy", ", trained on"))
    ]
    axes = ("share that is gone (fraction)", ACCURACY)
    return lines(pd.concat(parts), "What pruning takes", *axes, x="rate", y="accuracy", by="by")


def speed(study: Study, cost_table: pd.DataFrame) -> go.Figure:
    """Time by operations: they are not the same."""
    axes = ("operations of one picture (millions)", "time of a batch (ms)")
    how: dict[str, Any] = {"x": "megaflops", "y": "batch_latency", "by": "variant", "order": study.variants}
    return points(
        cost_table, "Operations and time", *axes, **how, size=12, log_x=True, empty="No network ran."
    )


def mistaken(
    test_split: Examples,
    split_card: dict[str, Any],
    predictions: pd.DataFrame,
    cost_table: pd.DataFrame,
    evaluation: EvaluationParameters,
) -> bytes:
    """Test pictures that `uncompressed` gets right and the smallest file of the same network wrong."""
    ours = cost_table[
        cost_table["variant"].isin(["int8", "int4", "int4_tuned", "pruned", "slimmed", "combined"])
    ]
    answered = {str(name): rows for name, rows in predictions.groupby("variant", sort=False)}
    if ours.empty or "uncompressed" not in answered:
        return absent_png("no network was made smaller")
    smallest = str(ours["variant"].iloc[int(ours["kilobytes"].argmin())])
    truth = answered["uncompressed"]["truth"].to_numpy()
    right, now = (answered[name]["predicted"].to_numpy() for name in ("uncompressed", smallest))
    lost_rows = np.flatnonzero((right == truth) & (now != truth))[: evaluation.shown]
    if not len(lost_rows):
        return absent_png("the smallest file loses no picture")
    captions = [f"{truth[row]}\n{smallest}: {now[row]}" for row in lost_rows]
    return image_grid([test_split["pixels"][row] for row in lost_rows], captions, IN_A_ROW, tile=150)


def within(claim_table: pd.DataFrame, cost_table: pd.DataFrame, file: FileParameters) -> str:
    """Which files below the limit lose no more than two points."""
    rows = claim_table[claim_table["second"] == "uncompressed"].merge(
        cost_table, left_on="first", right_on="variant"
    )
    said = {"yes": "surely", "cannot tell": "perhaps", "no": "not"}
    parts = [
        f"`{row['first']}` ({row['kilobytes']:.0f} kB, {row['difference']:+.4f}) {said[row['within']]}"
        for row in rows[rows["kilobytes"] <= file.limit].to_dict("records")
    ]
    return f"Within two points of the uncompressed network below {file.limit:g} kB: {'; '.join(parts) or 'none ran'}."
