"""What `report.md` shows: figures, a picture, and the words that must be computed. Nothing here changes a number."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
import plotly.graph_objects as go

from etudes.digits.panels import absent_png
from etudes.examples import Examples
from etudes.pipelines.knowledge_distillation.parameters import EvaluationParameters
from etudes.reporting import image_grid
from etudes.reporting.charts import heat, points
from etudes.study import Study

IN_A_ROW, SAID = 6, 3
SOFT = 4.0  # the temperature of the answers that are shown


def grid(grid_table: pd.DataFrame) -> go.Figure:
    """Accuracy on test by temperature and share."""
    shown = grid_table.assign(
        temperature=grid_table["temperature"].map("{:g}".format), share=grid_table["share"].map("{:g}".format)
    )
    axes = (
        "share of the teacher's answers in the loss (fraction)",
        "temperature (no unit)",
        "accuracy (fraction)",
    )
    cells: dict[str, Any] = {"x": "share", "y": "temperature", "value": "accuracy", "digits": 3}
    return heat(shown, "Accuracy on test", *axes, **cells, empty="No teacher was trained.")


def cost(study: Study, cost_table: pd.DataFrame, metrics: dict[str, float]) -> go.Figure:
    """Accuracy by size."""
    shown = cost_table.assign(accuracy=[metrics[f"{name}.accuracy"] for name in cost_table["variant"]])
    axes = ("size of the weights (kilobytes)", "accuracy on test (fraction)")
    how: dict[str, Any] = {"x": "kilobytes", "y": "accuracy", "by": "variant", "order": study.variants}
    return points(
        shown, "What an answer costs", *axes, **how, size=12, log_x=True, empty="No network was trained."
    )


def told(
    test_split: Examples, split_card: dict[str, Any], models: dict[str, Any], evaluation: EvaluationParameters
) -> bytes:
    """The test pictures of which the teacher is least sure, with the classes that its softened answer names first."""
    if "teacher" not in models:
        return absent_png("no teacher was trained")
    logits = models["teacher"].logits(test_split) / SOFT
    p = np.exp(logits - logits.max(1, keepdims=True))
    p, names = p / p.sum(1, keepdims=True), np.array(split_card["classes"])
    shown = p.max(1).argsort()[: evaluation.shown]
    captions = ["\n".join(f"{names[k]} {p[i, k]:.2f}" for k in p[i].argsort()[::-1][:SAID]) for i in shown]
    return image_grid([test_split["pixels"][i] for i in shown], captions, IN_A_ROW, tile=150)


def chosen(grid_table: pd.DataFrame) -> str:
    """Which temperature and share dev chose, and what the grid spans."""
    if grid_table.empty:
        return "No teacher was trained."
    best = grid_table.iloc[int(grid_table["dev_accuracy"].argmax())]
    low, high = grid_table["accuracy"].min(), grid_table["accuracy"].max()
    return (
        f"Dev chose temperature {best['temperature']:g} and share {best['share']:g} ({best['accuracy']:.3f} on test); over the grid, test "
        f"accuracy goes from {low:.3f} to {high:.3f}."
    )
