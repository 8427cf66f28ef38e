"""Figures of the game: losses, answers of the discriminator, distance on dev, each by epoch."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from etudes.reporting import new_figure
from etudes.reporting.style import NEUTRAL, PALETTE, TOP_MARGIN, say_empty

HEIGHT = TOP_MARGIN + 300
LEFT_OUT = "gan was left out of this run"


def by_epoch(
    epochs: Sequence[Mapping[str, float]],
    lines: Mapping[str, str],
    *,
    title: str,
    unit: str,
    balance: float | None = None,
    levels: Mapping[str, float] | None = None,
    logarithmic: bool = False,
) -> Any:
    """Columns of the history as lines.

    Args:
        epochs: the history; empty if the variant did not run.
        lines: column to the name that is shown.
        title, unit: of the figure and of its values.
        balance: value of an even game, drawn as a dotted line.
        levels: values of others, each drawn as a dashed line under its name.
        logarithmic: whether the values have a logarithmic axis.
    """
    import plotly.graph_objects as go

    figure = new_figure(title, HEIGHT)
    figure.update_xaxes(title_text="epoch (count)")
    figure.update_yaxes(title_text=unit, type="log" if logarithmic else "linear")
    if not epochs:
        figure.update_yaxes(type="linear")
        return say_empty(figure, LEFT_OUT)
    x = [row["epoch"] for row in epochs]
    for number, (column, name) in enumerate(lines.items()):
        figure.add_trace(
            go.Scatter(
                x=x,
                y=[row[column] for row in epochs],
                mode="lines+markers",
                name=name,
                line={"color": PALETTE[number]},
                hovertemplate=f"epoch %{{x}}<br>{name} %{{y:.3f}}<extra></extra>",
            )
        )
    constant = {"an even game": balance} if balance is not None else {}
    for number, (name, value) in enumerate({**constant, **(levels or {})}.items()):
        figure.add_trace(
            go.Scatter(
                x=[x[0], x[-1]],
                y=[value, value],
                mode="lines",
                name=name,
                line={"color": NEUTRAL, "dash": ("dot", "dash", "dashdot")[number % 3]},
                hovertemplate=f"{name} {value:.3f}<extra></extra>",
            )
        )
    return figure
