"""One evaluation for every detector of anomalies in pictures: scores of pictures and pixels by category, with intervals.

Examples have the columns ``id``, ``category``, ``kind`` and ``defective`` and the array ``masks`` (N, H, W), bool; a heat
map is the larger the more anomalous. Categories are scored apart and their scores are averaged.
"""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from etudes.evaluation import average_precision, roc_auc
from etudes.evaluation.localisation import (
    image_resamples,
    localisation_counts,
    localisation_metrics,
    stratified_weights,
)
from etudes.examples import Examples
from etudes.training.seeds import derive_seed

METRICS = ("image_auroc", "pixel_auroc", "pro", "image_ap", "pixel_ap")
LEVEL = (0.025, 0.975)
HALF, ALL = "half", "all"  # the test half, or all official test pictures
Truth = tuple[NDArray[np.bool_], NDArray[np.bool_]]


class Scoring(Protocol):
    """Parameters of an evaluation: resamples of pictures, and the false positive rate up to which PRO is integrated."""

    resamples: int
    fpr_limit: float


def members(examples: Examples, category: str) -> NDArray[np.intp]:
    """Indices of the pictures of one category."""
    return np.flatnonzero((examples.rows["category"] == category).to_numpy())


def truth_of(category: str, *parts: Examples) -> Truth:
    """Which pictures of a category are defective (n,), and their masks (n, H, W), part after part."""
    rows = [(part, members(part, category)) for part in parts]
    defective = np.concatenate([part.rows["defective"].to_numpy()[own] for part, own in rows])
    return defective, np.concatenate([part["masks"][own] for part, own in rows])


def image_scores(maps: NDArray) -> NDArray:
    """The score of a picture is the largest value of its heat map: (n,) from (n, H, W)."""
    return maps.reshape(len(maps), -1).max(axis=1)


def dev_scores(heat: NDArray, defective: NDArray, masks: NDArray) -> dict[str, float]:
    """Image and pixel AUROC of heat maps (n, H, W): what variants are compared by on dev."""
    return {
        "image_auroc": roc_auc(image_scores(heat), defective),
        "pixel_auroc": roc_auc(heat.reshape(-1), masks.reshape(-1)),
    }


def on_dev(scores: Mapping[str, Sequence[Mapping[str, float]]]) -> dict[str, Any]:
    """A history: of each category the mean over its scores (draws, folds), and of those the mean over categories."""
    by_category = {category: _mean_of(found) for category, found in scores.items()}
    return {"dev": _mean_of(list(by_category.values())), "dev_by_category": by_category, "epochs": []}


def _mean_of(scores: Sequence[Mapping[str, float]]) -> dict[str, float]:
    return {name: float(np.mean([found[name] for found in scores])) for name in scores[0]}


@dataclass(frozen=True)
class Scored:
    """Metrics of each draw of a variant on the ``number`` pictures of a category, and their mean under resamples (B,)."""

    draws: list[dict[str, float]]
    resampled: dict[str, NDArray[np.float64]]
    number: int

    def mean(self, metric: str) -> float:
        return float(np.mean([found[metric] for found in self.draws]))


def score(heats: Sequence[NDArray], truth: Truth, parameters: Scoring, category: str) -> Scored:
    """Exact metrics of heat maps, a stack (n, H, W) for each draw, and resamples of the pictures.

    Good and defective pictures are drawn apart; all variants are scored on the same resamples.
    """
    defective, masks = truth
    weights = stratified_weights(defective, parameters.resamples, derive_seed(0, "bootstrap", category))
    draws, resampled = [], []
    for heat in heats:
        scores = image_scores(heat)
        of_images = {
            "image_auroc": roc_auc(scores, defective),
            "image_ap": average_precision(scores, defective),
        }
        draws.append({**of_images, **localisation_metrics(heat, masks, parameters.fpr_limit)})
        of_pixels = localisation_counts(heat, masks).metrics(weights, parameters.fpr_limit)
        resampled.append({**image_resamples(scores, defective, weights), **of_pixels})
    means = {metric: np.mean([found[metric] for found in resampled], axis=0) for metric in METRICS}
    return Scored(draws, means, len(masks))


Results = Mapping[tuple[str, str, str], Scored]  # by variant, category and pictures (half or all)


