"""Scores of tagged sentences. Words of a sentence are alike, so sentences are what is resampled."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from etudes.evaluation.bootstrap import check_level, quantile_interval, resample_weights
from etudes.evaluation.classification import SMALLEST_PROBABILITY

FloatArray = NDArray[np.float64]
IntArray = NDArray[np.int64]
# Each is a sum over sentences divided by another.
RATIOS = {
    "accuracy": ("right", "words"),
    "unseen_accuracy": ("unseen_right", "unseen"),
    "sentence_accuracy": ("whole", "sentences"),
    "log_loss": ("surprise", "words"),
}


@dataclass(frozen=True)
class TaggingSums:
    """Sums over the words of each of S sentences: ``columns`` by name (S,); ``by_tag`` (S, 3, K): words of a tag that were given it, words of
    it, words that were given it."""

    columns: dict[str, FloatArray]
    by_tag: FloatArray

    @classmethod
    def of(
        cls,
        truth: IntArray,
        predicted: IntArray,
        probability: FloatArray,
        sentence: IntArray,
        unseen: NDArray[np.bool_],
        tags: int,
    ) -> TaggingSums:
        """From N words.

        Args:
            truth, predicted: (N,) tags, 0..tags-1.
            probability: (N,) of the true tag.
            sentence: (N,) the sentence of each word, 0..S-1, none without words.
            unseen: (N,) whether training had not this word.
            tags: K.

        Raises:
            ValueError: shapes that are not all (N,), no words, or a tag outside its range.
        """
        shapes = [np.shape(part) for part in (truth, predicted, probability, sentence, unseen)]
        if len(set(shapes)) > 1 or len(shapes[0]) != 1 or shapes[0][0] == 0:
            raise ValueError(f"expected (N,) for N words each, found {', '.join(map(str, shapes))}")
        if min(truth.min(), predicted.min()) < 0 or max(truth.max(), predicted.max()) >= tags:
            raise ValueError(f"tags must lie in 0..{tags - 1}")
        right = truth == predicted
        count = int(sentence.max()) + 1

        def summed(values: NDArray) -> FloatArray:
            return np.bincount(sentence, weights=values, minlength=count).astype(np.float64)

        def by(tag: IntArray, values: NDArray) -> FloatArray:
            cells = np.bincount(sentence * tags + tag, weights=values, minlength=count * tags)
            return cells.astype(np.float64).reshape(count, tags)

        columns = {
            "words": summed(np.ones(len(truth))),
            "right": summed(right),
            "unseen": summed(unseen),
            "unseen_right": summed(unseen & right),
            "surprise": summed(-np.log(np.maximum(probability, SMALLEST_PROBABILITY))),
            "sentences": np.ones(count),
        }
        columns["whole"] = (columns["right"] == columns["words"]).astype(np.float64)
        each = np.ones(len(truth))
        return cls(columns, np.stack([by(truth, right), by(truth, each), by(predicted, each)], axis=1))

    def __len__(self) -> int:
        return len(self.by_tag)

    def metrics(self, weights: FloatArray) -> dict[str, FloatArray]:
        """Each metric (B,) where the sentences count as ``weights`` (B, S) say; NaN where there is nothing to divide by.

        ``accuracy`` of all words, ``unseen_accuracy`` of those that training had not, ``sentence_accuracy``: sentences without a mistake,
        ``log_loss``: mean of -ln p of the true tag in nats, ``macro_f1``: mean of the tags' F1, over tags of the truth.
        """
        sums = {name: weights @ column for name, column in self.columns.items()}
        found = {name: _divided(sums[above], sums[below]) for name, (above, below) in RATIOS.items()}
        hits, true, given = np.moveaxis(np.tensordot(weights, self.by_tag, axes=1), 1, 0)
        f1 = np.where(true > 0, _divided(2 * hits, true + given), np.nan)
        found["macro_f1"] = np.nanmean(f1, axis=1)
        return found


def tagging_metrics(
    sums: TaggingSums, resamples: int, level: float = 0.95, seed: int = 0
) -> dict[str, float]:
    """Every metric of `TaggingSums.metrics` with ``.low`` and ``.high``, the percentile bootstrap over sentences; none that is NaN."""
    check_level(level)
    point = sums.metrics(np.ones((1, len(sums))))
    chunks = [sums.metrics(weights) for weights in resample_weights(len(sums), resamples, seed)]
    return _with_ends({name: float(value[0]) for name, value in point.items()}, chunks, level)


def tagging_differences(
    one: TaggingSums, other: TaggingSums, resamples: int, level: float = 0.95, seed: int = 0
) -> dict[str, float]:
    """Metrics of ``one`` minus those of ``other`` on the same sentences, with ``.low`` and ``.high``, both on the same resamples.

    Raises:
        ValueError: they are of different sentences.
    """
    check_level(level)
    if not np.array_equal(one.columns["words"], other.columns["words"]):
        raise ValueError("the two are of different sentences; expected the same, in the same order")

    def difference(weights: FloatArray) -> dict[str, FloatArray]:
        a, b = one.metrics(weights), other.metrics(weights)
        return {name: a[name] - b[name] for name in a}

    point = difference(np.ones((1, len(one))))
    chunks = [difference(weights) for weights in resample_weights(len(one), resamples, seed)]
    return _with_ends({name: float(value[0]) for name, value in point.items()}, chunks, level)


def _with_ends(
    point: dict[str, float], chunks: list[dict[str, FloatArray]], level: float
) -> dict[str, float]:
    found: dict[str, float] = {}
    for name, value in point.items():
        drawn = np.concatenate([chunk[name] for chunk in chunks])
        drawn = drawn[np.isfinite(drawn)]
        if np.isfinite(value) and len(drawn):
            found[name] = value
            found[f"{name}.low"], found[f"{name}.high"] = quantile_interval(drawn, level)
    return found


def _divided(above: FloatArray, below: FloatArray) -> FloatArray:
    return np.divide(above, below, out=np.full_like(above, np.nan), where=below > 0)
