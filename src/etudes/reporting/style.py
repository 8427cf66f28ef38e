"""One look for every figure: palette, plotly template, and the few helpers that all figures share.

Colours are Matthew Petroff's eight-colour sequence ("Accessible Color Sequences for Data Visualization",
arXiv:2107.02270), chosen there for colour-vision deficiency and for lightness. Colour never stands alone: a
variant also has its marker symbol, and bars carry their names.

Backgrounds are transparent and texts mid-grey (contrast over 4 on white and on the dark page), so that a figure
can be read as it is in MLflow and kedro-viz in both themes; the report page sharpens the texts to its theme.
"""

from __future__ import annotations

import html
import textwrap
from collections import Counter
from collections.abc import Mapping, Sequence
from functools import cache
from typing import TYPE_CHECKING, Any

import numpy as np

from etudes.metrics import check_variants

if TYPE_CHECKING:
    import plotly.graph_objects as go
    from numpy.typing import ArrayLike

TEMPLATE = "etudes"
PALETTE = ("#1845fb", "#ff5e02", "#c91f16", "#c849a9", "#adad7d", "#86c8dd", "#578dff", "#656364")
# Seven symbols against eight colours: the pair repeats after 56 variants only.
SYMBOLS = ("circle", "square", "diamond", "triangle-up", "cross", "triangle-down", "star")
FONT = 'system-ui, -apple-system, "Segoe UI", Roboto, "Helvetica Neue", Arial, sans-serif'
NEUTRAL = "#767b83"
GRID = "rgba(128,134,143,0.28)"
# Zero is the page itself; the steps are finer near zero, where most cells of a confusion matrix lie.
HEAT = (
    (0.0, "rgba(63,144,218,0)"),
    (0.02, "rgba(63,144,218,0.10)"),
    (0.1, "rgba(63,144,218,0.28)"),
    (0.4, "rgba(63,144,218,0.62)"),
    (1.0, "rgba(63,144,218,1)"),
)
NONE = "no test rows"  # beside the name of a class that test does not have
TOP_MARGIN = 84  # title and one or two rows of legend


def variant_colours(variants: Sequence[str]) -> dict[str, str]:
    """Colour of each variant, by its position in the list alone: leaving one out of a figure moves no other.

    Raises:
        ValueError: a name occurs twice.
    """
    return {name: PALETTE[i % len(PALETTE)] for i, name in enumerate(check_variants(variants))}


def variant_symbols(variants: Sequence[str]) -> dict[str, str]:
    """Marker symbol of each variant, by its position in the list.

    Raises:
        ValueError: a name occurs twice.
    """
    return {name: SYMBOLS[i % len(SYMBOLS)] for i, name in enumerate(check_variants(variants))}


@cache
def register_template() -> None:
    """Register the plotly template ``etudes``; `new_figure` does it. The default template is left alone."""
    import plotly.graph_objects as go
    import plotly.io as pio

    axis: dict[str, Any] = {
        "gridcolor": GRID,
        "zerolinecolor": GRID,
        "linecolor": NEUTRAL,
        "showline": True,
        "ticks": "outside",
        "tickcolor": NEUTRAL,
        "ticklen": 4,
        "automargin": True,
        "title": {"standoff": 10},
    }
    pio.templates[TEMPLATE] = go.layout.Template(
        layout={
            "colorway": list(PALETTE),
            "font": {"family": FONT, "size": 13, "color": NEUTRAL},
            "title": {
                "x": 0,
                "xref": "container",
                "xanchor": "left",
                "y": 1,
                "yref": "container",
                "yanchor": "top",
                "pad": {"t": 14, "l": 8},
                "font": {"size": 16},
            },
            "paper_bgcolor": "rgba(0,0,0,0)",
            "plot_bgcolor": "rgba(0,0,0,0)",
            "margin": {"l": 16, "r": 16, "t": TOP_MARGIN, "b": 16},
            "legend": {
                "orientation": "h",
                "x": 0,
                "xanchor": "left",
                "y": 1.0,
                "yanchor": "bottom",
                "bgcolor": "rgba(0,0,0,0)",
            },
            "hoverlabel": {"font": {"family": FONT, "size": 13}, "align": "left"},
            "xaxis": axis,
            "yaxis": axis,
        }
    )


