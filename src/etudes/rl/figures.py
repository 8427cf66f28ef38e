"""Figures of reinforcement studies: learning curves with bands, performance profiles, probability of improvement."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import ArrayLike

from etudes.reporting.style import (
    HEAT,
    NEUTRAL,
    TOP_MARGIN,
    add_band,
    colour_order,
    new_figure,
    plain,
    say_empty,
    variant_colours,
    variant_symbols,
)
from etudes.rl.statistics import interquartile_mean, mean_band, performance_profile

if TYPE_CHECKING:
    import pandas as pd
    import plotly.graph_objects as go

HEIGHT = TOP_MARGIN + 400


def return_curves(
    curves: Mapping[str, tuple[ArrayLike, ArrayLike]],
    *,
    variants: Sequence[str],
    levels: Mapping[str, float] | None = None,
    resamples: int = 1000,
    unit: str = "points",
    title: str = "Learning curves",
) -> go.Figure:
    """Interquartile mean over runs of the dev return by environment step, with a 95 % bootstrap band over runs.

    Args:
        curves: for each variant the steps (T,) and the returns (runs, T).
        variants: all variants of the study, whose order fixes colours.
        levels: returns drawn as dashed lines, by their name.
        resamples: behind the bands.
        unit: of the return.

    Raises:
        ValueError: an unlisted variant, or returns that do not fit the steps.
    """
    import plotly.graph_objects as go

    order = colour_order(curves, variants, "curves")
    colours, symbols = variant_colours(order), variant_symbols(order)
    figure = new_figure(title, HEIGHT)
    figure.update_xaxes(title_text="environment steps (count)", rangemode="tozero")
    figure.update_yaxes(title_text=f"return of greedy dev episodes ({unit})")
    for name in order:
        if name not in curves:
            continue
        steps, returns = (np.asarray(part, np.float64) for part in curves[name])
        if returns.ndim != 2 or returns.shape[1:] != steps.shape:
            raise ValueError(
                f"the curves of {name} have the shape {returns.shape} for {len(steps)} steps; expected (runs, steps)"
            )
        middle = interquartile_mean(returns.T[..., None])
        if len(returns) > 1:
            low, high = mean_band(returns, resamples, statistic="iqm")
            add_band(figure, steps, low, high, colours[name], name)
        figure.add_trace(
            go.Scatter(
                x=steps,
                y=middle,
                mode="lines+markers",
                name=f"{plain(name)} ({len(returns)})",
                legendgroup=name,
                line={"color": colours[name], "width": 2},
                marker={"symbol": symbols[name], "size": 6},
                hovertemplate="step %{x:,}<br>return %{y:.1f}",
            )
        )
    if not curves:
        return say_empty(figure, "No variant was trained.")
    for text, level in (levels or {}).items():
        _add_level(figure, text, level)
    return figure


def profile_curves(
    returns: Mapping[str, ArrayLike],
    *,
    variants: Sequence[str],
    resamples: int = 1000,
    points: int = 101,
    unit: str = "points",
    title: str = "Performance profiles",
) -> go.Figure:
    """Share of a run's episodes that get more than a return, by that return, with a 95 % bootstrap band over runs.

    Args:
        returns: for each variant (runs, episodes).
        variants: all variants of the study, whose order fixes colours.
        resamples: behind the bands.
        points: of a curve.
        unit: of the return.
    """
    import plotly.graph_objects as go

    order = colour_order(returns, variants, "returns")
    colours = variant_colours(order)
    figure = new_figure(title, HEIGHT)
    figure.update_xaxes(title_text=f"return τ ({unit})")
    figure.update_yaxes(title_text="episodes with a return above τ (fraction)", range=[-0.02, 1.02])
    if not returns:
        return say_empty(figure, "No variant was played.")
    pooled = np.concatenate([np.ravel(np.asarray(values, np.float64)) for values in returns.values()])
    # A few falls from great heights would squeeze everything else.
    thresholds = np.linspace(np.quantile(pooled, 0.01), pooled.max(), points)
    for name in order:
        if name not in returns:
            continue
        profile = performance_profile(returns[name], thresholds, resamples)
        if len(np.asarray(returns[name])) > 1:
            add_band(figure, thresholds, profile["low"], profile["high"], colours[name], name)
        figure.add_trace(
            go.Scatter(
                x=thresholds,
                y=profile["share"],
                mode="lines",
                name=plain(name),
                legendgroup=name,
                line={"color": colours[name], "width": 2},
                hovertemplate="return %{x:.0f}<br>above it %{y:.3f}",
            )
        )
    return figure


def improvement_map(
    table: pd.DataFrame, *, variants: Sequence[str], title: str = "Probability of improvement"
) -> go.Figure:
    """How likely a run of the row's variant beats one of the column's.

    Args:
        table: columns ``variant``, ``other``, ``probability``, ``low`` and ``high`` (may be missing numbers).
        variants: the order of rows and columns; those without a row are left out.
    """
    import plotly.graph_objects as go

    there = {*table["variant"], *table["other"]}
    names = [name for name in variants if name in there]
    figure = new_figure(title, TOP_MARGIN + 80 + 46 * max(len(names), 3), min_width=90 + 76 * len(names))
    figure.update_xaxes(title_text="beats (variant)", type="category", showgrid=False)
    figure.update_yaxes(
        title_text="a run of (variant)", type="category", showgrid=False, autorange="reversed"
    )
    if not names:
        return say_empty(figure, "Fewer than two variants.")
    cells: dict[tuple[str, str], Any] = {
        (row["variant"], row["other"]): row for row in table.to_dict("records")
    }
    rows = [[cells.get((a, b)) for b in names] for a in names]
    figure.add_trace(
        go.Heatmap(
            x=[plain(name) for name in names],
            y=[plain(name) for name in names],
            z=[[cell["probability"] if cell else None for cell in row] for row in rows],
            text=[[f"{cell['probability']:.2f}" if cell else "" for cell in row] for row in rows],
            customdata=[[_told(cell) for cell in row] for row in rows],
            texttemplate="%{text}",
            hovertemplate="%{customdata}<extra></extra>",
            hoverongaps=False,
            zmin=0,
            zmax=1,
            colorscale=[list(step) for step in HEAT],
            colorbar={"title": {"text": "probability"}, "thickness": 12},
            xgap=2,
            ygap=2,
        )
    )
    return figure


def _told(cell: Mapping[str, Any] | None) -> str:
    if cell is None:
        return ""
    text = f"{plain(cell['variant'])} beats {plain(cell['other'])}: {cell['probability']:.3f}"
    low, high = cell["low"], cell["high"]
    return text if np.isnan(low) else f"{text} [{low:.3f}, {high:.3f}]"


def _add_level(figure: go.Figure, text: str, level: float) -> None:
    figure.add_shape(
        type="line",
        x0=0,
        x1=1,
        xref="paper",
        y0=level,
        y1=level,
        line={"dash": "dash", "color": NEUTRAL, "width": 1.5},
        name=plain(text),
        showlegend=True,
    )