def category_table(results: Results) -> pd.DataFrame:
    """One row for each variant, category, set of pictures and metric, with its interval."""
    rows = []
    for key, found in results.items():
        for metric in METRICS:
            interval = np.quantile(found.resampled[metric], LEVEL)
            rows.append([*key, found.number, metric, found.mean(metric), *interval])
    columns = ["variant", "category", "images", "number", "metric", "value", "low", "high"]
    return pd.DataFrame(rows, columns=columns)


def difference_table(results: Results, pairs: Sequence[tuple[str, str]]) -> pd.DataFrame:
    """First minus second on the test half, mean over categories, of all pairs that ran: a row for each pair and metric.

    All variants are scored on the same resamples, so that what makes a picture hard for both cancels.
    """
    categories = list(dict.fromkeys(category for _, category, _ in results))
    found = {variant for variant, _, _ in results}
    rows = []
    for first, second in pairs:
        if {first, second} <= found:
            own, other = ([results[name, c, HALF] for c in categories] for name in (first, second))
            for metric in METRICS:
                gaps = [a.mean(metric) - b.mean(metric) for a, b in zip(own, other, strict=True)]
                resampled = [
                    a.resampled[metric] - b.resampled[metric] for a, b in zip(own, other, strict=True)
                ]
                interval = np.quantile(np.mean(resampled, axis=0), LEVEL)
                rows.append([first, second, metric, float(np.mean(gaps)), *interval])
    return pd.DataFrame(rows, columns=["first", "second", "metric", "difference", "low", "high"])


def flat_metrics(results: Results) -> dict[str, float]:
    """``variant.metric`` the mean over categories, ``variant.metric_category`` of each, ``..._all`` on all pictures."""
    found: dict[str, tuple[float, NDArray]] = {}
    for variant, images in dict.fromkeys((variant, images) for variant, _, images in results):
        ending = "_all" if images == ALL else ""
        own = {category: part for (v, category, i), part in results.items() if (v, i) == (variant, images)}
        for metric in METRICS:
            for category, part in own.items():
                found[f"{variant}.{metric}_{category}{ending}"] = part.mean(metric), part.resampled[metric]
            means = [part.mean(metric) for part in own.values()]
            resampled = np.mean([part.resampled[metric] for part in own.values()], axis=0)
            found[f"{variant}.{metric}{ending}"] = float(np.mean(means)), resampled
    metrics: dict[str, float] = {}
    for key, (value, resampled) in found.items():
        low, high = (float(end) for end in np.quantile(resampled, LEVEL))
        metrics |= {key: value, f"{key}.low": low, f"{key}.high": high}
    return metrics


def prediction_rows(
    variant: str, test: Examples, category: str, heat: NDArray, threshold: float
) -> pd.DataFrame:
    """One row for each test picture of a category: what it is, its score, and whether that is above the threshold."""
    rows, scores = test.rows.iloc[members(test, category)], image_scores(heat)
    return pd.DataFrame(
        {
            "variant": variant,
            "category": category,
            "id": rows["id"].to_numpy(),
            "kind": rows["kind"].to_numpy(),
            "truth": rows["defective"].to_numpy(),
            "score": scores.astype(np.float64),
            "threshold": threshold,
            "anomalous": scores > threshold,
        }
    )


def map_samples(test: Examples, predictions: pd.DataFrame, maps: Mapping[str, NDArray]) -> Examples:
    """Heat maps (N, H, W), float16, of one variant by category, with what its ``predictions`` say of each picture."""
    stored = np.concatenate([np.asarray(found, np.float16) for found in maps.values()])
    rows = predictions.drop(columns="truth").merge(test.rows[["id", "defective"]], on="id")
    return Examples(rows, {"maps": stored})


class Speeds:
    """How many pictures a second each part answers."""

    def __init__(self) -> None:
        self.spent: dict[str, tuple[float, int]] = {}

    @contextmanager
    def of(self, name: str, pictures: int) -> Iterator[None]:
        """Count what happens inside."""
        start = time.perf_counter()
        yield
        seconds, count = self.spent.get(name, (0.0, 0))
        self.spent[name] = seconds + time.perf_counter() - start, count + pictures

    def card(self) -> dict[str, dict[str, float]]:
        return {
            name: {"pictures_per_second": round(count / max(seconds, 1e-9), 1)}
            for name, (seconds, count) in self.spent.items()
        }
