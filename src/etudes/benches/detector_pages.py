"""What the pages of studies of detectors show: figures, galleries, tables, words. Nothing here changes a number."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pandas as pd
import plotly.graph_objects as go

from etudes.benches.detectors import ALL, HALF
from etudes.evaluation.ranking import threshold_counts
from etudes.examples import Examples
from etudes.metrics import as_metric
from etudes.reporting.charts import lines
from etudes.reporting.images import image_grid
from etudes.study import Study
from etudes.vision.heat_maps import cut_out, outlined, overlay

FAILURES = 3  # pictures of each kind of failure
TILE = 150  # pixels


def roc(study: Study, predictions: pd.DataFrame) -> go.Figure:
    """ROC curves over test pictures of all categories, a score counted in thresholds of its category."""
    curves = []
    for variant, rows in predictions.groupby("variant", sort=False):
        positive, negative = threshold_counts(rows["score"] / rows["threshold"], rows["truth"])
        fpr, tpr = ([0.0, *np.cumsum(counts[::-1]) / counts.sum()] for counts in (negative, positive))
        curves.append(pd.DataFrame({"x": fpr, "y": tpr, "by": variant}))
    axes = ("false positive rate (fraction)", "true positive rate (fraction)")
    title = "ROC curves over test pictures"
    return lines(pd.concat(curves), title, *axes, by="by", order=study.variants, marks=False)


def on_half(categories_table: pd.DataFrame) -> pd.DataFrame:
    """Each category on the test half."""
    return _by_category(categories_table, HALF)


def on_all(categories_table: pd.DataFrame) -> pd.DataFrame:
    """Each category on all official test pictures; empty where no variant was scored on them."""
    return _by_category(categories_table, ALL)


def _by_category(table: pd.DataFrame, images: str) -> pd.DataFrame:
    part = table[table["images"] == images]
    names = [as_metric(metric).text for metric in part["metric"]]
    cells = [f"{row.value:.3f} [{row.low:.3f}, {row.high:.3f}]" for row in part.itertuples()]
    part = part.assign(
        metric=pd.Categorical(names, list(dict.fromkeys(names))), cell=cells, pictures=part["number"]
    )
    keys = ["variant", "category", "pictures"]
    wide = part.pivot_table(
        index=keys, columns="metric", values="cell", aggfunc="first", sort=False, observed=True
    )
    return wide.reset_index().rename_axis(columns=None)


def gallery(test_split: Examples, maps_samples: Examples) -> bytes:
    """For every kind of a category the picture with the median score."""
    relative, typical = _relative(maps_samples), []
    for _, rows in maps_samples.rows.groupby(["category", "kind"], sort=True):
        ordered = relative[rows.index].sort_values().index
        typical.append(ordered[(len(ordered) - 1) // 2])
    return _grid(test_split, maps_samples, typical)


def failures(test_split: Examples, maps_samples: Examples) -> bytes:
    """The defective pictures with the lowest scores, and the good ones with the highest."""
    relative, defective = _relative(maps_samples), maps_samples.rows["defective"]
    missed, alarms = relative[defective].nsmallest(FAILURES), relative[~defective].nlargest(FAILURES)
    return _grid(test_split, maps_samples, [*missed.index, *alarms.index])


def verdicts(maps_samples: Examples) -> str:
    """What the threshold lets pass and what it calls anomalous without reason."""
    defective, anomalous = (maps_samples.rows[name] for name in ("defective", "anomalous"))
    return (
        f"With it `{maps_samples.rows['variant'].iloc[0]}` misses {(defective & ~anomalous).sum()} of {defective.sum()} "
        f"defective test pictures and calls {(~defective & anomalous).sum()} of {(~defective).sum()} good ones anomalous."
    )


def _relative(samples: Examples) -> pd.Series:
    return samples.rows["score"] / samples.rows["threshold"]


def _grid(test: Examples, samples: Examples, chosen: Sequence[int]) -> bytes:
    """A row of four for each: the picture, the true outline, the heat map, what is above the threshold."""
    place = {identifier: index for index, identifier in enumerate(test.rows["id"])}
    tiles, captions = [], []
    for index in chosen:
        row = samples.rows.iloc[index]
        pixels, mask = (np.array(test[name][place[row["id"]]]) for name in ("pixels", "masks"))
        heat, threshold = np.asarray(samples["maps"][index], dtype=np.float64), row["threshold"]
        tiles += [
            pixels,
            outlined(pixels, mask),
            overlay(pixels, heat, threshold),
            cut_out(pixels, heat > threshold),
        ]
        told = f"heat map\nscore {row['score'] / threshold:.2f} of threshold"
        captions += [f"{row['category']}\n{row['kind']}", "truth", told, "above the threshold"]
    return image_grid(tiles, captions, 4, tile=TILE)
