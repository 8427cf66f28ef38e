"""The variants of the study. `learning` holds the method and its bounds; here is what stands beside it, and how all are trained.

Importing this module registers every class that a model file may name.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

import numpy as np
from numpy.typing import NDArray

from etudes.benches.classifiers import Majority, on_dev
from etudes.benches.few_labels import UNKNOWN, Fit, choose
from etudes.benches.spreading import label_spreading
from etudes.benches.table_models import Neighbours, Softmax
from etudes.examples import Examples
from etudes.models import register_model
from etudes.pipelines.self_training.learning import IntArray, Learned, Pool, learn
from etudes.pipelines.self_training.parameters import ArmsParameters, CheapParameters, LearningParameters
from etudes.stored import Stored
from etudes.training.parameters import RunParameters
from etudes.training.seeds import derive_seed
from etudes.vision.frozen import Projection, seen

Labelings = Sequence[IntArray]


@register_model("self_training.reader")
@dataclass(eq=False)
class Reader(Stored):
    """A rule behind pictures: gradient histograms, principal components, the rule's probabilities (N, C)."""

    projection: Projection
    rule: Any

    def predict_proba(self, examples: Examples) -> NDArray[np.float64]:
        """Of examples with ``features`` (N, F), or with ``pixels`` (N, S, S) that these are made of."""
        known = "features" in examples.arrays
        features = np.asarray(examples["features"]) if known else seen(np.asarray(examples["pixels"]))
        found: NDArray[np.float64] = self.rule.predict_proba(self.projection.z(features))
        return found


def most_frequent(z: NDArray, labelings: Labelings, classes: int, seed: int) -> Iterator[Majority]:
    """The class shares of the labelled pictures: the trivial baseline."""
    yield from (Majority.fit(labels[labels != UNKNOWN], classes) for labels in labelings)


def nearest_neighbours(
    z: NDArray, labelings: Labelings, classes: int, seed: int, *, k: int
) -> Iterator[Neighbours]:
    """The k nearest labelled pictures."""
    for labels in labelings:
        known = labels != UNKNOWN
        yield Neighbours(z[known], labels[known], k, classes)


def logistic(
    z: NDArray, labelings: Labelings, classes: int, seed: int, *, penalty: float
) -> Iterator[Softmax]:
    """Logistic regression on the labelled pictures."""
    for labels in labelings:
        known = labels != UNKNOWN
        yield Softmax.fit(z[known].astype(np.float64), labels[known], penalty)


def cheap(variant: str, pool: Pool, parameters: CheapParameters) -> tuple[Fit, list[dict[str, Any]]] | None:
    """A method that is no network, and the settings it chooses from; None for a network."""
    if variant == "label_spreading":
        fit = partial(label_spreading, graph=pool.graph, retain=parameters.retain)
        return fit, [{"k": k} for k in parameters.graphs]
    found: dict[str, tuple[Fit, list[dict[str, Any]]]] = {
        "most_frequent": (most_frequent, [{}]),
        "nearest_neighbours": (nearest_neighbours, [{"k": k} for k in parameters.neighbours]),
        "logistic": (logistic, [{"penalty": penalty} for penalty in parameters.penalties]),
    }
    return found.get(variant)


def answer_from(
    variant: str,
    pool: Pool,
    labels: IntArray,
    learning: LearningParameters,
    arms: ArmsParameters,
    cheap_parameters: CheapParameters,
    seed: int,
) -> tuple[Learned, dict[str, Any]]:
    """What a variant learns from labels (N,), `UNKNOWN` where there is none; and the setting that it chose."""
    method = cheap(variant, pool, cheap_parameters)
    if method is None:
        return learn(variant, pool, labels, learning, arms, seed), {}
    fit, settings = method
    z = pool.z.astype(np.float64)
    choice = choose(fit, settings, z, labels, pool.classes, cheap_parameters.folds, seed)
    return Learned(choice.rule), dict(choice.setting)


def train(
    train_split: Examples,
    views_split: Examples,
    dev_split: Examples,
    split_card: dict[str, Any],
    learning: LearningParameters,
    arms: ArmsParameters,
    cheap: CheapParameters,
    run: RunParameters,
    variant: str = "",
) -> tuple[Reader, dict[str, Any]]:
    """One variant from the labelled digits and those without a label."""
    labels, classes = train_split.rows["label"].to_numpy(), len(split_card["classes"])
    projection = Projection.fit(np.asarray(train_split["features"]), learning.components)
    pool = digits_pool(projection, train_split, views_split, classes, cheap)
    learned, chosen = answer_from(variant, pool, labels, learning, arms, cheap, derive_seed(run.seed, "arms"))
    return (model := Reader(projection, learned.rule)), on_dev(model, dev_split, chosen=chosen)


def digits_pool(
    projection: Projection, train_split: Examples, views_split: Examples, classes: int, cheap: CheapParameters
) -> Pool:
    """The digits without their labels; the first rows of train are those with views."""
    z = projection.z(np.asarray(train_split["features"]))
    weak, strong = (projection.z(np.asarray(views_split[name])) for name in ("weak", "strong"))
    return Pool(z, weak, strong, classes, cheap.spread_over)
