"""The figures that only this study has: plain functions from tables to plotly figures."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import pandas as pd

from etudes.reporting import new_figure, variant_colours, variant_symbols
from etudes.reporting.style import NEUTRAL, TOP_MARGIN, add_band, plain, say_empty

if TYPE_CHECKING:
    import plotly.graph_objects as go

DASHES = {"0": "dot", "1": "dash", "10": "solid"}  # by number of steps


def adaptation(
    table: pd.DataFrame, task: str, variants: Sequence[str], *, title: str, axis: str, logarithmic: bool
) -> go.Figure:
    """Score against gradient steps with interval bands, one panel for each number of shots, side by side.

    Args:
        table: `etudes.pipelines.meta_learning.scores.steps_table`.
        task: ``sinusoids`` or ``characters``.
        variants: all variants of the study, whose order fixes colours.
        title: of the figure.
        axis: title of the vertical axes.
        logarithmic: vertical scale.
    """
    import plotly.graph_objects as go

    rows = table[table["task"] == task]
    shots = sorted(rows["shots"].unique())
    figure = new_figure(title, TOP_MARGIN + 400, min_width=520)
    if not shots:
        return say_empty(figure, "No variant was scored.")
    colours, symbols = variant_colours(variants), variant_symbols(variants)
    for panel, count in enumerate(shots):
        number = "" if panel == 0 else str(panel + 1)
        width = 1 / len(shots)
        domain = [panel * width + (0.06 if panel else 0), (panel + 1) * width - 0.01]
        unit = "point" if task == "sinusoids" else "drawing of each character"
        unit += "s" if count > 1 and task == "sinusoids" else ""
        unit = unit.replace("drawing", "drawings") if count > 1 else unit
        figure.update_layout(
            {
                f"xaxis{number}": {
                    "domain": domain,
                    "anchor": f"y{number}",
                    "title": {"text": f"gradient steps on {count} {unit} (count)"},
                },
                f"yaxis{number}": {
                    "anchor": f"x{number}",
                    "title": {"text": axis if panel == 0 else ""},
                    "type": "log" if logarithmic else "linear",
                    **({"matches": "y"} if panel else {}),
                },
            }
        )
        for name in variants:
            found = rows[(rows["variant"] == name) & (rows["shots"] == count)].sort_values("step")
            if found.empty:
                continue
            axes = {"xaxis": f"x{number}", "yaxis": f"y{number}"}
            add_band(figure, found["step"], found["low"], found["high"], colours[name], name, **axes)
            figure.add_trace(
                go.Scatter(
                    x=found["step"].tolist(),
                    y=found["value"].tolist(),
                    mode="lines+markers",
                    name=plain(name),
                    legendgroup=name,
                    showlegend=panel == 0,
                    line={"color": colours[name], "width": 2},
                    marker={"symbol": symbols[name], "size": 7},
                    hovertemplate="%{x} steps: %{y:.3f}",
                    **axes,
                )
            )
    return figure


def sinusoids(table: pd.DataFrame, variants: Sequence[str]) -> go.Figure:
    """The shown test tasks before and after adaptation, one column for each task; the variant is chosen from a list.

    Args:
        table: columns ``variant``, ``number``, ``series``, ``x``, ``y``.
        variants: in the order of the list; those that are not in the table are left out.
    """
    import plotly.graph_objects as go

    tasks = sorted(table["number"].unique())
    there = [name for name in variants if name in set(table["variant"])]
    figure = new_figure(
        "Test sinusoids before and after ten steps", TOP_MARGIN + 380, min_width=220 * len(tasks)
    )
    owners: list[str] = []

    def add(panel: int, rows: pd.DataFrame, owner: str, legend: str, **look: Any) -> None:
        number = "" if panel == 0 else str(panel + 1)
        figure.add_trace(
            go.Scatter(
                x=rows["x"].tolist(),
                y=rows["y"].tolist(),
                name=legend,
                legendgroup=legend,
                showlegend=panel == 0,
                visible=owner in ("", there[-1] if there else ""),
                xaxis=f"x{number}",
                yaxis=f"y{number}",
                hovertemplate="x %{x:.2f}<br>y %{y:.2f}",
                **look,
            )
        )
        owners.append(owner)

    colours = variant_colours(variants)
    width = 1 / max(1, len(tasks))
    for panel, task in enumerate(tasks):
        number = "" if panel == 0 else str(panel + 1)
        figure.update_layout(
            {
                f"xaxis{number}": {
                    "domain": [panel * width + 0.01, (panel + 1) * width - 0.01],
                    "anchor": f"y{number}",
                    "title": {"text": "x (radians)"},
                },
                f"yaxis{number}": {
                    "anchor": f"x{number}",
                    "title": {"text": "y (units)" if panel == 0 else ""},
                    "range": [-6, 6],
                    "showticklabels": panel == 0,
                },
            }
        )
        of_task = table[table["number"] == task]
        truth, support = (of_task[of_task["series"] == name] for name in ("truth", "support"))
        add(panel, truth, "", "the sinusoid", mode="lines", line={"color": NEUTRAL, "width": 1.5})
        for name in there:
            for steps, dash in DASHES.items():
                rows = of_task[(of_task["variant"] == name) & (of_task["series"] == steps)]
                line = {"color": colours[name], "dash": dash, "width": 2}
                legend = "1 step" if steps == "1" else f"{steps} steps"
                add(panel, rows, name, legend, mode="lines", line=line)
        marker = {"color": NEUTRAL, "symbol": "x", "size": 8}
        add(panel, support, "", "support points", mode="markers", marker=marker)
    buttons = [
        {
            "label": plain(name),
            "method": "restyle",
            "args": [{"visible": [owner in ("", name) for owner in owners]}],
        }
        for name in there
    ]
    if buttons:
        look = {"bgcolor": "#eef0f3", "bordercolor": NEUTRAL, "font": {"color": "#1c1f24"}}
        place = {
            "x": 1,
            "xanchor": "right",
            "y": 1.0,
            "yanchor": "bottom",
            "pad": {"b": 6},
            "direction": "down",
        }
        menu = {"buttons": buttons, "name": "variant", "active": len(there) - 1, **look, **place}
        figure.update_layout(updatemenus=[menu])
    return figure


def training(histories: Mapping[str, Any], variants: Sequence[str]) -> go.Figure:
    """Dev scores along the updates of the start: error on sinusoids above, accuracy on characters below."""
    import plotly.graph_objects as go

    figure = new_figure("Dev tasks along the training of the start", TOP_MARGIN + 560)
    figure.update_layout(
        xaxis={"anchor": "y2", "domain": [0, 1], "title": {"text": "share of the updates (fraction)"}},
        yaxis={"domain": [0.54, 1], "type": "log", "title": {"text": "MSE after 10 steps (squared units)"}},
        yaxis2={"domain": [0, 0.46], "anchor": "x", "title": {"text": "1-shot accuracy (fraction)"}},
    )
    colours, symbols = variant_colours(variants), variant_symbols(variants)
    drawn = [name for name in variants if not histories.get(name, {"skipped": True}).get("skipped")]
    if not drawn:
        return say_empty(figure, "No variant was trained.")
    for name in drawn:
        for family, metric, axis in (
            ("sinusoids", "mse_after_10", "y"),
            ("characters", "accuracy_1shot", "y2"),
        ):
            rows = histories[name]["epochs"][family]
            last = rows[-1]["step"] or 1.0
            # A start that is never updated stays where it is: a line across the figure.
            ends = [(row["step"] / last, row[metric]) for row in rows]
            if len(ends) == 1:
                ends.append((1.0, ends[0][1]))
            figure.add_trace(
                go.Scatter(
                    x=[x for x, _ in ends],
                    y=[y for _, y in ends],
                    yaxis=axis,
                    mode="lines+markers",
                    name=plain(name),
                    legendgroup=name,
                    showlegend=axis == "y",
                    line={"color": colours[name], "width": 2},
                    marker={"symbol": symbols[name], "size": 6},
                    customdata=[row["step"] for row in rows] + [0] * (len(ends) - len(rows)),
                    hovertemplate="update %{customdata:,}: %{y:.3f}",
                )
            )
    return figure
