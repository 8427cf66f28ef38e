"""Figures of this study alone."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from etudes.evaluation.ranking import threshold_counts

if TYPE_CHECKING:
    import plotly.graph_objects as go

STAGE_COLOURS = 3


def roc_curves(predictions: pd.DataFrame, variants: Sequence[str]) -> go.Figure:
    """ROC curves over the pictures of the test half, the category chosen from a list."""
    import plotly.graph_objects as go

    from etudes.reporting.style import NEUTRAL, TOP_MARGIN, new_figure, plain, variant_colours

    figure = new_figure("ROC curves over test pictures", TOP_MARGIN + 470)
    figure.update_xaxes(title_text="false positive rate (fraction)", range=[0, 1.02])
    figure.update_yaxes(title_text="true positive rate (fraction)", range=[0, 1.02])
    diagonal = {"color": NEUTRAL, "dash": "dash"}
    figure.add_trace(
        go.Scatter(x=[0, 1], y=[0, 1], mode="lines", name="chance", line=diagonal, hoverinfo="skip")
    )
    colours = variant_colours(variants)
    shown = [name for name in variants if (predictions["variant"] == name).any()]
    categories = list(dict.fromkeys(predictions["category"]))
    for number, category in enumerate(categories):
        for name in shown:
            rows = predictions[(predictions["variant"] == name) & (predictions["category"] == category)]
            positive, negative = threshold_counts(rows["score"].to_numpy(), rows["truth"].to_numpy())
            tpr, fpr = ([0.0, *np.cumsum(c[::-1]) / c.sum()] for c in (positive, negative))
            figure.add_trace(
                go.Scatter(
                    x=list(fpr),
                    y=list(tpr),
                    mode="lines",
                    name=plain(name),
                    visible=number == 0,
                    line={"color": colours[name], "width": 2},
                )
            )
    _choose(figure, categories, len(shown), always=1)
    return figure


def importance_bars(table: pd.DataFrame) -> go.Figure:
    """Importance of every channel with its interval over pictures, best first, coloured by stage."""
    import plotly.graph_objects as go

    from etudes.reporting.style import PALETTE, TOP_MARGIN, new_figure

    figure = new_figure("Permutation importance of the channels, on dev", TOP_MARGIN + 430, min_width=620)
    figure.update_xaxes(title_text="rank of the channel (count)")
    figure.update_yaxes(title_text="pixel AUROC lost when the channel is shuffled (fraction)", zeroline=True)
    categories = list(dict.fromkeys(table["category"]))
    stages = sorted(table["stage"].unique())
    for number, category in enumerate(categories):
        rows = table[table["category"] == category].sort_values("importance", ascending=False)
        rows = rows.assign(rank=np.arange(1, len(rows) + 1))
        for stage in stages:
            part = rows[rows["stage"] == stage]
            figure.add_trace(
                go.Scatter(
                    x=part["rank"],
                    y=part["importance"],
                    mode="markers",
                    name=f"stage {stage}",
                    visible=number == 0,
                    customdata=part[["channel", "low", "high"]],
                    marker={
                        "color": PALETTE[(stage - 1) % len(PALETTE)],
                        "symbol": ("circle", "diamond", "square")[(stage - 1) % STAGE_COLOURS],
                        "size": 7,
                    },
                    error_y={
                        "type": "data",
                        "symmetric": False,
                        "array": (part["high"] - part["importance"]).clip(lower=0),
                        "arrayminus": (part["importance"] - part["low"]).clip(lower=0),
                        "thickness": 1,
                        "width": 0,
                    },
                    hovertemplate="channel %{customdata[0]}<br>%{y:.5f} [%{customdata[1]:.5f}, %{customdata[2]:.5f}]",
                )
            )
    _choose(figure, categories, len(stages))
    return figure


def importance_by_stage(table: pd.DataFrame) -> go.Figure:
    """The importances of each stage's channels, every channel a point, with the median: where the information is."""
    import plotly.graph_objects as go

    from etudes.reporting.style import PALETTE, TOP_MARGIN, new_figure, plain

    figure = new_figure("Importance by stage of the network", TOP_MARGIN + 380)
    figure.update_xaxes(title_text="stage of the network (number)", type="category")
    figure.update_yaxes(title_text="pixel AUROC lost (fraction)", zeroline=True)
    figure.update_layout(boxmode="group")
    for number, (category, rows) in enumerate(table.groupby("category", sort=False)):
        figure.add_trace(
            go.Box(
                x=rows["stage"].astype(str),
                y=rows["importance"],
                name=plain(category),
                boxpoints="all",
                jitter=0.4,
                pointpos=0,
                marker={"color": PALETTE[number % len(PALETTE)], "size": 4},
                line={"width": 1.5},
            )
        )
    return figure


