"""Reports: plotly figures in one look and a page that holds them, tables and examples, and loads nothing.

plotly, pandas, scipy, PIL and jinja2 are loaded by the functions that use them.
"""

from etudes.metrics import Metric, ReferenceLike
from etudes.reporting.figures import (
    confusion_matrix,
    image_grid,
    learning_curves,
    metric_bars,
    per_class_bars,
    reliability_diagram,
    similarity_order,
    term_weights,
)
from etudes.reporting.page import Report
from etudes.reporting.style import new_figure, variant_colours, variant_symbols
from etudes.reporting.tables import Table, lead_table

__all__ = [
    "Metric",
    "ReferenceLike",
    "Report",
    "Table",
    "confusion_matrix",
    "image_grid",
    "lead_table",
    "learning_curves",
    "metric_bars",
    "new_figure",
    "per_class_bars",
    "reliability_diagram",
    "similarity_order",
    "term_weights",
    "variant_colours",
    "variant_symbols",
]
