"""Figures of codes: rate against distortion, what each dimension is used for, where the digits lie."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import pandas as pd

from etudes.digits.files import DIGITS
from etudes.reporting import new_figure, variant_colours, variant_symbols
from etudes.reporting.style import NEUTRAL, TOP_MARGIN, say_empty

HEIGHT = TOP_MARGIN + 400


def rate_distortion(table: pd.DataFrame) -> Any:
    """One point for each beta, and the line on which the bound is that of the best."""
    import plotly.graph_objects as go

    figure = new_figure("Rate and distortion", HEIGHT)
    figure.update_xaxes(title_text="rate: KL of the code (nats)")
    figure.update_yaxes(title_text="distortion: negative log-likelihood (nats)")
    best = float((table["rate"] + table["distortion"]).min())
    ends = [float(table["rate"].min()), float(table["rate"].max())]
    figure.add_trace(
        go.Scatter(
            x=ends,
            y=[best - rate for rate in ends],
            mode="lines",
            name=f"bound of {-best:.1f} nats",
            line={"color": NEUTRAL, "dash": "dash"},
            hoverinfo="skip",
        )
    )
    figure.add_trace(
        go.Scatter(
            x=table["rate"],
            y=table["distortion"],
            mode="lines+markers+text",
            text=[f"β = {beta:g}" for beta in table["beta"]],
            textposition="top right",
            customdata=table[["beta", "elbo", "active_units"]],
            hovertemplate="β %{customdata[0]}<br>rate %{x:.1f}<br>distortion %{y:.1f}<br>bound %{customdata[1]:.1f}"
            "<br>%{customdata[2]} active units<extra></extra>",
            name="networks of the sweep",
            marker={"size": 9},
            cliponaxis=False,
        )
    )
    return figure


def unit_curves(table: pd.DataFrame, variants: Sequence[str]) -> Any:
    """KL of each latent dimension, the busiest first, one line for each variant."""
    import plotly.graph_objects as go

    figure = new_figure("What the dimensions of the code are used for", HEIGHT)
    figure.update_xaxes(title_text="latent dimension (rank by KL)")
    figure.update_yaxes(title_text="KL to the prior (nats)", rangemode="tozero")
    if table.empty:
        return say_empty(figure, "No variant with a code ran.")
    colours, symbols = variant_colours(variants), variant_symbols(variants)
    for name in table["variant"].unique():
        rows = table[table["variant"] == name]
        figure.add_trace(
            go.Scatter(
                x=rows["unit"],
                y=rows["kl"],
                mode="lines+markers",
                name=name,
                line={"color": colours[name]},
                marker={"symbol": symbols[name], "size": 6},
                customdata=rows["variance"],
                hovertemplate="dimension %{x}<br>KL %{y:.3f} nats<br>variance of the mean %{customdata:.3f}",
            )
        )
    return figure


def code_scatter(table: pd.DataFrame, variant: str, reason: str) -> Any:
    """Codes of test pictures in a plane, each drawn as its digit; ``reason`` says why there are none."""
    import plotly.graph_objects as go

    rows = table[table["variant"] == variant]
    figure = new_figure(f"Codes of {variant}" if variant else "Codes", TOP_MARGIN + 520)
    figure.update_xaxes(title_text="first dimension (standard deviations of the prior)")
    figure.update_yaxes(title_text="second dimension (standard deviations of the prior)", scaleanchor="x")
    if rows.empty:
        return say_empty(figure, reason)
    share = float(rows["explained"].iloc[0])
    if share < 1:
        title = (
            f"principal component of the codes (standard deviations of the prior); both explain {share:.0%}"
        )
        figure.update_xaxes(title_text=f"first {title}")
        figure.update_yaxes(title_text="second principal component")
    names = [str(digit) for digit in range(DIGITS)]
    colours = variant_colours(names)
    for digit in sorted(map(int, rows["label"].unique())):
        of_digit = rows[rows["label"] == digit]
        name = names[digit]
        figure.add_trace(  # a point is its digit: there are more digits than colours that all can tell apart
            go.Scatter(
                x=of_digit["x"].round(3),
                y=of_digit["y"].round(3),
                mode="text",
                text=[name] * len(of_digit),
                textfont={"color": colours[name], "size": 10},
                name=name,
                showlegend=False,
                hovertemplate=f"digit {name}<br>%{{x:.2f}}, %{{y:.2f}}<extra></extra>",
            )
        )
    return figure
