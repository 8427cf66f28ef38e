"""What `report.md` shows. Nothing here changes a number."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
import plotly.graph_objects as go

from etudes.examples import Examples
from etudes.reporting import image_grid
from etudes.reporting.charts import heat, lines
from etudes.study import Study
from etudes.vision.heat_maps import overlay_of_ranks

TILE = 104  # pixels of a picture's side on the page


def curve(
    curves_table: pd.DataFrame, study: Study, curve: str = "deletion", taken: str = "pixels"
) -> go.Figure:
    """Mean probability as pixels are covered (deletion) or shown (insertion), or whole ``squares``."""
    rows = curves_table[(curves_table["curve"] == curve) & (curves_table["taken"] == taken)]
    verb = "covered" if curve == "deletion" else "shown"
    axes = (f"{taken} {verb}, the map's highest first (fraction)", "probability of the explained class")
    names = [name for name in study.variants if name in set(rows["variant"])]
    title = f"{curve.capitalize()} in {taken}"
    return lines(rows, title, *axes, x="share", y="probability", by="variant", order=names)


def sanity(sanity_table: pd.DataFrame, study: Study) -> go.Figure:
    """Rank correlation with the maps of a network whose layers are randomised from the last on."""
    names = [name for name in study.variants if name in set(sanity_table["variant"])]
    axes = ("layers randomised, from the last one on", "rank correlation with the map of the network")
    title = "What is left of a map as the network is destroyed"
    return lines(sanity_table, title, *axes, x="layers", y="correlation", by="variant", order=names)


def agreement(agreement_table: pd.DataFrame) -> go.Figure:
    """Rank correlation between the maps of two methods."""
    rows = agreement_table.rename(columns={"first": "y", "second": "x", "correlation": "value"})
    return heat(rows, "Agreement of methods", "method", "method", "rank correlation", diverging=True)


def answers(photos_samples: Examples, study: Study, right: bool = True) -> bytes:
    """Photos that the network answers rightly, or wrongly, with all maps of what it answers."""
    samples = photos_samples
    names = [name for name in study.variants if name in samples.arrays]
    pictures: list[Any] = []
    captions: list[str] = []
    for place in np.flatnonzero(samples.rows["right"].to_numpy() == right):
        row, photo = samples.rows.iloc[place], samples["photos"][place]
        said = row["truth"] if right else f"in truth {row['truth']}"
        pictures += [photo, *(overlay_of_ranks(photo, samples[name][place] / 255) for name in names)]
        captions += [f"{row['predicted']} {row['confidence']:.0%}\n{said}", *(f"{name}\n" for name in names)]
    if not pictures:
        return image_grid([samples["photos"][0]], ["there is none in this run"], 1, tile=TILE)
    return image_grid(pictures, captions, 1 + len(names), tile=TILE)


def filters(filters_samples: Examples) -> bytes:
    """Pictures grown for channels, each above the test photo that excites the channel most."""
    rows = filters_samples.rows
    pictures, captions = [], []
    for layer in dict.fromkeys(rows["layer"]):
        places = np.flatnonzero((rows["layer"] == layer).to_numpy())
        pictures += [filters_samples["pictures"][place] for place in places]
        captions += [f"layer {layer}\nchannel {rows['channel'][place]}" for place in places]
        pictures += [filters_samples["photos"][place] for place in places]
        captions += [
            "the best photo\n" + (f"reaches 1/{ratio:.1f}" if ratio > 0 else "(picture stayed grey)")
            for ratio in rows["ratio"].to_numpy()[places]
        ]
    columns = int(rows.groupby("layer").size().max())
    return image_grid(pictures, captions, columns, tile=160)


def answer(gains_table: pd.DataFrame) -> str:
    """Which methods are better than chance and than the middle, by the intervals that count all rows."""
    if gains_table.empty:
        return "not asked in this run, which left the maps that know nothing out"
    said = []
    for (curve, against), rows in gains_table.groupby(["curve", "against"], sort=False):
        groups: dict[str, list[str]] = {"better": [], "worse": [], "cannot tell": []}
        for row in rows.to_dict("records"):
            kind = ("better" if row["difference"] > 0 else "worse") if row["sure"] else "cannot tell"
            groups[kind].append(f"{row['variant']} {row['difference']:+.3f}")
        words = [f"{kind}: {', '.join(names)}" for kind, names in groups.items() if names]
        said.append(f"*{curve} against {against}*: {'; '.join(words)}")
    return ". ".join(said) + "."
