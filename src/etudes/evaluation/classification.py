"""Metrics of a classifier from its labels and probabilities.

Everything is computed from per-example quantities and example weights (`Examples`, `weighted_metrics`), so
that the bootstrap, which is nothing but a reweighting of the examples, runs the very code of the point
estimates.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import ArrayLike, NDArray

from etudes.evaluation.calibration import FloatArray, calibration_error

if TYPE_CHECKING:
    import pandas as pd

IntArray = NDArray[np.int64]

SUMS = (
    "accuracy",
    "macro_f1",
    "top3_accuracy",
    "log_loss",
)  # of sums over examples, so that weights can resample them
METRICS = (*SUMS, "ece")
SMALLEST_PROBABILITY = 1e-12
ROW_SUM_TOLERANCE = 1e-4
BLOCK_ELEMENTS = 2**22  # float64 elements of one temporary matrix: 32 MiB


@dataclass(frozen=True)
class Examples:
    """What the metrics need of each example; every array has shape (N,). Built by `Examples.check`.

    ``loss`` is minus the log of the true class's probability (nats), ``confidence`` the top probability,
    ``bin`` its 0-based confidence bin.
    """

    labels: IntArray
    predictions: IntArray
    top3: NDArray[np.bool_]
    loss: FloatArray
    confidence: FloatArray
    bin: IntArray
    n_classes: int

    @classmethod
    def check(
        cls, labels: ArrayLike, probabilities: ArrayLike, n_classes: int | None = None, bins: int = 15
    ) -> Examples:
        """Check labels (N,) and probabilities (N, K) and reduce them; errors of `classification_metrics`."""
        if bins < 1:
            raise ValueError(f"bins must be at least 1, found {bins}")
        table = _checked_probabilities(probabilities, n_classes)
        truth = checked_classes(labels, table.shape[1], "labels")
        if len(truth) != len(table):
            raise ValueError(
                f"labels and probabilities must have as many rows, found {len(truth)} and {len(table)}"
            )
        rows = np.arange(len(truth))
        row_sums = table.sum(axis=1)
        of_truth = table[rows, truth]
        # Dividing by the sum takes away float32 rounding (at most the tolerance), and so
        # confidence never exceeds 1.
        confidence = table.max(axis=1) / row_sums
        return cls(
            labels=truth,
            predictions=table.argmax(axis=1).astype(np.int64),
            top3=_rank(table, truth, of_truth) < 3,
            loss=-np.log(np.clip(of_truth / row_sums, SMALLEST_PROBABILITY, 1.0)),
            confidence=confidence,
            bin=_confidence_bin(confidence, bins),
            n_classes=table.shape[1],
        )

    def __len__(self) -> int:
        return len(self.labels)

    @property
    def correct(self) -> NDArray[np.bool_]:
        return self.labels == self.predictions

    @property
    def gaps(self) -> FloatArray:
        """Correct (1 or 0) less confidence, (N,)."""
        return self.correct - self.confidence


def classification_metrics(
    labels: ArrayLike, probabilities: ArrayLike, n_classes: int | None = None, bins: int = 15
) -> dict[str, float]:
    """Accuracy, macro F1, top-3 accuracy, log loss and expected calibration error.

    Args:
        labels: (N,) integers in 0..K-1, the true classes.
        probabilities: (N, K) floats, K >= 2, each row non-negative with sum 1 (within 1e-4; rows are
            renormalised).
        n_classes: K, if it shall be checked.
        bins: number of equal-width confidence bins of the calibration error.

    Returns:
        ``accuracy``: share of examples whose most probable class is the label; of equals the lowest class is
        taken.
        ``macro_f1``: unweighted mean of the classes' F1, over the classes present in the labels: every classifier of a
        test split is divided by the same number. (scikit-learn's default adds the classes that are predicted.) What
        `without_examples` names is left out.
        ``top3_accuracy``: share of labels among the three most probable classes (1 if K <= 3).
        ``log_loss``: mean of -ln p(label) in nats, probabilities clipped at 1e-12 from below.
        ``ece``: sum over bins of (n_bin / N) |accuracy - mean confidence|, on the top probability, cross-fitted so
        that a calibrated classifier has 0 in expectation (`calibration_error`); bins are (m/M, (m+1)/M], closed on
        the right.

    Raises:
        ValueError: shapes that do not fit, no examples, labels not integer or outside 0..K-1, probabilities
            NaN, infinite, negative or not summing to one.
    """
    examples = Examples.check(labels, probabilities, n_classes, bins)
    values = weighted_metrics(examples, np.ones((1, len(examples))))
    found = {name: float(value[0]) for name, value in values.items()}
    return {**found, "ece": calibration_error(examples.gaps, examples.bin)[0]}


def per_class_table(labels: ArrayLike, probabilities: ArrayLike, names: Sequence[str]) -> pd.DataFrame:
    """Precision, recall and F1 of every class, one row per class in class order.

    Args:
        labels: (N,) integers in 0..K-1.
        probabilities: (N, K) as in `classification_metrics`.
        names: K names of the classes.

    Returns:
        Columns ``label`` (the name), ``precision``, ``recall``, ``f1`` (0.0 where the denominator is zero)
        and ``support`` (number of examples of the class).

    Raises:
        ValueError: as `classification_metrics`, or the number of names is not K.
    """
    import pandas as pd

    examples = Examples.check(labels, probabilities)
    if len(names) != examples.n_classes:
        raise ValueError(f"names must have one entry per class ({examples.n_classes}), found {len(names)}")
    counts = confusion_counts(examples.labels, examples.predictions, examples.n_classes)
    hits, support, predicted = np.diag(counts), counts.sum(axis=1), counts.sum(axis=0)
    return pd.DataFrame(
        {
            "label": list(names),
            "precision": _ratio(hits, predicted),
            "recall": _ratio(hits, support),
            "f1": _ratio(2 * hits, support + predicted),
            "support": support,
        }
    )


def without_examples(labels: ArrayLike, names: Sequence[str]) -> list[str]:
    """The classes that no label is of, which ``macro_f1`` leaves out.

    Args:
        labels: (N,) integers in 0..K-1.
        names: K names of the classes.
    """
    there = set(checked_classes(labels, len(names), "labels").tolist())
    return [name for number, name in enumerate(names) if number not in there]


def confusion_counts(labels: ArrayLike, predictions: ArrayLike, n_classes: int) -> IntArray:
    """Number of examples by true class (row) and predicted class (column): (K, K) integers.

    Args:
        labels: (N,) integers in 0..K-1.
        predictions: (N,) integers in 0..K-1.
        n_classes: K.

    Raises:
        ValueError: shapes differ or are not (N,), no examples, a class is not an integer or outside 0..K-1.
    """
    truth = checked_classes(labels, n_classes, "labels")
    predicted = checked_classes(predictions, n_classes, "predictions")
    if len(truth) != len(predicted):
        raise ValueError(
            f"labels and predictions must have the same length, found {len(truth)} and {len(predicted)}"
        )
    cells = np.bincount(truth * n_classes + predicted, minlength=n_classes * n_classes)
    return cells.reshape(n_classes, n_classes).astype(np.int64)


def reliability_bins(labels: ArrayLike, probabilities: ArrayLike, bins: int = 15) -> pd.DataFrame:
    """The reliability diagram's points: the bins behind the ``ece`` of `classification_metrics`.

    Args:
        labels: (N,) integers in 0..K-1.
        probabilities: (N, K) as in `classification_metrics`.
        bins: number of equal-width bins of the top probability on (0, 1], closed on the right.

    Returns:
        One row per bin that holds an example, by rising confidence: ``confidence`` (mean top probability),
        ``accuracy`` and ``count``.

    Raises:
        ValueError: as `classification_metrics`.
    """
    examples = Examples.check(labels, probabilities, bins=bins)
    return reliability(examples.confidence, examples.correct, bins)


def reliability(confidence: FloatArray, correct: NDArray[np.bool_], bins: int) -> pd.DataFrame:
    """As `reliability_bins`, of probabilities (N,) given to what turned out true or not (N,)."""
    import pandas as pd

    rows = pd.DataFrame({"confidence": confidence, "accuracy": correct, "count": 1})
    found = rows.groupby(_confidence_bin(confidence, bins))
    return found.agg({"confidence": "mean", "accuracy": "mean", "count": "sum"}).reset_index(drop=True)


def weighted_metrics(examples: Examples, weights: FloatArray) -> dict[str, FloatArray]:
    """The metrics of `classification_metrics` that are made of sums, under B weightings at once.

    Args:
        examples: N examples.
        weights: (B, N) non-negative floats, no row all zero; a weight of 2 counts as the example twice.

    Returns:
        For each name in `SUMS` its values, (B,).
    """
    sums = _weighted_sums(examples, weights)
    scalars, hits, true_and_predicted = np.split(sums, np.cumsum([3, examples.n_classes]), axis=1)
    correct, top3, loss = scalars.T / weights.sum(axis=1)
    return {
        "accuracy": correct,
        "macro_f1": _macro_f1(hits, true_and_predicted, np.unique(examples.labels)),
        "top3_accuracy": top3,
        "log_loss": loss,
    }


def checked_classes(classes: ArrayLike, n_classes: int, what: str) -> IntArray:
    """``classes`` as (N,) int64 within 0..n_classes-1, N >= 1, or a ValueError that names it ``what``."""
    array = np.asarray(classes)
    if array.ndim != 1:
        raise ValueError(f"{what} must have shape (N,), found {array.shape}")
    if array.size == 0:
        raise ValueError(f"{what} must hold at least one example, found none")
    if array.dtype.kind not in "iu":
        raise ValueError(f"{what} must be integers, found dtype {array.dtype}")
    low, high = int(array.min()), int(array.max())
    if low < 0 or high >= n_classes:
        raise ValueError(f"{what} must lie in 0..{n_classes - 1}, found {low}..{high}")
    return array.astype(np.int64)


def _checked_probabilities(probabilities: ArrayLike, n_classes: int | None) -> FloatArray:
    array = np.asarray(probabilities)
    if array.ndim != 2:
        raise ValueError(f"probabilities must have shape (N, K), found {array.shape}")
    if array.shape[0] == 0:
        raise ValueError(f"probabilities must hold at least one row, found shape {array.shape}")
    if array.shape[1] < 2:
        raise ValueError(f"probabilities must have at least 2 columns (classes), found shape {array.shape}")
    if n_classes is not None and array.shape[1] != n_classes:
        raise ValueError(f"probabilities must have {n_classes} columns (n_classes), found {array.shape[1]}")
    if array.dtype.kind not in "fiu":
        raise ValueError(f"probabilities must be real numbers, found dtype {array.dtype}")
    table = np.asarray(array, dtype=np.float64)
    if not np.isfinite(table).all():
        raise ValueError(f"probabilities must be finite, found {np.sum(~np.isfinite(table))} NaN or infinite")
    if (table < 0).any():
        raise ValueError(f"probabilities must not be negative, found {table.min()}")
    off = np.abs(table.sum(axis=1) - 1.0)
    if off.max() > ROW_SUM_TOLERANCE:
        row = int(off.argmax())
        raise ValueError(
            f"each row of probabilities must sum to 1 within {ROW_SUM_TOLERANCE}, "
            f"found {table[row].sum()} in row {row}"
        )
    return table


def _rank(table: FloatArray, truth: IntArray, of_truth: FloatArray) -> IntArray:
    """Number of classes placed before the true one, (N,).

    These are the more probable and, of equals, those of lower number. The order among equals is that
    of ``argmax``, so rank 0 is exactly a correct prediction.
    """
    above = table > of_truth[:, None]
    equal_before = (table == of_truth[:, None]) & (np.arange(table.shape[1]) < truth[:, None])
    return np.count_nonzero(above | equal_before, axis=1).astype(np.int64)


def _confidence_bin(confidence: FloatArray, bins: int) -> IntArray:
    # Divisions, not linspace: m / M is the float nearest the edge, so a confidence of 0.3 lies on edge 3/10.
    inner_edges = np.arange(1, bins) / bins
    return np.searchsorted(inner_edges, confidence, side="left").astype(np.int64)


def _weighted_sums(examples: Examples, weights: FloatArray) -> FloatArray:
    """``weights @ columns`` (B, 3 + 2K), the columns built slice by slice to bound memory.

    Sums of whole weights are exact in float64, so counts suffer no rounding.
    """
    width = 3 + 2 * examples.n_classes
    step = max(1, BLOCK_ELEMENTS // width)
    total = np.zeros((len(weights), width))
    for start in range(0, len(examples), step):
        part = slice(start, start + step)
        total += weights[:, part] @ _columns(examples, part)
    return total


def _columns(examples: Examples, part: slice) -> FloatArray:
    """Additive quantities of the examples in ``part``, one column each.

    Correct, in the top three, loss | one hit in the column of its class | one in the column of the true class and one
    in that of the predicted class.
    """
    labels, predictions = examples.labels[part], examples.predictions[part]
    correct = examples.correct[part]
    rows = np.arange(len(labels))
    hits = 3
    present = hits + examples.n_classes
    columns = np.zeros((len(labels), present + examples.n_classes))
    columns[:, 0] = correct
    columns[:, 1] = examples.top3[part]
    columns[:, 2] = examples.loss[part]
    columns[rows, hits + labels] = correct
    columns[rows, present + labels] += 1.0
    columns[rows, present + predictions] += 1.0
    return columns


def _macro_f1(hits: FloatArray, true_and_predicted: FloatArray, classes: IntArray) -> FloatArray:
    """(B, K) hits and numbers of true plus predicted examples -> (B,) mean over ``classes`` of 2 tp / (2 tp + fp + fn).

    A resample in which one of them neither occurs nor is predicted says nothing of it and leaves it out.
    """
    hits, true_and_predicted = hits[:, classes], true_and_predicted[:, classes]
    present = np.count_nonzero(true_and_predicted, axis=1)
    macro: FloatArray = _ratio(2.0 * hits, true_and_predicted).sum(axis=1) / present
    return macro


def _ratio(numerator: NDArray[np.generic], denominator: NDArray[np.generic]) -> FloatArray:
    """Elementwise division, 0.0 where the denominator is zero."""
    out = np.zeros(np.shape(numerator))
    return np.divide(numerator, denominator, out=out, where=np.not_equal(denominator, 0))
