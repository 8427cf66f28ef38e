"""Figures, pictures and words of attacks: success by radius, photos that were turned, before and after, and those that withstood."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
import plotly.graph_objects as go
from numpy.typing import NDArray

from etudes.examples import Examples
from etudes.reporting import image_grid
from etudes.reporting.charts import lines
from etudes.study import Study

COLUMNS, TILE = 6, 160  # pictures in a row (three pairs, or six failures), pixels of their side
BLANK = np.zeros((16, 16), dtype=np.uint8)
Pixels = NDArray[np.uint8]


def turned(photos: Pixels, attacked: Pixels, rows: pd.DataFrame, most: int) -> bytes:
    """Photos that an attack turned, before and after; evenly spaced, a choice that looks at no score.

    Args:
        photos, attacked: (N, H, W, 3).
        rows: of their predictions (`attacks.Bench.predictions`), numbered from 0.
        most: pairs that are shown.
    """
    places = np.flatnonzero(rows["success"])
    places = places[np.linspace(0, len(places) - 1, min(len(places), most)).round().astype(int)]
    pictures = [picture for place in places for picture in (photos[place], attacked[place])]
    captions = [
        f"{row[name]}\n{row[chance]:.1%}"
        for row in rows.loc[places].to_dict("records")
        for name, chance in (("before", "before_confidence"), ("predicted", "confidence"))
    ]
    return image_grid(pictures or [BLANK], captions or ["no photo was turned"], COLUMNS, tile=TILE)


def withstood(photos: Pixels, attacked: Pixels, rows: pd.DataFrame, most: int) -> bytes:
    """Photos that an attack did not turn, the most confident answers first; arguments as for `turned`."""
    failed = rows[~rows["success"]].nlargest(most, "confidence")
    captions = [
        f"{row['truth']}: {row['predicted']} {row['confidence']:.0%}\ntarget {row['target_probability']:.1%}"
        for row in failed.to_dict("records")
    ]
    pictures = list(attacked[failed.index]) or [BLANK]
    return image_grid(pictures, captions or ["no photo withstood"], COLUMNS, tile=TILE)


def triplets(samples: Examples, scales: pd.Series, said: pd.Series, most: int) -> bytes:
    """Photos, their change amplified, and the photos with it; evenly spaced among the turned ones.

    Args:
        samples: rows as `boards.Board.told`, arrays ``photos`` and ``attacked`` (N, H, W, 3), uint8.
        scales: of each photo the change of a pixel, levels of 255, that is shown black or white.
        said: what stands below each change.
        most: photos that are shown.
    """
    rows = samples.rows
    places = np.flatnonzero(rows["success"])
    places = places[np.linspace(0, len(places) - 1, min(len(places), most)).round().astype(int)]
    pictures, captions = [], []
    for place in places:
        row, photo, after = rows.loc[place], samples["photos"][place], samples["attacked"][place]
        change = (after.astype(np.float64) - photo) / scales[place]
        pictures += [photo, np.round(127.5 + 127.5 * change.clip(-1, 1)).astype(np.uint8), after]
        captions += [
            f"{row['before']}\n{row['before_confidence']:.1%}",
            f"{said[place]}\n",
            f"{row['predicted']}\n{row['confidence']:.1%}",
        ]
    return image_grid(
        pictures or [samples["photos"][0]], captions or ["no photo was turned"], COLUMNS, tile=TILE
    )


def curve(curve_table: pd.DataFrame, study: Study, data: str = "pictures", norm: str = "linf") -> go.Figure:
    """Success by radius, in the largest change of a pixel or the Euclidean one."""
    x, title = {
        "linf": ("levels", "largest change of a pixel (levels of 255)"),
        "l2": ("radius", "Euclidean change (intensities 0..1)"),
    }[norm]
    rows = curve_table[curve_table["data"] == data]
    names = [name for name in study.variants if name in set(rows["variant"])]
    ends: dict[str, Any] = {"low": "low", "high": "high", "order": names}
    y = "success (fraction of known pictures)"
    return lines(rows, f"Success by radius: {data}", title, y, x=x, y="success", by="variant", **ends)


def answer(gains_table: pd.DataFrame) -> str:
    """Which of the claims hold in this run, in words."""
    if gains_table.empty:
        return "not asked in this run, which left the variants out"
    said = []
    for (first, second), rows in gains_table.groupby(["variant", "against"], sort=False):
        words = [
            f"{row['shown_to']} {row['difference']:+.3f}" + ("" if row["sure"] else " (cannot tell)")
            for row in rows.to_dict("records")
        ]
        said.append(f"{first} over {second}: {', '.join(words)}")
    return "; ".join(said)


def chosen(histories: dict[str, Any]) -> pd.DataFrame:
    """What dev said of each setting."""
    return pd.DataFrame(
        [{"variant": name, **trial} for name, history in histories.items() for trial in history["trials"]]
    )
