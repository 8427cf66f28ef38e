"""What `report.md` shows: figures, and the words that must be computed. Nothing here changes a number."""

from __future__ import annotations

import numpy as np
import pandas as pd
import plotly.graph_objects as go

from etudes.benches.classifier_pages import of_best
from etudes.digits.panels import mosaic
from etudes.examples import Examples
from etudes.forms.pictures import png_bytes
from etudes.pipelines.revnet.memory import CONVOLUTIONAL, KINDS
from etudes.reporting.charts import lines

MISREAD, IN_A_ROW = 40, 10  # pictures
ENLARGED = 2
BLOCKS = "reversible blocks (count)"


def memory(memory_table: pd.DataFrame) -> go.Figure:
    """Memory of one step by depth, of the networks in numpy."""
    return _by_depth(
        memory_table, KINDS, "Memory of one step", "peak_mib", "peak beyond weights and batch (MiB)"
    )


def convolutional_memory(memory_table: pd.DataFrame) -> go.Figure:
    """Memory of one step by depth, of the convolutional network."""
    title = "Memory of one step, convolutional"
    return _by_depth(
        memory_table,
        CONVOLUTIONAL,
        title,
        "peak_mib",
        "peak of the process above its start (MiB)",
    )


def times(memory_table: pd.DataFrame) -> go.Figure:
    """Time of one step by depth."""
    return _by_depth(memory_table, KINDS, "Time of one step", "step_ms", "fastest step (ms)")


def _by_depth(table: pd.DataFrame, kinds: tuple[str, ...], title: str, y: str, unit: str) -> go.Figure:
    shown = table[table["network"].isin(kinds)]
    return lines(
        shown,
        title,
        BLOCKS,
        unit,
        x="blocks",
        y=y,
        by="network",
        order=kinds,
        log_x=True,
        log_y=True,
        empty="Nothing of this kind was measured in this run.",
    )


def exactness(exactness_table: pd.DataFrame) -> go.Figure:
    """Error of the state that is computed again, by depth."""
    shown = exactness_table[exactness_table["weights"] == "first"]
    unit = "largest error (share of the largest entry)"
    return lines(
        shown,
        "The first state, computed again from the last",
        BLOCKS,
        unit,
        x="blocks",
        y="error",
        by="dtype",
        log_x=True,
        log_y=True,
    )


def misread(predictions: pd.DataFrame, test_split: Examples, metrics: dict[str, float]) -> bytes:
    """The pictures that the best variant reads wrongly, the surest first; black where there are no more."""
    best = of_best(predictions, metrics)
    wrong = best[best["truth"] != best["predicted"]].nlargest(MISREAD, "confidence")
    places = pd.Index(test_split.rows["id"]).get_indexer(wrong["id"])
    pixels = np.asarray(test_split["pixels"][np.sort(places)])[np.argsort(np.argsort(places))]
    rows = max(1, -(-len(pixels) // IN_A_ROW))
    sheet = np.zeros((rows * IN_A_ROW, *test_split["pixels"].shape[1:]), dtype=np.uint8)
    sheet[: len(pixels)] = pixels
    return png_bytes(mosaic(sheet.repeat(ENLARGED, 1).repeat(ENLARGED, 2), IN_A_ROW))


def answer(claim_table: pd.DataFrame) -> str:
    """What the paired differences say of the question, for the networks of this run."""
    if claim_table.empty:
        return "The variants that the question needs were left out of this run."
    said = {"better": "more than", "worse": "less than", "cannot tell": "cannot be told from"}
    parts = [
        f"`{row['first']}` {said[row['verdict']]} `{row['second']}` "
        f"({row['difference']:+.4f} [{row['difference.low']:+.4f}, {row['difference.high']:+.4f}])"
        for row in claim_table.to_dict("records")
    ]
    return "; ".join(parts) + "."


def flat(memory_table: pd.DataFrame) -> str:
    """How memory and time grow with depth."""
    table = memory_table.pivot(index="blocks", columns="network", values="peak_mib")
    steps = memory_table.pivot(index="blocks", columns="network", values="step_ms")
    most, first = table.index.max(), min(table.index, key=lambda depth: abs(depth - 4))
    deep = table[table["reversible"].notna()].index
    most = deep.max()
    ratio = table.loc[most, "reversible"] / table.loc[first, "reversible"]
    overhead = (steps["reversible"] / steps["stored"]).dropna().median()
    return (
        f"From {first} to {most} blocks the reversible network's memory grows by a factor of {ratio:.2f}, that of the network "
        f"that stores by {table.loc[most, 'stored'] / table.loc[first, 'stored']:.1f}; at {most} blocks storing takes "
        f"**{table.loc[most, 'stored'] / table.loc[most, 'reversible']:.1f} times** as much "
        f"({table.loc[most, 'stored']:.0f} and {table.loc[most, 'reversible']:.1f} MiB). A reversible step takes "
        f"**{overhead:.2f} times** as long (median over depths)."
    )
