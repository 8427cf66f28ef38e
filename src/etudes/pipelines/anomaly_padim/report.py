"""What `report.md` shows of this study; figures and words of detectors are the bench's."""

from __future__ import annotations

from typing import Any

import pandas as pd
import plotly.graph_objects as go

from etudes.benches.detectors import HALF
from etudes.pipelines.anomaly_padim.parameters import SubsetsParameters
from etudes.reporting import learning_curves
from etudes.reporting.charts import bars, lines, points
from etudes.study import Study

LOST = "pixel AUROC lost (fraction)"


def curves(backbone_history: dict[str, Any]) -> go.Figure:
    """How the small network learned its textures; a pretrained one has learned elsewhere."""
    title = "The small network learns textures"
    return learning_curves({"backbone": backbone_history["epochs"]}, "accuracy", title=title)


def subsets(study: Study, categories_table: pd.DataFrame) -> go.Figure:
    """Pixel AUROC of every variant by category."""
    names = list(dict.fromkeys(categories_table["category"]))
    table = _of_pixels(categories_table)
    table = (
        table.set_index("variant")
        .loc[[v for v in study.variants if v in set(table["variant"])]]
        .reset_index()
    )
    axes = ("pixel AUROC (fraction)", "variant (name)")
    how = {"x": "value", "y": "variant", "by": "category", "low": "low", "high": "high"}
    return bars(table, "A few channels or the whole pool", *axes, **how, order=names)


def importance(importance_table: pd.DataFrame) -> go.Figure:
    """Importance of every channel with its interval over pictures, best first."""
    table = importance_table.sort_values("importance", ascending=False)
    table["rank"] = table.groupby("category").cumcount() + 1
    title = "Permutation importance of the channels, on dev"
    how = {"x": "rank", "y": "importance", "by": "category", "low": "low", "high": "high"}
    return lines(table, title, "rank of the channel (count)", LOST, **how)


def worth(
    categories_table: pd.DataFrame,
    draws_table: pd.DataFrame,
    importance_table: pd.DataFrame,
    subsets: SubsetsParameters,
) -> go.Figure:
    """Every random draw and the best and worst subsets: summed importance on dev, pixel AUROC on test."""
    worths = importance_table.set_index(["category", "channel"])["importance"]
    rows = [
        (
            draw.category,
            "",
            float(worths[draw.category][list(map(int, draw.channels.split()))].sum()),
            draw.pixel_auroc,
        )
        for draw in draws_table.itertuples()
    ]
    for found in _of_pixels(categories_table).itertuples():
        if found.variant in ("best", "worst"):
            ordered = worths[found.category].sort_values(ascending=found.variant == "worst")
            rows.append(
                (found.category, found.variant, float(ordered.iloc[: subsets.size].sum()), found.value)
            )
    return points(
        pd.DataFrame(rows, columns=["by", "text", "x", "y"]),
        "Do important channels make a good subset?",
        "sum of the importances of its channels, on dev (pixel AUROC lost)",
        "pixel AUROC on test (fraction)",
        by="by",
        text="text",
        empty="No variant with few channels ran.",
    )


def stages(importance_table: pd.DataFrame) -> pd.DataFrame:
    """Where in the network the information is."""
    table = importance_table.assign(above=importance_table["low"] > 0, below=importance_table["high"] < 0)
    grouped = table.groupby(["category", "stage"], sort=False)
    return grouped.agg(
        channels=("channel", "size"),
        smallest=("importance", "min"),
        median=("importance", "median"),
        largest=("importance", "max"),
        **{"interval above zero": ("above", "sum"), "interval below zero": ("below", "sum")},
    ).reset_index()


def luck(draws_table: pd.DataFrame) -> pd.DataFrame:
    """What random draws reach."""
    rows = draws_table.melt(["category"], ["pixel_auroc", "image_auroc"], "metric", "value")
    found = (
        rows.groupby(["category", "metric"], sort=False)["value"]
        .agg(["mean", "std", "min", "max"])
        .reset_index()
    )
    return found.rename(columns={"std": "standard deviation", "min": "worst", "max": "best"})


def _of_pixels(table: pd.DataFrame) -> pd.DataFrame:
    return table[(table["metric"] == "pixel_auroc") & (table["images"] == HALF)]
