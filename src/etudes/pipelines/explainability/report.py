"""What `report.md` shows. Nothing here changes a number."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
import plotly.graph_objects as go

from etudes.examples import Examples
from etudes.pipelines.explainability.model import overlaid
from etudes.reporting import image_grid
from etudes.reporting.charts import bars, heat, lines
from etudes.study import Study

TILE = 104  # pixels of a picture's side on the page


def deletion(curves_table: pd.DataFrame, study: Study) -> go.Figure:
    """Mean probability as pixels are covered."""
    return _curve(curves_table, study, "deletion", "pixels")


def insertion(curves_table: pd.DataFrame, study: Study) -> go.Figure:
    """Mean probability as pixels are shown."""
    return _curve(curves_table, study, "insertion", "pixels")


def deletion_in_squares(curves_table: pd.DataFrame, study: Study) -> go.Figure:
    """Mean probability as whole squares are covered."""
    return _curve(curves_table, study, "deletion", "squares")


def _curve(table: pd.DataFrame, study: Study, curve: str, taken: str) -> go.Figure:
    rows = table[(table["curve"] == curve) & (table["taken"] == taken)]
    verb = "covered" if curve == "deletion" else "shown"
    axes = (f"{taken} {verb}, the map's highest first (fraction)", "probability of the explained class")
    names = [name for name in study.variants if name in set(rows["variant"])]
    title = f"{curve.capitalize()} in {taken}"
    return lines(rows, title, *axes, x="share", y="probability", by="variant", order=names)


def pointing(study: Study, metrics: dict[str, float]) -> go.Figure:
    """Share of the highest quarter of a map that lies in the right quarter of a mosaic."""
    rows = [
        {"variant": v}
        | {end or "x": metrics[f"{v}.pointing{end and '.' + end}"] for end in ("", "low", "high")}
        for v in study.variants
        if f"{v}.pointing" in metrics
    ]
    return bars(
        pd.DataFrame(rows),
        "Does the map point at the right one of four photos?",
        "highest pixels in the right quarter (fraction)",
        "variant",
        y="variant",
        low="low",
        high="high",
        levels={"a map that knows nothing": 0.25},
    )


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


def right(photos_samples: Examples, study: Study) -> bytes:
    """Photos that the network knows, with all maps."""
    return _rows(photos_samples, study, True)


def wrong(photos_samples: Examples, study: Study) -> bytes:
    """Photos that the network answers wrongly, with all maps of the wrong answer."""
    return _rows(photos_samples, study, False)


def _rows(samples: Examples, study: Study, answer: bool) -> bytes:
    names = [name for name in study.variants if name in samples.arrays]
    pictures: list[Any] = []
    captions: list[str] = []
    for place in np.flatnonzero(samples.rows["right"].to_numpy() == answer):
        row, photo = samples.rows.iloc[place], samples["photos"][place]
        said = row["truth"] if answer else f"in truth {row['truth']}"
        pictures += [photo, *(overlaid(photo, samples[name][place] / 255) for name in names)]
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


def chosen(histories: dict[str, Any]) -> pd.DataFrame:
    """What dev said of each setting."""
    return pd.DataFrame(
        [{"variant": name, **trial} for name, history in histories.items() for trial in history["trials"]]
    )