def agreement(table: pd.DataFrame) -> go.Figure:
    """Importance measured on dev against importance measured on test: does the ranking repeat?"""
    import plotly.graph_objects as go

    from etudes.reporting.style import NEUTRAL, PALETTE, SYMBOLS, TOP_MARGIN, new_figure, plain

    figure = new_figure("Does the importance repeat on other pictures?", TOP_MARGIN + 430)
    figure.update_xaxes(title_text="importance on dev (pixel AUROC lost)", zeroline=True)
    figure.update_yaxes(title_text="importance on test (pixel AUROC lost)", zeroline=True)
    ends = [
        float(table[["importance", "on_test"]].min().min()),
        float(table[["importance", "on_test"]].max().max()),
    ]
    line = {"color": NEUTRAL, "dash": "dash"}
    figure.add_trace(go.Scatter(x=ends, y=ends, mode="lines", name="equal", line=line, hoverinfo="skip"))
    for number, (category, rows) in enumerate(table.groupby("category", sort=False)):
        figure.add_trace(
            go.Scatter(
                x=rows["importance"],
                y=rows["on_test"],
                mode="markers",
                name=plain(category),
                customdata=rows["channel"],
                marker={
                    "color": PALETTE[number % len(PALETTE)],
                    "symbol": SYMBOLS[number % len(SYMBOLS)],
                    "size": 7,
                },
                hovertemplate="channel %{customdata}<br>dev %{x:.5f}<br>test %{y:.5f}",
            )
        )
    return figure


def subset_scores(
    categories: pd.DataFrame, draws: pd.DataFrame, variants: Sequence[str], metric: str
) -> go.Figure:
    """A metric of every variant in every category with its interval, and each random draw as a point."""
    import plotly.graph_objects as go

    from etudes.reporting.metric import KNOWN
    from etudes.reporting.style import (
        NEUTRAL,
        TOP_MARGIN,
        new_figure,
        plain,
        variant_colours,
        variant_symbols,
    )

    shown = KNOWN[metric]
    figure = new_figure(f"A few channels or the whole pool: {shown.text} on test", TOP_MARGIN + 430)
    figure.update_yaxes(title_text=f"{shown.axis}")
    names = list(dict.fromkeys(categories["category"]))
    figure.update_xaxes(
        title_text="category (name)", tickvals=list(range(len(names))), ticktext=list(map(plain, names))
    )
    colours, symbols = variant_colours(variants), variant_symbols(variants)
    if len(draws):
        generator = np.random.default_rng(0)
        places = draws["category"].map(names.index) + generator.uniform(-0.06, 0.06, len(draws))
        figure.add_trace(
            go.Scatter(
                x=places,
                y=draws[metric],
                mode="markers",
                name="random, each draw",
                customdata=draws["draw"],
                marker={"color": NEUTRAL, "size": 6, "opacity": 0.7},
                hovertemplate="draw %{customdata}<br>%{y:.4f}",
            )
        )
    rows = categories[(categories["metric"] == metric) & (categories["images"] == "half")]
    present = [name for name in variants if (rows["variant"] == name).any()]
    for number, name in enumerate(present):
        part = rows[rows["variant"] == name]
        offset = (number - (len(present) - 1) / 2) * 0.11
        figure.add_trace(
            go.Scatter(
                x=[names.index(category) + offset for category in part["category"]],
                y=part["value"],
                mode="markers",
                name=plain(name),
                marker={"color": colours[name], "symbol": symbols[name], "size": 11},
                error_y={
                    "type": "data",
                    "symmetric": False,
                    "array": (part["high"] - part["value"]).clip(lower=0),
                    "arrayminus": (part["value"] - part["low"]).clip(lower=0),
                    "width": 4,
                },
                hovertemplate="%{y:.4f}",
            )
        )
    return figure


def worth(points: pd.DataFrame) -> go.Figure:
    """Summed importance of a subset's channels against the AUROC it reaches.

    Args:
        points: columns ``category``, ``subset``, ``importance`` and ``pixel_auroc``, one row for each subset.
    """
    import plotly.graph_objects as go

    from etudes.reporting.style import PALETTE, SYMBOLS, TOP_MARGIN, new_figure, plain, say_empty

    figure = new_figure("Do important channels make a good subset?", TOP_MARGIN + 430)
    figure.update_xaxes(title_text="sum of the importances of its channels, on dev (pixel AUROC lost)")
    figure.update_yaxes(title_text="pixel AUROC on test (fraction)")
    if points.empty:
        return say_empty(figure, "random was left out of this run.")
    for number, (category, rows) in enumerate(points.groupby("category", sort=False)):
        figure.add_trace(
            go.Scatter(
                x=rows["importance"],
                y=rows["pixel_auroc"],
                mode="markers+text",
                name=plain(category),
                text=[subset if subset in ("best", "worst") else "" for subset in rows["subset"]],
                textposition="top center",
                customdata=rows["subset"],
                marker={
                    "color": PALETTE[number % len(PALETTE)],
                    "symbol": SYMBOLS[number % len(SYMBOLS)],
                    "size": 8,
                },
                hovertemplate="%{customdata}<br>importance %{x:.5f}<br>AUROC %{y:.4f}",
            )
        )
    return figure


def _choose(figure: Any, names: Sequence[str], each: int, always: int = 0) -> None:
    """A list from which one of ``names`` is chosen; each has ``each`` traces, after ``always`` that stay."""
    from etudes.reporting.style import NEUTRAL, plain

    if len(names) < 2:
        return
    buttons = [
        {
            "label": plain(name),
            "method": "restyle",
            "args": [{"visible": [True] * always + [i == n for i in range(len(names)) for _ in range(each)]}],
        }
        for n, name in enumerate(names)
    ]
    look = {"bgcolor": "#eef0f3", "bordercolor": NEUTRAL, "font": {"color": "#1c1f24"}}
    place = {"x": 1, "xanchor": "right", "y": 1.0, "yanchor": "bottom", "pad": {"b": 6}, "direction": "down"}
    figure.update_layout(updatemenus=[{"buttons": buttons, "name": "category", **look, **place}])
