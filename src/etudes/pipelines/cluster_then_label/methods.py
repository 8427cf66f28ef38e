"""What answers from a few labels: clusters that vote, and the methods beside them.

Methods and rules as `etudes.benches.few_labels` has them, shapes as in `clustering`.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from etudes.benches.classifiers import Majority
from etudes.benches.few_labels import UNKNOWN, Fit
from etudes.benches.table_models import Neighbours, Rule, Softmax
from etudes.models import register_model
from etudes.pipelines.cluster_then_label import clustering
from etudes.pipelines.cluster_then_label.clustering import FloatArray, IntArray, squared_distances
from etudes.pipelines.cluster_then_label.parameters import MethodsParameters

Labelings = Sequence[IntArray]


@register_model("cluster_then_label.clusters")
@dataclass(frozen=True, eq=False)
class Clusters(Rule):
    """A row answers as its nearest cluster: ``centres`` (k, D), ``shares`` (k, C) of the classes in each."""

    centres: FloatArray
    shares: FloatArray

    def assign(self, z: FloatArray) -> IntArray:
        """The nearest cluster (N,) of rows (N, D)."""
        return squared_distances(z, self.centres[None])[0].argmin(axis=1)

    def predict_proba(self, z: FloatArray) -> FloatArray:
        return self.shares[self.assign(z)]


@register_model("cluster_then_label.spread")
@dataclass(frozen=True, eq=False)
class Spread(Rule):
    """P(c | z) = sum_i w(z, z_i) F_ic / sum_i w(z, z_i), w(z, z') = exp(-g |z - z'|^2), F (N, C) what the rows were given."""

    rows: FloatArray
    shares: FloatArray
    g: float

    def predict_proba(self, z: FloatArray) -> FloatArray:
        distances = squared_distances(z, self.rows[None])[0]
        # The nearest row weighs one, so that a row far from all has an answer too.
        weights = np.exp(-self.g * (distances - distances.min(axis=1, keepdims=True)))
        return weights @ self.shares / weights.sum(axis=1, keepdims=True)


def vote(found: clustering.Clustering, z: FloatArray, labels: IntArray, classes: int) -> Clusters:
    """Clusters with the shares of the classes among their labelled rows, (n_jc + p_c) / (n_j + 1).

    The share p_c of the class among all labelled rows counts as one row more, so that no class is impossible. A cluster
    without labelled rows counts the one that is nearest to its centre.
    """
    known = np.flatnonzero(labels != UNKNOWN)
    truth = np.eye(classes)[labels[known]]
    of = (found.members[known] == np.arange(len(found.centres))[:, None]).astype(np.float64)[None]
    (counts,), (shares,) = clustering.class_shares(of, truth, z[known], found.centres[None])
    counts = np.maximum(counts, 1)[:, None]
    return Clusters(found.centres, (counts * shares + truth.mean(axis=0)) / (counts + 1))


def most_frequent(z: FloatArray, labelings: Labelings, classes: int, seed: int) -> Iterator[Majority]:
    """The class shares of the labelled rows: the trivial baseline."""
    yield from (Majority.fit(labels[labels != UNKNOWN], classes) for labels in labelings)


def kmeans_vote(
    z: FloatArray, labelings: Labelings, classes: int, seed: int, *, per_class: int, starts: int, sweeps: int
) -> Iterator[Clusters]:
    """k-means without labels, then the vote; ``per_class`` clusters for each class."""
    centres = clustering.spread_out(z, per_class * classes, starts, np.random.default_rng(seed))
    found = clustering.descend(z, centres, sweeps)
    yield from (vote(found, z, labels, classes) for labels in labelings)


def guided(
    z: FloatArray,
    labelings: Labelings,
    classes: int,
    seed: int,
    *,
    per_class: int,
    alpha: float,
    starts: int,
    sweeps: int,
) -> Iterator[Clusters]:
    """k-means that the labels guide (`clustering.guide`), from the same starts as `kmeans_vote`, then the vote."""
    centres = clustering.spread_out(z, per_class * classes, starts, np.random.default_rng(seed))
    for labels in labelings:
        found = clustering.descend(z, centres, sweeps, *clustering.guide(z, labels, classes, alpha))
        yield vote(found, z, labels, classes)


def seeded(
    z: FloatArray, labelings: Labelings, classes: int, seed: int, *, sweeps: int
) -> Iterator[Clusters]:
    """k-means from the means of the labelled rows of each class (Basu, Banerjee and Mooney 2002), then the vote."""
    for labels in labelings:
        found = clustering.descend(z, clustering.class_means(z, labels, classes)[None], sweeps)
        yield vote(found, z, labels, classes)


def constrained(
    z: FloatArray, labelings: Labelings, classes: int, seed: int, *, sweeps: int
) -> Iterator[Clusters]:
    """Seeded k-means whose labelled rows never leave the cluster of their class (the same paper)."""
    for labels in labelings:
        centres = clustering.class_means(z, labels, classes)[None]
        found = clustering.descend(z, centres, sweeps, *clustering.clamp(labels, classes))
        yield vote(found, z, labels, classes)


def nearest_neighbours(
    z: FloatArray, labelings: Labelings, classes: int, seed: int, *, k: int
) -> Iterator[Neighbours]:
    """The k nearest labelled rows (`Neighbours`)."""
    for labels in labelings:
        known = labels != UNKNOWN
        yield Neighbours(z[known], labels[known], k, classes)


def logistic(
    z: FloatArray, labelings: Labelings, classes: int, seed: int, *, penalty: float
) -> Iterator[Softmax]:
    """Multinomial logistic regression on the labelled rows alone."""
    for labels in labelings:
        known = labels != UNKNOWN
        yield Softmax.fit(z[known], labels[known], penalty)


def label_spreading(
    z: FloatArray, labelings: Labelings, classes: int, seed: int, *, width: float, retain: float
) -> Iterator[Spread]:
    """Labels that spread over a graph of all rows (Zhou et al. 2004): F = (1 - a) (I - a S)^-1 Y, each row divided by its sum.

    S_ij = W_ij / sqrt(d_i d_j), W_ij = exp(-|z_i - z_j|^2 / (2 ``width``^2 D)) and W_ii = 0, d the sums of W's rows, D how many
    measurements there are, Y the indicators of the labelled rows, a = 1 - ``retain``.
    """
    g = 1 / (2 * width**2 * z.shape[1])
    weights = np.exp(-g * squared_distances(z, z[None])[0])
    np.fill_diagonal(weights, 0.0)
    roots = 1 / np.sqrt(np.maximum(weights.sum(axis=1), 1e-300))
    graph = np.eye(len(z)) - (1 - retain) * roots[:, None] * weights * roots
    given = np.stack(
        [np.eye(classes + 1)[labels][:, :classes] for labels in labelings], axis=1
    )  # UNKNOWN is the last
    solved = np.linalg.solve(graph, retain * given.reshape(len(z), -1)).reshape(given.shape)
    for number, labels in enumerate(labelings):
        shares = np.maximum(solved[:, number], 0.0)
        shares += 1e-12 * given[labels != UNKNOWN, number].mean(
            axis=0
        )  # where nothing arrives, as the labelled rows are
        yield Spread(z, shares / shares.sum(axis=1, keepdims=True), g)


FITS: Mapping[str, Fit] = {
    fit.__name__: fit
    for fit in (
        *(most_frequent, kmeans_vote, guided, seeded, constrained),
        *(nearest_neighbours, logistic, label_spreading),
    )
}


def settings_of(name: str, parameters: MethodsParameters) -> list[dict[str, Any]]:
    """What a method chooses from; the first is taken where there are too few labels to choose."""
    sweeps = {"sweeps": parameters.sweeps}
    many = {"starts": parameters.starts, **sweeps}
    found: dict[str, list[dict[str, Any]]] = {
        "most_frequent": [{}],
        "kmeans_vote": [{"per_class": m, **many} for m in parameters.kmeans.per_class],
        "guided": [
            {"per_class": m, "alpha": alpha, **many}
            for m in parameters.guided.per_class
            for alpha in parameters.guided.alphas
        ],
        "seeded": [sweeps],
        "constrained": [sweeps],
        "nearest_neighbours": [{"k": k} for k in parameters.neighbours],
        "logistic": [{"penalty": penalty} for penalty in parameters.penalties],
        "label_spreading": [{"width": w, "retain": parameters.retain} for w in parameters.widths],
    }
    return found[name]
