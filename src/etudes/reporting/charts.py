"""Four forms of figure over a tidy table: lines, points, bars, heat. A study draws by hand only what is its own.

A table has a row for each value, with the columns ``x`` and ``y``; ``by`` names the series, ``low`` and ``high`` are the ends of
an interval. Columns that are called otherwise are named. Every axis has a title with its unit; texts are escaped.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from etudes.reporting.style import (
    HEAT,
    NEUTRAL,
    TOP_MARGIN,
    add_band,
    columns_of,
    new_figure,
    plain,
    say_empty,
    translucent,
    variant_colours,
    variant_symbols,
    wrapped,
)

if TYPE_CHECKING:
    import pandas as pd
    import plotly.graph_objects as go

HEIGHT = TOP_MARGIN + 320
ROW = 30  # pixels of a bar with its gap
DASHES = ("dash", "dot", "dashdot")
NOTHING = "Nothing to show in this run."


def lines(
    table: pd.DataFrame,
    title: str,
    x_title: str,
    y_title: str,
    *,
    x: str = "x",
    y: str = "y",
    by: str = "",
    low: str = "",
    high: str = "",
    order: Sequence[str] = (),
    levels: Mapping[str, float] | None = None,
    log_x: bool = False,
    log_y: bool = False,
    marks: bool = True,
    empty: str = NOTHING,
    height: int = HEIGHT,
) -> go.Figure:
    """A line for each series, with a band between ``low`` and ``high`` where they are named.

    Args:
        table: tidy; rows without a value (NaN) are gaps.
        title, x_title, y_title: of the figure and its axes, units included.
        x, y, by, low, high: names of columns; without ``by`` there is one series.
        order: all series, whose places choose colours; in the order of the table if empty.
        levels: values drawn as horizontal lines, by their names.
        log_x, log_y: logarithmic axes.
        marks: whether points are marked.
        empty: what is said if there are no rows.
    """
    import plotly.graph_objects as go

    figure = _figure(title, x_title, y_title, height, log_x, log_y)
    series = _series(table, [x, y, *filter(None, (low, high))], by, order, f"the table of '{title}'")
    if not any(len(rows[x]) for rows in series.values()):
        return say_empty(_figure(title, x_title, y_title, height), empty)
    colours, symbols = variant_colours(list(series)), variant_symbols(list(series))
    for name, rows in series.items():
        if not len(rows[x]):
            continue
        if low and high and any(_is_number(v) for v in rows[low]):
            add_band(figure, rows[x], rows[low], rows[high], colours[name], name)
        figure.add_trace(
            go.Scatter(
                x=rows[x],
                y=rows[y],
                mode="lines+markers" if marks or len(rows[x]) == 1 else "lines",
                name=plain(name),
                legendgroup=name,
                showlegend=(bool(by) and len(series) > 1) or bool(levels),
                line={"color": colours[name], "width": 2},
                marker={"symbol": symbols[name], "size": 7},
                hovertemplate=f"{plain(x_title)} %{{x}}<br>{plain(name)} %{{y:.4g}}<extra></extra>",
            )
        )
    numbers = [v for rows in series.values() for v in rows[x]]
    _add_levels(figure, levels or {}, min(numbers), max(numbers))
    return figure


def points(
    table: pd.DataFrame,
    title: str,
    x_title: str,
    y_title: str,
    *,
    x: str = "x",
    y: str = "y",
    by: str = "",
    text: str = "",
    order: Sequence[str] = (),
    diagonal: str = "",
    log_x: bool = False,
    log_y: bool = False,
    size: float = 8,
    opacity: float = 0.8,
    empty: str = NOTHING,
    height: int = HEIGHT,
) -> go.Figure:
    """A marker for each row, in the colour of its series; ``text`` names a column printed beside the markers.

    ``diagonal`` draws x = y under that name. Other arguments as for `lines`.
    """
    import plotly.graph_objects as go

    figure = _figure(title, x_title, y_title, height, log_x, log_y)
    series = _series(table, [x, y, *filter(None, (text,))], by, order, f"the table of '{title}'")
    values = [v for rows in series.values() for column in (x, y) for v in rows[column]]
    if not values:
        return say_empty(_figure(title, x_title, y_title, height), empty)
    colours, symbols = variant_colours(list(series)), variant_symbols(list(series))
    if diagonal:
        ends = [min(values), max(values)]
        figure.add_trace(
            go.Scatter(
                x=ends, y=ends, mode="lines", name=plain(diagonal), line={"color": NEUTRAL, "dash": "dash"}
            )
        )
    for name, rows in series.items():
        if len(rows[x]):
            figure.add_trace(
                go.Scatter(
                    x=rows[x],
                    y=rows[y],
                    mode="markers+text" if text else "markers",
                    text=[plain(value) for value in rows[text]] if text else None,
                    textposition="top center",
                    name=plain(name),
                    showlegend=bool(by),
                    marker={
                        "color": colours[name],
                        "symbol": symbols[name],
                        "size": size,
                        "opacity": opacity,
                    },
                    hovertemplate=f"{plain(name)}<br>{plain(x_title)} %{{x:.4g}}<br>{plain(y_title)} %{{y:.4g}}<extra></extra>",
                )
            )
    return figure


def bars(
    table: pd.DataFrame,
    title: str,
    x_title: str,
    y_title: str,
    *,
    x: str = "x",
    y: str = "y",
    by: str = "",
    low: str = "",
    high: str = "",
    order: Sequence[str] = (),
    levels: Mapping[str, float] | None = None,
    log_x: bool = False,
    empty: str = NOTHING,
) -> go.Figure:
    """A horizontal bar for each row: its name in ``y``, its length in ``x``, the first row on top.

    Series (``by``) stand side by side; ``levels`` are vertical lines. Other arguments as for `lines`.
    """
    import plotly.graph_objects as go

    series = _series(table, [x, y, *filter(None, (low, high))], by, order, f"the table of '{title}'")
    names = {plain(v): wrapped(v, 28, 2) for rows in series.values() for v in rows[y]}
    height = TOP_MARGIN + 90 + ROW * len(names) * (1 + (len(series) > 1) * (len(series) - 1) // 2)
    figure = _figure(title, x_title, y_title, max(height, 240), log_x)
    figure.update_yaxes(type="category", showgrid=False)
    if not names:
        return say_empty(figure, empty)
    colours = variant_colours(list(series))
    for name, rows in series.items():
        error: dict[str, Any] = {}
        if low and high:
            error = {
                "type": "data",
                "symmetric": False,
                "array": [h - v for h, v in zip(rows[high], rows[x], strict=True)],
                "arrayminus": [v - w for w, v in zip(rows[low], rows[x], strict=True)],
                "color": NEUTRAL,
                "thickness": 1.5,
            }
        figure.add_trace(
            go.Bar(
                x=rows[x],
                y=[plain(value) for value in rows[y]],
                orientation="h",
                error_x=error,
                name=plain(name),
                showlegend=len(series) > 1,
                marker={
                    "color": translucent(colours[name], 0.5),
                    "line": {"color": colours[name], "width": 1.5},
                },
                hovertemplate=f"%{{y}}<br>{plain(x_title)} %{{x:.4g}}<extra></extra>",
            )
        )
    for number, (name, value) in enumerate((levels or {}).items()):
        figure.add_vline(
            x=value, line={"color": NEUTRAL, "dash": DASHES[number % 3]}, name=plain(name), showlegend=True
        )
    order = list(names)
    figure.update_yaxes(
        categoryorder="array", categoryarray=order[::-1], tickvals=order, ticktext=list(names.values())
    )
    return figure


def heat(
    table: pd.DataFrame,
    title: str,
    x_title: str,
    y_title: str,
    unit: str,
    *,
    x: str = "x",
    y: str = "y",
    value: str = "value",
    digits: int = 2,
    diverging: bool = False,
    empty: str = NOTHING,
) -> go.Figure:
    """A cell for each pair of ``x`` and ``y`` in the order of the table, coloured by ``value`` and with its number.

    Args:
        unit: title of the colours.
        digits: places after the point in a cell.
        diverging: colours run from negative through nothing to positive.
    """
    import plotly.graph_objects as go

    columns = columns_of(table, (x, y, value), f"the table of '{title}'")
    across, down = (list(dict.fromkeys(plain(v) for v in columns[name])) for name in (x, y))
    figure = _figure(
        title, x_title, y_title, TOP_MARGIN + 110 + max(34, min(60, 420 // (len(down) or 1))) * len(down)
    )
    if not across:
        return say_empty(figure, empty)
    cells = np.full((len(down), len(across)), np.nan)
    for a, d, v in zip(columns[x], columns[y], columns[value], strict=True):
        cells[down.index(plain(d)), across.index(plain(a))] = v
    largest = float(np.nanmax(np.abs(cells))) if np.isfinite(cells).any() else 1.0
    texts = [["" if np.isnan(v) else f"{v:.{digits}f}" for v in row] for row in cells]
    figure.add_trace(
        go.Heatmap(
            x=across,
            y=down,
            z=cells,
            text=texts,
            texttemplate="%{text}",
            colorscale="RdBu" if diverging else HEAT,
            zmin=-largest if diverging else None,
            zmax=largest if diverging else None,
            colorbar={"title": {"text": plain(unit)}},
            hovertemplate=f"{plain(x_title)} %{{x}}<br>{plain(y_title)} %{{y}}<br>%{{z:.4g}}<extra></extra>",
        )
    )
    figure.update_xaxes(type="category", showgrid=False)
    figure.update_yaxes(type="category", showgrid=False, autorange="reversed")
    return figure


def _figure(
    title: str, x_title: str, y_title: str, height: int, log_x: bool = False, log_y: bool = False
) -> go.Figure:
    figure = new_figure(title, height)
    figure.update_xaxes(title_text=plain(x_title), type="log" if log_x else None)
    figure.update_yaxes(title_text=plain(y_title), type="log" if log_y else None)
    return figure


def _series(
    table: pd.DataFrame, columns: Sequence[str], by: str, order: Sequence[str], what: str
) -> dict[str, dict[str, list[Any]]]:
    """The columns of each series, in the order of colours; a series that ``order`` names may be empty."""
    needed = list(dict.fromkeys([*columns, *([by] if by else [])]))
    found = columns_of(table, needed, what)
    names = [str(value) for value in found[by]] if by else [""] * len(found[columns[0]])
    strangers = sorted(set(names) - set(order)) if order else []
    if strangers:
        raise ValueError(f"{what} has series that are not in the order: {', '.join(strangers)}")
    return {
        name: {
            column: [v for v, own in zip(found[column], names, strict=True) if own == name]
            for column in columns
        }
        for name in (order or dict.fromkeys(names))
    }


def _add_levels(figure: go.Figure, levels: Mapping[str, float], first: float, last: float) -> None:
    import plotly.graph_objects as go

    for number, (name, value) in enumerate(levels.items()):
        figure.add_trace(
            go.Scatter(
                x=[first, last],
                y=[value, value],
                mode="lines",
                name=plain(name),
                line={"color": NEUTRAL, "dash": DASHES[number % 3]},
                hovertemplate=f"{plain(name)} {value:.4g}<extra></extra>",
            )
        )


def _is_number(value: Any) -> bool:
    return value is not None and not np.isnan(value)
