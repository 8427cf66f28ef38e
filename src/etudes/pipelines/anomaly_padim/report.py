"""What `report.md` shows of this study; figures and words of detectors are the bench's."""

from __future__ import annotations

from typing import Any

import pandas as pd
import plotly.graph_objects as go

from etudes.benches.detectors import HALF
from etudes.pipelines.anomaly_padim.parameters import SubsetsParameters
from etudes.reporting import learning_curves
from etudes.reporting.charts import bars, lines, points

LOST = "pixel AUROC lost (fraction)"


def curves(backbone_history: dict[str, Any]) -> go.Figure:
    """How the small network learned its textures; a pretrained one has learned elsewhere."""
    title = "The small network learns textures"
    return learning_curves({"backbone": backbone_history["epochs"]}, "accuracy", title=title)


def subsets(categories_table: pd.DataFrame) -> go.Figure:
    """Pixel AUROC of every variant by category."""
    table, title = _of_pixels(categories_table), "A few channels or the whole pool"
    axes = ("pixel AUROC (fraction)", "variant (name)")
    return bars(table, title, *axes, x="value", y="variant", by="category", low="low", high="high")


def importance(importance_table: pd.DataFrame) -> go.Figure:
    """Importance of every channel with its interval over pictures, best first."""
    table = importance_table.sort_values("importance", ascending=False).sort_values("category", kind="stable")
    table["rank"] = table.groupby("category").cumcount() + 1
    title, axes = "Permutation importance of the channels, on dev", ("rank of the channel (count)", LOST)
    return lines(table, title, *axes, x="rank", y="importance", by="category", low="low", high="high")


def worth(
    categories_table: pd.DataFrame,
    draws_table: pd.DataFrame,
    importance_table: pd.DataFrame,
    subsets: SubsetsParameters,
) -> go.Figure:
    """Every random draw and the best and worst subsets: summed importance on dev, pixel AUROC on test."""
    worths = importance_table.set_index(["category", "channel"])["importance"]
    drawn = zip(draws_table["category"], draws_table["channels"].astype(str), strict=True)
    of_draws = [worths[category][list(map(int, channels.split()))].sum() for category, channels in drawn]
    ends = {"best": pd.Series.nlargest, "worst": pd.Series.nsmallest}
    found = _of_pixels(categories_table)
    found = found[found["variant"].isin(list(ends))]
    named = zip(found["variant"], found["category"], strict=True)
    of_ends = [ends[variant](worths[category], subsets.size).sum() for variant, category in named]
    table = pd.concat(
        [
            draws_table.assign(x=of_draws, y=draws_table["pixel_auroc"], variant=""),
            found.assign(x=of_ends, y=found["value"]),
        ]
    )
    axes = (
        "sum of the importances of its channels, on dev (pixel AUROC lost)",
        "pixel AUROC on test (fraction)",
    )
    empty = "No variant with few channels ran."
    return points(
        table, "Do important channels make a good subset?", *axes, by="category", text="variant", empty=empty
    )


def stages(importance_table: pd.DataFrame) -> pd.DataFrame:
    """Where in the network the information is."""
    table = importance_table.assign(above=importance_table["low"] > 0, below=importance_table["high"] < 0)
    found = table.groupby(["category", "stage"], sort=False).agg(
        channels=("channel", "size"),
        smallest=("importance", "min"),
        median=("importance", "median"),
        largest=("importance", "max"),
        above=("above", "sum"),
        below=("below", "sum"),
    )
    names = {"above": "interval above zero", "below": "interval below zero"}
    return found.reset_index().rename(columns=names)


def luck(draws_table: pd.DataFrame) -> pd.DataFrame:
    """What random draws reach."""
    rows = draws_table.melt(["category"], ["pixel_auroc", "image_auroc"], "metric", "value")
    found = rows.groupby(["metric", "category"], sort=False)["value"].agg(["mean", "std", "min", "max"])
    return found.reset_index().rename(columns={"std": "standard deviation", "min": "worst", "max": "best"})


def _of_pixels(table: pd.DataFrame) -> pd.DataFrame:
    return table[(table["metric"] == "pixel_auroc") & (table["images"] == HALF)]