def new_figure(title: str, height: int, *, min_width: int = 0) -> go.Figure:
    """An empty figure in the common look.

    Args:
        title: plain text, escaped here.
        height: pixels.
        min_width: pixels below which the figure cannot be read; the report page then lets it scroll in its box.
    """
    import plotly.graph_objects as go

    register_template()
    figure = go.Figure()
    figure.update_layout(template=TEMPLATE, height=height, title_text=plain(title))
    if min_width:
        figure.update_layout(meta={"min_width": min_width})
    return figure


def say_empty(figure: go.Figure, reason: str) -> go.Figure:
    """Write why there is nothing to see into the middle of a figure without data."""
    figure.add_annotation(text=plain(reason), x=0.5, y=0.5, xref="paper", yref="paper", showarrow=False)
    figure.update_xaxes(showticklabels=False, ticks="", range=[0, 1])
    figure.update_yaxes(showticklabels=False, ticks="", range=[0, 1])
    return figure


def translucent(colour: str, opacity: float) -> str:
    """A colour ``#rrggbb`` as plotly's rgba, so that whiskers and grid lines show through a bar."""
    red, green, blue = (int(colour[i : i + 2], 16) for i in (1, 3, 5))
    return f"rgba({red},{green},{blue},{opacity})"


def add_band(
    figure: go.Figure,
    x: ArrayLike,
    low: ArrayLike,
    high: ArrayLike,
    colour: str,
    group: str,
    **axes: str,
) -> None:
    """Shade what lies between ``low`` and ``high`` over ``x``; the legend entry ``group`` hides and shows it.

    Args:
        figure: to draw into.
        x, low, high: (n,).
        colour: ``#rrggbb``.
        group: the ``legendgroup`` of the line that the band belongs to.
        axes: ``xaxis`` and ``yaxis`` where they are not the first ones.
    """
    import plotly.graph_objects as go

    figure.add_trace(
        go.Scatter(
            x=np.concatenate([x, np.flip(x)]),
            y=np.concatenate([high, np.flip(low)]),
            mode="lines",  # by itself plotly marks the corners of a short outline
            fill="toself",
            fillcolor=translucent(colour, 0.18),
            line={"width": 0},
            hoverinfo="skip",
            legendgroup=group,
            showlegend=False,
            **axes,
        )
    )


def plain(text: object) -> str:
    """Text that plotly shows as it is: plotly reads a little HTML in every text, and ``<br />`` is a word in some."""
    return html.escape(str(text), quote=False)


def wrapped(text: object, width: int = 24, lines: int = 3) -> str:
    """Text in at most ``lines`` lines for an axis label, the rest cut with an ellipsis; plotly HTML, escaped."""
    found = textwrap.wrap(str(text), width) or [""]
    if len(found) > lines:
        found = [*found[: lines - 1], textwrap.shorten(" ".join(found[lines - 1 :]), width, placeholder="…")]
    return "<br>".join(plain(line) for line in found)


def columns_of(table: Any, needed: Sequence[str], what: str) -> dict[str, list[Any]]:
    """The needed columns of a DataFrame (or of a mapping of columns) as lists.

    Raises:
        ValueError: a column is missing or the columns differ in length.
    """
    missing = [name for name in needed if name not in table]
    if missing:
        there = ", ".join(map(str, table)) or "none"
        raise ValueError(f"{what} lacks the columns {', '.join(missing)}; it has {there}")
    found = {name: list(table[name]) for name in needed}
    if len({len(values) for values in found.values()}) > 1:
        lengths = ", ".join(f"{name} {len(values)}" for name, values in found.items())
        raise ValueError(f"the columns of {what} differ in length: {lengths}")
    return found


def colour_order(given: Mapping[str, Any], variants: Sequence[str] | None, what: str) -> list[str]:
    """The list whose positions choose colours: ``variants``, or the keys of ``given``.

    Raises:
        ValueError: ``given`` has a variant that ``variants`` does not name.
    """
    order = check_variants(list(given) if variants is None else variants)
    strangers = [name for name in given if name not in order]
    if strangers:
        raise ValueError(f"{what} has variants that are not in the list: {', '.join(strangers)}")
    return order


def check_unique(names: Sequence[Any], what: str) -> None:
    """Refuse names that occur twice: on an axis of names they would fall together.

    Raises:
        ValueError: a name occurs twice.
    """
    twice = [str(name) for name, count in Counter(names).items() if count > 1]
    if twice:
        raise ValueError(f"{what} occur twice: {', '.join(twice[:5])}")
