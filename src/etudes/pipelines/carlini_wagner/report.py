"""What `report.md` shows. Nothing here changes a number."""

from __future__ import annotations

import pandas as pd
import plotly.graph_objects as go

from etudes.benches import attack_pages
from etudes.examples import Examples
from etudes.pipelines.carlini_wagner.parameters import EvaluationParameters
from etudes.reporting import image_grid
from etudes.reporting.charts import bars, lines
from etudes.study import Study

TENFOLD = 255 / 20  # levels: ten times a change of this size is black or white


def curve(curve_table: pd.DataFrame, study: Study) -> go.Figure:
    """Success by Euclidean radius."""
    return attack_pages.curve(curve_table, study, norm="l2")


def confidence(confidence_table: pd.DataFrame) -> go.Figure:
    """Success on each network by the lead that was asked of the first, beside PGD in balls of the same radius."""
    by = [
        network if variant != "pgd" else f"{network}, pgd"
        for network, variant in zip(confidence_table["shown_to"], confidence_table["variant"], strict=True)
    ]
    title = "Success by confidence and network"
    x, y = "lead asked for, kappa (logits)", "success (fraction of pictures the network knows)"
    rows = confidence_table.assign(by=by)
    return lines(rows, title, x, y, x="confidence", y="success", by="by", low="low", high="high")


def rounding(rounding_table: pd.DataFrame, study: Study) -> go.Figure:
    """Success as found and after rounding to 8 bits."""
    found = rounding_table[["variant", "success", "low", "high"]].assign(pictures="as found")
    saved = rounding_table[["variant", "rounded_success", "rounded_low", "rounded_high"]]
    saved = saved.set_axis(found.columns[:4], axis=1).assign(pictures="as a file holds them")
    return bars(
        pd.concat([found, saved]),
        "Success before and after rounding to 8 bits",
        "success (fraction of known pictures)",
        "variant",
        x="success",
        y="variant",
        by="pictures",
        low="low",
        high="high",
    )


def panels(photos_samples: Examples, evaluation: EvaluationParameters) -> bytes:
    """Photos, ten times their change, and the photos with it."""
    rows = photos_samples.rows
    said = "10 x change, " + rows["saved_distance"].map("{:.2f}".format)
    return attack_pages.triplets(photos_samples, pd.Series(TENFOLD, rows.index), said, evaluation.shown)


def failures(photos_samples: Examples, evaluation: EvaluationParameters) -> bytes:
    """Photos that did not reach the target as a file holds them, and those that took the longest way."""
    rows = photos_samples.rows
    order = rows.sort_values(["success", "saved_distance"], ascending=[True, False]).index[: evaluation.shown]
    captions = [
        f"{row['truth']}{'' if row['success'] else ': kept'}\n{row['predicted']}, {row['saved_distance']:.2f}"
        for row in rows.loc[order].to_dict("records")
    ]
    return image_grid(list(photos_samples["attacked"][order]), captions, 6, tile=attack_pages.TILE)
