"""The confusion matrix, with classes that are mistaken for each other side by side."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import ArrayLike, NDArray

from etudes.reporting.style import HEAT, NONE, TOP_MARGIN, new_figure, plain

if TYPE_CHECKING:
    import plotly.graph_objects as go

FloatArray = NDArray[np.float64]
CROWDED = 40  # classes above which cells and texts get smaller


def confusion_matrix(
    matrix: ArrayLike, labels: Sequence[str], *, title: str = "Confusion matrix"
) -> go.Figure:
    """Heat-map of a confusion matrix, each row divided by its sum, rows and columns in `similarity_order`.

    Args:
        matrix: (K, K) non-negative counts, K >= 1; rows are true classes, columns predicted ones.
        labels: K different names of the classes.
        title: title of the figure.

    Returns:
        A figure whose cells are shares of the true class, with counts in the hover text. Rows without examples
        are left empty and say so.

    Raises:
        ValueError: the matrix is not square, negative or not finite; labels do not fit or occur twice.
    """
    counts = _checked(matrix)
    names = [str(label) for label in labels]
    if len(names) != len(counts):
        raise ValueError(f"labels must name each of the {len(counts)} classes, found {len(names)}")
    if len(set(names)) != len(names):
        raise ValueError("labels must differ, or rows would fall together")
    order = similarity_order(counts)
    return _heat_map(counts[np.ix_(order, order)], [plain(names[i]) for i in order], title)


def similarity_order(matrix: ArrayLike) -> list[int]:
    """Order of the classes that puts those often mistaken for each other side by side.

    Average-linkage clustering of 1 - s, with s the symmetrised row-normalised confusion scaled to a largest
    value of 1, leaves in the optimal order (Bar-Joseph, Gifford, Jaakkola 2001).

    Args:
        matrix: (K, K) counts as in `confusion_matrix`.

    Returns:
        A permutation of 0..K-1.

    Raises:
        ValueError: as `confusion_matrix`.
    """
    counts = _checked(matrix)
    shares = np.nan_to_num(_row_shares(counts))
    likeness = (shares + shares.T) / 2
    np.fill_diagonal(likeness, 0.0)
    if len(counts) < 3 or likeness.max() == 0:
        return list(range(len(counts)))
    from scipy.cluster.hierarchy import leaves_list, linkage
    from scipy.spatial.distance import squareform

    distance = 1 - likeness / likeness.max()
    np.fill_diagonal(distance, 0.0)
    tree = linkage(squareform(distance, checks=False), method="average", optimal_ordering=True)
    return [int(leaf) for leaf in leaves_list(tree)]


def _checked(matrix: ArrayLike) -> FloatArray:
    counts = np.asarray(matrix, dtype=np.float64)
    if counts.ndim != 2 or counts.shape[0] != counts.shape[1] or not counts.size:
        raise ValueError(f"a confusion matrix must be square, found the shape {counts.shape}")
    if not np.isfinite(counts).all() or (counts < 0).any():
        raise ValueError("a confusion matrix must hold finite counts, none of them negative")
    return counts


def _row_shares(counts: FloatArray) -> FloatArray:
    """Rows divided by their sums; NaN in rows without examples, which plotly leaves empty."""
    totals = counts.sum(axis=1, keepdims=True)
    return np.divide(counts, totals, out=np.full_like(counts, np.nan), where=totals > 0)


def _heat_map(counts: FloatArray, labels: list[str], title: str) -> go.Figure:
    import plotly.graph_objects as go

    classes = len(labels)
    cell, size = (22, 12) if classes <= CROWDED else (13, 10)
    rows = [f"{label} ({NONE})" if not n else label for label, n in zip(labels, counts.sum(1), strict=True)]
    longest = max(len(label) for label in rows) * size // 2
    side = max(classes * cell, 180)
    figure = new_figure(title, TOP_MARGIN + side + longest + 70, min_width=side + longest + 150)
    totals = np.broadcast_to(counts.sum(axis=1, keepdims=True), counts.shape)
    figure.add_trace(
        go.Heatmap(
            z=_row_shares(counts),
            x=labels,
            y=labels,
            customdata=np.stack([counts, totals], axis=-1),
            zmin=0,
            zmax=1,
            colorscale=[list(step) for step in HEAT],
            hoverongaps=False,
            xgap=1,
            ygap=1,
            colorbar={
                "title": {"text": "share of the true class (fraction)", "side": "right"},
                "thickness": 12,
                "outlinewidth": 0,
            },
            hovertemplate="true %{y}<br>predicted %{x}<br>%{z:.1%} of the true class"
            "<br>%{customdata[0]:,} of %{customdata[1]:,} examples<extra></extra>",
        )
    )
    ticks = {
        "type": "category",
        "tickmode": "linear",
        "dtick": 1,
        "tickfont": {"size": size},
        "showgrid": False,
    }
    figure.update_xaxes(**ticks, tickangle=-90, title_text="predicted class")
    ticks |= {"tickmode": "array", "tickvals": labels, "ticktext": rows}
    figure.update_yaxes(**ticks, autorange="reversed", title_text="true class")
    return figure
