"""One evaluation for every classifier: the same rows, probabilities (N, K), intervals, the best two row by row."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from etudes.benches.parameters import ScoringParameters
from etudes.evaluation import (
    classification_metrics,
    paired_comparison,
    per_class_table,
    ranking_intervals,
    roc_auc,
    with_intervals,
)
from etudes.evaluation.bootstrap import quantile_interval, resample_weights
from etudes.examples import Examples
from etudes.models import register_model
from etudes.stored import Stored

FloatArray = NDArray[np.float64]
IntArray = NDArray[np.int64]


@register_model("classifiers.majority")
@dataclass
class Majority(Stored):
    """Answers the class shares of the training rows, whatever is asked: the trivial baseline."""

    shares: FloatArray

    @classmethod
    def fit(cls, labels: IntArray, classes: int) -> Majority:
        """From labels (N,), whole numbers in 0..classes-1."""
        return cls(np.bincount(labels, minlength=classes) / len(labels))

    def predict_proba(self, frame: pd.DataFrame) -> FloatArray:
        """The shares (N, K) for each of N rows."""
        return np.tile(self.shares, (len(frame), 1))


def rows_of(split: pd.DataFrame | Examples) -> pd.DataFrame:
    """The rows of a split, whether it is a table or examples with arrays beside its rows."""
    return split.rows if isinstance(split, Examples) else split


def on_dev(model: Any, dev: pd.DataFrame | Examples, **history: Any) -> dict[str, Any]:
    """A history with the metrics of a model on dev, whose labels are the column ``label``."""
    scores = classification_metrics(rows_of(dev)["label"].to_numpy(), model.predict_proba(dev))
    return {"dev": scores, "epochs": [], **history}


def train_majority(
    train_split: pd.DataFrame | Examples, dev_split: pd.DataFrame | Examples, split_card: dict[str, Any]
) -> tuple[Majority, dict[str, Any]]:
    """The trivial baseline."""
    model = Majority.fit(rows_of(train_split)["label"].to_numpy(), len(split_card["classes"]))
    return model, on_dev(model, dev_split)


def answers(
    models: Mapping[str, Any], test: pd.DataFrame | Examples, rows: str
) -> tuple[dict[str, FloatArray], dict[str, dict[str, float]]]:
    """Probabilities (N, K) of every model, and what each answer cost.

    A model with ``members`` that answered before it gets their answers; their time is part of its cost all the same.

    Args:
        models: by name.
        test: the rows that are asked.
        rows: what a row is called, for the name of the speed (``rows_per_second``).
    """
    probabilities: dict[str, FloatArray] = {}
    costs: dict[str, dict[str, float]] = {}
    for name, model in models.items():
        start = time.perf_counter()
        members = getattr(model, "members", ())
        known = {member: probabilities[member] for member in members if member in probabilities}
        probabilities[name] = model.predict_proba(test, **({"known": known} if known else {}))
        seconds = time.perf_counter() - start + sum(costs[member]["inference_seconds"] for member in known)
        costs[name] = {
            "inference_seconds": round(seconds, 4),
            f"{rows}_per_second": round(len(test) / seconds, 1),
        }
    return probabilities, costs


def evaluate(
    test_split: pd.DataFrame | Examples,
    split_card: dict[str, Any],
    models: dict[str, Any],
    evaluation: ScoringParameters,
    truth: str = "class",
    rows: str = "rows",
) -> tuple[dict[str, float], pd.DataFrame, pd.DataFrame, dict[str, Any], dict[str, Any]]:
    """Score every trained variant on test, which no other stage sees; rows have ``label`` (a number) and may have ``truth`` (its name).

    Returns:
        metrics (flat, with bootstrap intervals), predictions (one row per variant and test row, with the probability of
        every class), the per-class table, the paired comparison of the two best variants, and inference costs.
    """
    table, classes = rows_of(test_split), split_card["classes"]
    labels = table["label"].to_numpy()
    if truth not in table:
        table = table.assign(**{truth: np.array(classes)[labels]})
    probabilities, costs = answers(models, test_split, rows)
    count, bins = evaluation.resamples, evaluation.bins
    metrics: dict[str, float] = {}
    for name, found in probabilities.items():
        metrics |= with_intervals(name, labels, found, n_resamples=count, bins=bins)
    tables = [per_class_table(labels, p, classes).assign(variant=name) for name, p in probabilities.items()]

    def columns(found: FloatArray) -> dict[str, NDArray]:
        return {f"p_{name}": found[:, k].astype(np.float32) for k, name in enumerate(classes)}

    predictions = prediction_rows(table, truth, classes, probabilities, columns)
    per_class = pd.concat(tables, ignore_index=True)
    return metrics, predictions, per_class, best_two(metrics, labels, probabilities), costs


def binary_scores(
    name: str, labels: IntArray, probabilities: FloatArray, resamples: int, bins: int
) -> dict[str, float]:
    """Accuracy, macro F1, log-loss, calibration error, Brier score and area under the ROC curve of a classifier of two
    classes, flat, with bootstrap intervals.

    Args:
        name: of the variant.
        labels: (N,) 0 or 1.
        probabilities: (N, 2).
        resamples: behind the intervals.
        bins: of the calibration error.
    """
    flat = with_intervals(name, labels, probabilities, n_resamples=resamples, bins=bins)
    flat = {key: value for key, value in flat.items() if "top3" not in key}
    positive = probabilities[:, 1]
    errors = squared_errors(labels, positive)
    means = [weights @ errors / len(errors) for weights in resample_weights(len(errors), resamples, seed=0)]
    found = {
        "brier": (float(errors.mean()), quantile_interval(np.concatenate(means), 0.95)),
        "roc_auc": (roc_auc(positive, labels), ranking_intervals(positive, labels, resamples)["roc_auc"]),
    }
    for metric, (value, (low, high)) in found.items():
        flat |= {f"{name}.{metric}": value, f"{name}.{metric}.low": low, f"{name}.{metric}.high": high}
    return flat


def squared_errors(labels: IntArray, positive: FloatArray) -> FloatArray:
    """(p_i - y_i)^2 (N,), whose mean is the Brier score (Brier 1950, the form for two classes).

    Raises:
        ValueError: shapes that are not (N,) or differ.
    """
    if np.ndim(positive) != 1 or np.shape(labels) != np.shape(positive):
        raise ValueError(
            f"labels and probabilities must both have the shape (N,), found {np.shape(labels)} and {np.shape(positive)}"
        )
    return np.square(positive - labels)


def best_two(
    metrics: Mapping[str, float],
    labels: IntArray,
    probabilities: Mapping[str, FloatArray],
    **how: Any,
) -> dict[str, Any]:
    """Paired comparison of the two variants with the largest accuracy; empty when there is only one."""
    ranked = sorted(probabilities, key=lambda name: -metrics[f"{name}.accuracy"])[:2]
    if len(ranked) < 2:
        return {}
    compared = paired_comparison(labels, probabilities[ranked[0]], probabilities[ranked[1]], **how)
    return {"first": ranked[0], "second": ranked[1], **compared}


def prediction_rows(
    test: pd.DataFrame,
    truth: str,
    classes: Sequence[str],
    probabilities: Mapping[str, FloatArray],
    columns: Callable[[FloatArray], Mapping[str, NDArray]],
) -> pd.DataFrame:
    """One row for each variant and test row: variant, id, truth, predicted, confidence, and ``columns`` of its probabilities."""
    names = np.array(classes)
    tables = [
        pd.DataFrame(
            {
                "variant": variant,
                "id": test["id"],
                "truth": test[truth],
                "predicted": names[found.argmax(1)],
                "confidence": found.max(1),
                **columns(found),
            }
        )
        for variant, found in probabilities.items()
    ]
    return pd.concat(tables, ignore_index=True)


def confident_mistakes(
    predictions: pd.DataFrame, texts: Mapping[Any, str], count: int = 9
) -> list[dict[Any, Any]]:
    """The wrong answers with the largest confidence, as cards of a page; ``texts`` by the rows' ids."""
    wrong = predictions[predictions["truth"] != predictions["predicted"]].nlargest(count, "confidence")
    cards = wrong.assign(text=wrong["id"].map(texts), probability=wrong["confidence"])
    return cards[["text", "truth", "predicted", "probability"]].to_dict("records")


def say_best_two(comparison: Mapping[str, Any], rows: str, *metrics: str, digits: int = 3) -> str:
    """The paired comparison in words; ``metrics`` are those of which the difference is told."""
    if not comparison:
        return "One variant ran, so there is nothing to compare."

    def difference(name: str) -> str:
        value, low, high = (comparison[f"{name}_difference{end}"] for end in ("", ".low", ".high"))
        return f"{name.replace('_', '-')} {value:+.{digits}f} [{low:+.{digits}f}, {high:+.{digits}f}]"

    return (
        f"`{comparison['first']}` minus `{comparison['second']}`: {', '.join(map(difference, metrics))}; "
        f"{comparison['only_a_correct']:.0f} {rows} only the first gets right, {comparison['only_b_correct']:.0f} only the "
        f"second (exact McNemar p = {comparison['mcnemar_p']:.3g})."
    )
