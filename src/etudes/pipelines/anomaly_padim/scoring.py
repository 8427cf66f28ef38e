"""The stage evaluate: every variant on the test half, the tables beside it."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import pandas as pd
import torch
from torch import Tensor

from etudes.evaluation import average_precision, roc_auc
from etudes.evaluation.localisation import (
    image_resamples,
    localisation_counts,
    localisation_metrics,
    stratified_weights,
)
from etudes.examples import Examples
from etudes.pipelines.anomaly_padim.backbone import Backbone
from etudes.pipelines.anomaly_padim.detector import Detector, Statistics, colour_vectors, image_scores
from etudes.pipelines.anomaly_padim.fitting import dev_scores, members, stack, subset_size
from etudes.pipelines.anomaly_padim.importance import Importance, chosen, permutation_importance
from etudes.pipelines.anomaly_padim.parameters import (
    EvaluationParameters,
    GaussianParameters,
    ImportanceParameters,
    MapsParameters,
    SubsetsParameters,
)
from etudes.training.parameters import RunParameters
from etudes.training.seeds import derive_seed

METRICS = ("image_auroc", "pixel_auroc", "pro", "image_ap", "pixel_ap")
UNCHOSEN = ("mean_image", "padim")  # nothing of them was chosen on dev but a threshold, which no metric reads
SHOWN = ("padim", "random", "pca", "best", "worst", "mean_image")  # whose heat maps are kept, by preference
LEVEL = (0.025, 0.975)

Values = dict[str, float]
Resamples = dict[str, np.ndarray]


def map_metrics(heat: np.ndarray, defective: np.ndarray, masks: np.ndarray, fpr_limit: float) -> Values:
    """All metrics of heat maps (n, H, W), exact."""
    scores = image_scores(heat)
    return {
        "image_auroc": roc_auc(scores, defective),
        "image_ap": average_precision(scores, defective),
        **localisation_metrics(heat, masks, fpr_limit),
    }


def map_resamples(
    heat: np.ndarray, defective: np.ndarray, masks: np.ndarray, fpr_limit: float, weights: np.ndarray
) -> Resamples:
    """All metrics (B,) of heat maps under weights (B, n) of the pictures."""
    return {
        **image_resamples(image_scores(heat), defective, weights),
        **localisation_counts(heat, masks).metrics(weights, fpr_limit),
    }


class Scoring:
    """Scores variants on the test half, one category after the other, and gathers the outputs.

    The network sees each picture once, whatever the number of variants.
    """

    def __init__(
        self,
        test: Examples,
        dev: Examples,
        categories: Sequence[str],
        backbone: Backbone,
        statistics: Statistics,
        gaussian: GaussianParameters,
        parameters: EvaluationParameters,
        run: RunParameters,
    ) -> None:
        self.test, self.dev, self.categories = test, dev, list(categories)
        self.backbone, self.statistics = backbone, statistics
        self.gaussian, self.parameters, self.run = gaussian, parameters, run
        self.metrics: Values = {}
        self.predictions: list[pd.DataFrame] = []
        self.categories_rows: list[dict[str, Any]] = []
        self.costs: dict[str, Any] = {}
        self._maps: dict[str, np.ndarray] = {}
        self._shown = ""
        self._draws: list[dict[str, Any]] = []
        self._vectors: dict[tuple[str, str], Tensor] = {}

    def score(self, models: Mapping[str, Detector]) -> None:
        """Fill metrics, predictions, tables and costs.

        Means over categories have intervals from resampling the pictures of each category on their own.
        """
        self._shown = next((name for name in SHOWN if name in models), "")
        resampled: dict[str, dict[str, Resamples]] = {name: {} for name in models}
        pooled: dict[str, list[Values]] = {name: [] for name in models if name in UNCHOSEN}
        for category in self.categories:
            rows = members(self.test, category)
            masks = self.test["masks"][rows]
            defective = self.test.rows["defective"].to_numpy()[rows]
            weights = stratified_weights(
                defective, self.parameters.resamples, derive_seed(0, "bootstrap", category)
            )
            for name, model in models.items():
                if model.source == "network":
                    self._of("test", category)  # its time is the network's, not the variant's
                start = time.perf_counter()
                heats = self._heats(model, "test", category)
                self._cost(name, time.perf_counter() - start, len(rows) * model.draws)
                values = [map_metrics(heat, defective, masks, self.parameters.fpr_limit) for heat in heats]
                intervals = [
                    map_resamples(heat, defective, masks, self.parameters.fpr_limit, weights)
                    for heat in heats
                ]
                mean = {metric: float(np.mean([v[metric] for v in values])) for metric in METRICS}
                spread = {metric: np.mean([r[metric] for r in intervals], axis=0) for metric in METRICS}
                resampled[name][category] = spread
                self._keep(name, category, "half", len(rows), mean, spread)
                for draw, found in enumerate(values if model.draws > 1 else []):
                    self._draws.append(self._draw_row(name, model, category, draw, found))
                self._predict(name, model, category, rows, heats[0])
                if name in UNCHOSEN:
                    pooled[name].append(self._official(name, model, category, heats[0]))
        for name, spreads in resampled.items():
            self._average(name, spreads)
            for metric in METRICS if name in pooled else ():
                self.metrics[f"{name}.{metric}_all"] = float(np.mean([v[metric] for v in pooled[name]]))

    def samples(self) -> Examples:
        """Heat maps of the test half (N, H, W), float16: those of `padim` if it was trained."""
        order = [self._maps[category] for category in self.categories]
        ids = np.concatenate([members(self.test, category) for category in self.categories])
        found = pd.concat(self.predictions, ignore_index=True)
        shown = found[found["variant"] == self._shown].set_index("id")
        rows = self.test.rows.iloc[ids].reset_index(drop=True)
        rows = rows.assign(
            variant=self._shown,
            score=shown.loc[rows["id"], "score"].to_numpy(),
            threshold=shown.loc[rows["id"], "threshold"].to_numpy(),
        )
        return Examples(rows, {"maps": np.concatenate(order)})

    def draws_table(self) -> pd.DataFrame:
        """One row for each random draw and category."""
        return pd.DataFrame(self._draws, columns=["variant", "category", "draw", "channels", *METRICS])

    def swapped(
        self,
        importance: Importance,
        maps: MapsParameters,
        importances: ImportanceParameters,
        subsets: SubsetsParameters,
    ) -> tuple[pd.DataFrame, pd.DataFrame]:
        """The choice of channels repeated with dev and test exchanged.

        Returns:
            ``best`` and ``worst`` chosen on one half and scored on the other, both ways; and the table of importances
            with the column ``on_test``, the importance measured on the other half.
        """
        size, rows, tables = subset_size(subsets, self.statistics), [], []
        table = importance.table()
        for category in self.categories:
            whole = self.statistics.categories[category].gaussian(self.gaussian.epsilon)
            others = members(self.test, category)
            masks = self.test["masks"][others]
            on_test = permutation_importance(
                whole,
                self._of("test", category),
                masks,
                None,
                importances,
                maps.sigma * self.statistics.grid[0] / masks.shape[1],
                derive_seed(self.run.seed, "importance", category),
            ).mean
            on_dev = importance.categories[category].mean
            tables.append(table[table["category"] == category].assign(on_test=on_test))
            for best in (True, False):
                picks = {"dev": chosen(on_dev, size, best), "test": chosen(on_test, size, best)}
                for source, target in (("dev", "test"), ("test", "dev")):
                    rows.append(
                        {
                            "variant": "best" if best else "worst",
                            "category": category,
                            "chosen_on": source,
                            "scored_on": target,
                            **self._subset(category, picks[source], target, maps),
                            "channels_in_both_choices": len(np.intersect1d(picks["dev"], picks["test"])),
                            "channels": size,
                        }
                    )
        return pd.DataFrame(rows), pd.concat(tables, ignore_index=True)

    def _subset(self, category: str, columns: np.ndarray, part: str, maps: MapsParameters) -> Values:
        examples = self.test if part == "test" else self.dev
        rows = members(examples, category)
        found = self.statistics.categories[category].gaussian(self.gaussian.epsilon, columns=columns)
        size = int(examples["masks"].shape[1])
        model = Detector("network", self.statistics.channels, size, maps.sigma, {category: [found]}, {})
        heat = model.maps(self._of(part, category), category)
        return dev_scores(heat, examples.rows["defective"].to_numpy()[rows], examples["masks"][rows])

    def _of(self, part: str, category: str) -> Tensor:
        """The vectors of a half of a category; kept, for several variants and tables ask for them."""
        if (part, category) not in self._vectors:
            examples = self.test if part == "test" else self.dev
            pixels = examples["pixels"][members(examples, category)]
            start = time.perf_counter()
            self._vectors[part, category] = stack(
                self.backbone, pixels, self.statistics.channels, self.gaussian.batch_size, self.run
            )
            self._cost("network", time.perf_counter() - start, len(pixels))
        return self._vectors[part, category]

    def _heats(self, model: Detector, part: str, category: str) -> list[np.ndarray]:
        if model.source == "network":
            vectors = self._of(part, category)
        else:
            examples = self.test if part == "test" else self.dev
            pixels = examples["pixels"][members(examples, category)]
            vectors = torch.cat(list(colour_vectors(pixels, self.gaussian.batch_size, torch.device("cpu"))))
        return [model.maps(vectors, category, draw) for draw in range(model.draws)]

    def _official(self, name: str, model: Detector, category: str, test: np.ndarray) -> Values:
        """The score on all official test pictures, for variants that chose nothing on half of them."""
        dev = self._heats(model, "dev", category)[0]
        rows, others = members(self.dev, category), members(self.test, category)
        heat = np.concatenate([dev, test])
        masks = np.concatenate([self.dev["masks"][rows], self.test["masks"][others]])
        defective = np.concatenate(
            [self.dev.rows["defective"].to_numpy()[rows], self.test.rows["defective"].to_numpy()[others]]
        )
        weights = stratified_weights(
            defective, self.parameters.resamples, derive_seed(0, "bootstrap", category)
        )
        values = map_metrics(heat, defective, masks, self.parameters.fpr_limit)
        spread = map_resamples(heat, defective, masks, self.parameters.fpr_limit, weights)
        self._keep(name, category, "all", len(heat), values, spread)
        return values

    def _keep(
        self, name: str, category: str, images: str, count: int, values: Values, spread: Resamples
    ) -> None:
        ending = f"{category}_all" if images == "all" else category
        for metric in METRICS:
            low, high = np.quantile(spread[metric], LEVEL)
            key = f"{name}.{metric}_{ending}"
            self.metrics |= {key: values[metric], f"{key}.low": float(low), f"{key}.high": float(high)}
            self.categories_rows.append(
                {
                    "variant": name,
                    "category": category,
                    "images": images,
                    "number": count,
                    "metric": metric,
                    "value": values[metric],
                    "low": float(low),
                    "high": float(high),
                }
            )

    def _average(self, name: str, by_category: Mapping[str, Resamples]) -> None:
        for metric in METRICS:
            key = f"{name}.{metric}"
            mean = np.mean([found[metric] for found in by_category.values()], axis=0)
            low, high = np.quantile(mean, LEVEL)
            values = [self.metrics[f"{key}_{category}"] for category in by_category]
            self.metrics |= {
                key: float(np.mean(values)),
                f"{key}.low": float(low),
                f"{key}.high": float(high),
            }

    def _draw_row(
        self, name: str, model: Detector, category: str, draw: int, found: Values
    ) -> dict[str, Any]:
        columns = model.gaussians[category][draw].columns
        picked = [] if columns is None else model.channels[columns].tolist()
        return {
            "variant": name,
            "category": category,
            "draw": draw,
            "channels": " ".join(map(str, picked)),
            **{metric: found[metric] for metric in METRICS},
        }

    def _predict(self, name: str, model: Detector, category: str, rows: np.ndarray, heat: np.ndarray) -> None:
        found = self.test.rows.iloc[rows]
        scores, threshold = image_scores(heat), model.thresholds[category]
        self.predictions.append(
            pd.DataFrame(
                {
                    "variant": name,
                    "category": category,
                    "id": found["id"].to_numpy(),
                    "kind": found["kind"].to_numpy(),
                    "truth": found["defective"].to_numpy(),
                    "score": scores.astype(np.float64),
                    "threshold": threshold,
                    "anomalous": scores > threshold,
                }
            )
        )
        if name == self._shown:
            self._maps[category] = heat.astype(np.float16)

    def _cost(self, name: str, seconds: float, images: int) -> None:
        cost = self.costs.setdefault(name, {"seconds": 0.0, "images": 0})
        cost["seconds"], cost["images"] = cost["seconds"] + seconds, cost["images"] + images
        cost["images_per_second"] = round(cost["images"] / max(cost["seconds"], 1e-9), 1)
