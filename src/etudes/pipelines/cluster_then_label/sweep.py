"""Every method on repeated splits of several tables: who is right how often, with how many labels, and what guiding gains.

All methods of a split see the same rows and labels, so that differences are paired. Splits of one table share rows:
intervals are those of Nadeau and Bengio (`etudes.evaluation.mean_interval`).
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd

from etudes.benches import tables
from etudes.evaluation import classification_metrics
from etudes.evaluation.partitions import adjusted_rand_index, normalised_mutual_information
from etudes.pipelines.cluster_then_label.clustering import FloatArray, IntArray
from etudes.pipelines.cluster_then_label.methods import choose, guided, kmeans_vote
from etudes.pipelines.cluster_then_label.model import Standardised
from etudes.pipelines.cluster_then_label.parameters import MethodsParameters
from etudes.pipelines.cluster_then_label.rows import known_labels, label_order
from etudes.splits import stratified
from etudes.training.seeds import derive_seed

METRICS = ("accuracy", "ari", "nmi", "log_loss")
LEVEL = 0.95


@dataclass(frozen=True)
class Split:
    """One split of a table: standardised train (N, D) and test (M, D), their classes, and the order of labelling."""

    train: FloatArray
    labels: IntArray
    test: FloatArray
    truth: IntArray
    order: IntArray
    classes: int
    seed: int

    def known(self, count: int) -> IntArray:
        return known_labels(self.labels, self.order, count)

    @property
    def shared(self) -> float:
        """Test rows over training rows."""
        return len(self.truth) / len(self.labels)


def splits_of(
    frame: pd.DataFrame, name: str, count: int, test_fraction: float, one_unit: bool, seed: int
) -> Iterator[Split]:
    """Stratified splits of a table, drawn anew each time; what is learned before the methods is learned on train."""
    rows, classes = tables.numbered(frame)
    matrix, labels = tables.matrix_of(rows), rows["label"].to_numpy()
    for number in range(count):
        own = derive_seed(seed, "split", name, number)
        is_test = stratified(labels, test_fraction, own)
        scaling = Standardised.of(matrix[~is_test], one_unit)
        train, test = scaling.z(matrix[~is_test]), scaling.z(matrix[is_test])
        order = label_order(labels[~is_test], np.random.default_rng(own))
        yield Split(train, labels[~is_test], test, labels[is_test], order, len(classes), own)


def counts_for(split: Split, counts: Sequence[int]) -> list[int]:
    """The numbers of labels that a split allows: one of each class at least, and not more than there are rows."""
    return [count for count in sorted({*counts}) if split.classes <= count <= len(split.labels)]


def scores(truth: IntArray, probabilities: FloatArray) -> dict[str, float]:
    """`METRICS` of the answers to M rows: adjusted Rand index and normalised mutual information compare them as partitions."""
    found, answers = classification_metrics(truth, probabilities), probabilities.argmax(axis=1)
    return {
        "accuracy": found["accuracy"],
        "ari": adjusted_rand_index(truth, answers),
        "nmi": normalised_mutual_information(truth, answers),
        "log_loss": found["log_loss"],
    }


def by_labels(
    splits: Sequence[Split], names: Sequence[str], counts: Sequence[int], methods: MethodsParameters
) -> pd.DataFrame:
    """Scores on test of each method: ``split``, ``labels``, ``variant``, `METRICS`; settings are chosen among the labelled rows."""
    rows = [
        {
            "split": number,
            "labels": count,
            "variant": name,
            **scores(split.truth, choice.rule.predict_proba(split.test)),
        }
        for number, split in enumerate(splits)
        for count in counts_for(split, counts)
        for name in names
        for choice in [choose(name, split.train, split.known(count), split.classes, methods, split.seed)]
    ]
    return pd.DataFrame(rows, columns=["split", "labels", "variant", *METRICS])


def by_alpha(
    splits: Sequence[Split], alphas: Sequence[float], count: int, methods: MethodsParameters
) -> pd.DataFrame:
    """Guided k-means with a cluster for each class and a given alpha: ``split``, ``alpha``, accuracy, and of the clusters ``ari``
    and ``nmi`` on test."""
    how = {"per_class": 1, "starts": methods.starts, "sweeps": methods.sweeps}
    found = []
    for number, split in enumerate(splits):
        for alpha in (0.0, *alphas) if split.classes <= count <= len(split.labels) else ():
            (rule,) = guided(split.train, [split.known(count)], split.classes, split.seed, alpha=alpha, **how)
            clusters = rule.assign(split.test)
            right = rule.predict_proba(split.test).argmax(axis=1) == split.truth
            row = {"split": number, "alpha": alpha, "accuracy": float(right.mean())}
            row["ari"] = adjusted_rand_index(split.truth, clusters)
            found.append(row | {"nmi": normalised_mutual_information(split.truth, clusters)})
    return pd.DataFrame(found, columns=["split", "alpha", "accuracy", "ari", "nmi"])


def as_the_original(
    splits: Sequence[Split], count: int, starts: int, methods: MethodsParameters
) -> pd.DataFrame:
    """Accuracy on test of guided k-means and of k-means with the vote, a cluster for each class and nothing chosen; a row a split."""
    how = {"per_class": 1, "starts": starts, "sweeps": methods.sweeps}
    found = []
    for split in splits:
        known = [split.known(min(count, len(split.labels)))]
        given = (split.train, known, split.classes, split.seed)
        rules = {
            "guided": next(guided(*given, alpha=methods.guided.alphas[0], **how)),
            "kmeans_vote": next(kmeans_vote(*given, **how)),
        }
        found.append(
            {
                n: float((r.predict_proba(split.test).argmax(1) == split.truth).mean())
                for n, r in rules.items()
            }
        )
    return pd.DataFrame(found)
