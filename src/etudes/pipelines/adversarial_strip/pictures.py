"""Figures and pictures of this study alone: curves over iterations and heights, the transfer matrix, the strips."""

from __future__ import annotations

import io
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import pandas as pd

from etudes.pipelines.adversarial_strip.strip import Pixels
from etudes.reporting import new_figure, variant_colours, variant_symbols
from etudes.reporting.style import HEAT, NEUTRAL, TOP_MARGIN, plain, say_empty, translucent

if TYPE_CHECKING:
    import plotly.graph_objects as go

AXIS = "success (fraction of photos)"
SHEET_WIDTH = 672  # pixels of the sheet of strips
LINE = 18  # pixels of a caption
GAP = 10


def draw_iterations(histories: Mapping[str, Any], variants: Sequence[str]) -> go.Figure:
    """Success on each batch before its step (thin line), and on dev (markers), by iteration.

    Args:
        histories: of learned variants, with ``iterations`` (step, success) and ``epochs`` (step, dev_success).
        variants: all variants of the study, whose order fixes colours.
    """
    import plotly.graph_objects as go

    figure = new_figure("Success by iteration", TOP_MARGIN + 420)
    figure.update_xaxes(title_text="iteration (count)")
    figure.update_yaxes(title_text=AXIS, range=[-0.03, 1.03])
    if not histories:
        return say_empty(figure, "No learned variant ran.")
    colours, symbols = variant_colours(variants), variant_symbols(variants)
    for name in (variant for variant in variants if variant in histories):
        steps, looks = histories[name]["iterations"], histories[name]["epochs"]
        figure.add_trace(
            go.Scatter(
                x=[row["step"] for row in steps],
                y=[row["success"] for row in steps],
                mode="lines",
                name=f"{plain(name)}, batch",
                line={"color": translucent(colours[name], 0.7), "width": 1.2},
                hovertemplate="iteration %{x}<br>%{y:.3f} of the batch",
            )
        )
        figure.add_trace(
            go.Scatter(
                x=[row["step"] for row in looks],
                y=[row["dev_success"] for row in looks],
                mode="lines+markers",
                name=f"{plain(name)}, dev",
                line={"color": colours[name], "width": 2},
                marker={"symbol": symbols[name], "size": 8},
                cliponaxis=False,
                hovertemplate="iteration %{x}<br>%{y:.3f} of dev",
            )
        )
    return figure


def draw_heights(table: pd.DataFrame) -> go.Figure:
    """Success by height of the strip, held out and fitted, with intervals.

    Args:
        table: ``height`` (share), ``rows`` (pixels), ``success``, ``low``, ``high``, and the same with ``fitted_``.
    """
    import plotly.graph_objects as go

    figure = new_figure("Success by height of the strip", TOP_MARGIN + 400)
    figure.update_xaxes(title_text="height of the strip (% of the photo)", rangemode="tozero")
    figure.update_yaxes(title_text=AXIS, range=[-0.03, 1.03])
    looks: tuple[tuple[str, str, str, Any], ...] = (
        ("", "held out", "circle", "solid"),
        ("fitted_", "photos it was learned on", "circle-open", "dot"),
    )
    colour = variant_colours(["held out"])["held out"]
    for start, name, symbol, dash in looks:
        values = table[f"{start}success"]
        figure.add_trace(
            go.Scatter(
                x=100 * table["height"],
                y=values,
                error_y={
                    "type": "data",
                    "symmetric": False,
                    "array": table[f"{start}high"] - values,
                    "arrayminus": values - table[f"{start}low"],
                    "color": translucent(colour, 0.6) if not start else NEUTRAL,
                    "thickness": 1.5,
                    "width": 4,
                },
                customdata=table["rows"],
                mode="lines+markers",
                name=name,
                line={"color": colour if not start else NEUTRAL, "dash": dash, "width": 2},
                marker={"symbol": symbol, "size": 9},
                cliponaxis=False,
                hovertemplate="%{x:.1f} % of the height (%{customdata} rows)<br>success %{y:.3f}",
            )
        )
    return figure


def draw_transfer(table: pd.DataFrame) -> go.Figure:
    """Heat-map of the success of strips learned on one network (rows) against all networks (columns).

    Args:
        table: ``learned_on``, ``scored_on``, ``success``, ``low``, ``high``.
    """
    import plotly.graph_objects as go

    names = list(dict.fromkeys(table["learned_on"]))
    columns = list(dict.fromkeys(table["scored_on"]))
    cells = table.set_index(["learned_on", "scored_on"])
    matrix = [[float(cells.loc[(row, column), "success"]) for column in columns] for row in names]
    figure = new_figure("Transfer between networks", TOP_MARGIN + 90 + 60 * max(len(names), 3), min_width=420)
    figure.add_trace(
        go.Heatmap(
            z=matrix,
            x=[plain(name) for name in columns],
            y=[plain(name) for name in names],
            zmin=0,
            zmax=1,
            colorscale=[list(step) for step in HEAT],
            xgap=2,
            ygap=2,
            text=[[f"{value:.3f}" for value in row] for row in matrix],
            texttemplate="%{text}",
            colorbar={"title": {"text": AXIS, "side": "right"}, "thickness": 12, "outlinewidth": 0},
            hovertemplate="learned on %{y}<br>shown to %{x}<br>success %{z:.3f}<extra></extra>",
        )
    )
    figure.update_xaxes(title_text="shown to (network)", type="category", showgrid=False)
    figure.update_yaxes(
        title_text="learned on (network)", type="category", showgrid=False, autorange="reversed"
    )
    return figure


def strip_sheet(strips: Mapping[str, Pixels]) -> bytes:
    """Strips (h, W, 3) below each other at one scale, each under its caption, enlarged without smoothing: a PNG.

    Raises:
        ValueError: no strips.
    """
    from PIL import Image, ImageDraw, ImageFont

    from etudes.reporting.images import TEXT

    if not strips:
        raise ValueError("there are no strips to show")
    scale = max(1, SHEET_WIDTH // max(strip.shape[1] for strip in strips.values()))
    width = scale * max(strip.shape[1] for strip in strips.values())
    height = sum(LINE + scale * len(strip) + GAP for strip in strips.values())
    sheet = Image.new("RGBA", (width, height), (0, 0, 0, 0))
    draw, font = ImageDraw.Draw(sheet), ImageFont.load_default(size=12)
    top = 0
    for caption, strip in strips.items():
        draw.text((0, top), caption, fill=TEXT, font=font)
        size = (scale * strip.shape[1], scale * len(strip))
        sheet.paste(Image.fromarray(strip).resize(size, Image.Resampling.NEAREST), (0, top + LINE))
        top += LINE + size[1] + GAP
    stream = io.BytesIO()
    sheet.save(stream, "PNG", optimize=True)
    return stream.getvalue()
