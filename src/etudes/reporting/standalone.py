"""One figure as one HTML file that loads nothing: for viewers that show a single artifact, such as MLflow's."""

from __future__ import annotations

import html
import json
from pathlib import Path
from typing import TYPE_CHECKING

from etudes.reporting.bundle import plotly_for

if TYPE_CHECKING:
    import plotly.graph_objects as go

PAGE = """<!doctype html>
<html lang="en"><head><meta charset="utf-8"><title>{title}</title>
<style>body {{ margin: 0; background: #fff }} #figure {{ width: 100%; height: {height}px }}</style></head>
<body><div id="figure" role="img" aria-label="{title}"></div>
<script id="plotly" type="application/gzip;base64">{plotly}</script>
<script id="data" type="application/json">{data}</script>
<script>
{loader}
loadPlotly().then(function () {{
  var figure = JSON.parse(document.getElementById("data").textContent);
  Plotly.newPlot("figure", figure.data, figure.layout, {{responsive: true, displaylogo: false}});
}});
</script></body></html>
"""
LOADER = Path(__file__).parent / "templates" / "plotly.js"


def figure_page(figure: go.Figure) -> str:
    """The figure as an HTML page with plotly inside, compressed."""
    data = json.loads(figure.to_json())
    title = (data["layout"].get("title") or {}).get("text", "figure")
    # `<` cannot end the script element early if it is written as an escape.
    text = json.dumps({"data": data["data"], "layout": data["layout"]}).replace("<", "\\u003c")
    return PAGE.format(
        title=html.escape(title, quote=True),
        height=int(data["layout"].get("height") or 450),
        plotly=plotly_for(trace.get("type", "scatter") for trace in data["data"]).packed,
        loader=LOADER.read_text(encoding="utf-8"),
        data=text,
    )
