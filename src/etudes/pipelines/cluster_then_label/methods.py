"""What answers from a few labels: clusters that vote, and the methods beside them. numpy alone but for the logistic fit.

A method is a function ``fit(z, labelings, classes, seed, **setting)`` that gives a rule for each of several labelings of the
same rows: what does not depend on the labels is done once. Shapes as in `clustering`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar, Self

import numpy as np

from etudes.benches.classifiers import Majority
from etudes.evaluation import classification_metrics
from etudes.models import ModelState, register_model
from etudes.pipelines.cluster_then_label import clustering
from etudes.pipelines.cluster_then_label.clustering import UNKNOWN, FloatArray, IntArray, squared_distances
from etudes.pipelines.cluster_then_label.parameters import MethodsParameters

Labelings = Sequence[IntArray]


@dataclass(frozen=True, eq=False)
class Rule:
    """What a method learned: its fields are arrays, which are weights, and numbers."""

    registered_name: ClassVar[str]

    def state(self) -> ModelState:
        weights = {name: value for name, value in vars(self).items() if isinstance(value, np.ndarray)}
        return ModelState({n: v for n, v in vars(self).items() if n not in weights}, weights)

    @classmethod
    def from_state(cls, state: ModelState) -> Self:
        return cls(**state.config, **state.arrays)


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


@register_model("cluster_then_label.neighbours")
@dataclass(frozen=True, eq=False)
class Neighbours(Rule):
    """P(c | z) = (n_c + 1) / (k + C), where n_c of the k nearest labelled rows (L, D) are of class c, one of C."""

    rows: FloatArray
    labels: IntArray
    k: int
    classes: int

    def predict_proba(self, z: FloatArray) -> FloatArray:
        order = squared_distances(z, self.rows[None])[0].argsort(axis=1, kind="stable")
        counts = np.eye(self.classes)[self.labels[order[:, : self.k]]].sum(axis=1)
        return (counts + 1) / (min(self.k, len(self.rows)) + self.classes)


@register_model("cluster_then_label.logistic")
@dataclass(frozen=True, eq=False)
class Logistic(Rule):
    """P(c | z) = softmax(W z + b), W (C, D) and b (C,)."""

    weights: FloatArray
    intercepts: FloatArray

    def predict_proba(self, z: FloatArray) -> FloatArray:
        logits = z @ self.weights.T + self.intercepts
        odds = np.exp(logits - logits.max(axis=1, keepdims=True))
        return odds / odds.sum(axis=1, keepdims=True)


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
    """The k nearest labelled rows."""
    for labels in labelings:
        known = labels != UNKNOWN
        yield Neighbours(z[known], labels[known], k, classes)


def logistic(
    z: FloatArray, labelings: Labelings, classes: int, seed: int, *, penalty: float
) -> Iterator[Logistic]:
    """Multinomial logistic regression on the labelled rows alone: least sum of -ln P(y | z) + penalty / 2 |W|^2."""
    from sklearn.linear_model import LogisticRegression

    from etudes.training.classification import rows_of_classes

    for labels in labelings:
        known = labels != UNKNOWN
        fitted = LogisticRegression(C=1 / penalty, max_iter=1000).fit(z[known], labels[known])
        weights, intercepts = rows_of_classes(fitted.coef_, fitted.intercept_)
        if (
            len(weights) == 2
        ):  # of two classes scikit-learn keeps the difference, which is the second's row twice here
            weights, intercepts = weights / 2, intercepts / 2
        yield Logistic(weights, intercepts)


def label_spreading(
    z: FloatArray, labelings: Labelings, classes: int, seed: int, *, width: float, retain: float
) -> Iterator[Spread]:
    """Labels that spread over a graph of all rows (Zhou et al. 2004): F = (1 - a) (I - a S)^-1 Y, each row divided by its sum.

    S = D^-1/2 W D^-1/2, W_ij = exp(-|z_i - z_j|^2 / (2 ``width``^2 D)) off the diagonal with D measurements in the exponent,
    D the diagonal of W's sums, Y the indicators of the labelled rows, a = 1 - ``retain``.
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


FITS: Mapping[str, Callable[..., Iterator[Any]]] = {
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


@dataclass(frozen=True)
class Choice:
    """A rule learned with all labels, the setting that was chosen for it, and what that said of the labelled rows.

    ``held_out`` are the probabilities (L, C) of each labelled row by the rule that did not know its label; None where
    there were too few labels for that.
    """

    rule: Any
    setting: dict[str, Any]
    held_out: FloatArray | None


def choose(
    name: str, z: FloatArray, labels: IntArray, classes: int, parameters: MethodsParameters, seed: int
) -> Choice:
    """Fit a method, its setting chosen by cross-validation among the labelled rows.

    The labels of each fold are hidden in turn, their rows stay as unlabelled ones. The setting with the best accuracy on the
    hidden labels is taken, of equals that with the smaller log-loss. Only labels that the method has anyway are used. Where
    a class has one labelled row there are no folds, and the first setting is taken.

    Args:
        name: of the method, one of `FITS`.
        z: training rows (N, D).
        labels: (N,) classes, or `UNKNOWN`.
        classes: C.
        parameters: settings to choose from, and the most folds.
        seed: of folds and starts.
    """
    known = np.flatnonzero(labels != UNKNOWN)
    fold = folds_of(labels[known], parameters.folds, seed)
    hidden = [
        np.where(np.isin(np.arange(len(z)), known[fold == f]), UNKNOWN, labels) for f in np.unique(fold)
    ]
    if len(hidden) < 2:
        hidden = []
    found: list[tuple[tuple[float, float], Choice]] = []
    for setting in settings_of(name, parameters):
        *rules, rule = FITS[name](z, [*hidden, labels], classes, seed, **setting)
        if not rules:
            return Choice(rule, setting, None)
        held_out = np.empty((len(known), classes))
        for f, learned in enumerate(rules):
            held_out[fold == f] = learned.predict_proba(z[known[fold == f]])
        scores = classification_metrics(labels[known], held_out)
        found.append(((scores["accuracy"], -scores["log_loss"]), Choice(rule, setting, held_out)))
    return max(found, key=lambda pair: pair[0])[1]


def folds_of(labels: IntArray, most: int, seed: int) -> IntArray:
    """The fold (L,) of each labelled row: ``most`` of them, or as many as the rarest class has rows; it is in each fold."""
    generator = np.random.default_rng(seed)
    count = min(most, int(np.unique(labels, return_counts=True)[1].min()))
    fold = np.empty(len(labels), dtype=np.int64)
    for label in np.unique(labels):
        rows = generator.permutation(np.flatnonzero(labels == label))
        fold[rows] = np.arange(len(rows)) % count
    return fold
