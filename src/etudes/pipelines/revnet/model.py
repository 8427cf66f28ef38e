"""The variants: how each is trained, and what it is once it is.

Importing this module registers every class that a model file may name.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from etudes.benches.classifiers import on_dev
from etudes.digits.reader import DigitReader
from etudes.examples import Examples
from etudes.models import register_model
from etudes.pipelines.revnet.learning import Descent, as_rows, logits_of
from etudes.pipelines.revnet.networks import network_of
from etudes.pipelines.revnet.parameters import (
    ConvolutionalParameters,
    DescentParameters,
    NeighboursParameters,
)
from etudes.stored import Stored
from etudes.training.parameters import RunParameters
from etudes.training.seeds import derive_seed

__all__ = ["DigitReader"]
Trained = tuple[Any, dict[str, Any]]
CHUNK = 500  # pictures whose distances are in memory at once


@register_model("revnet.neighbours")
@dataclass
class PrincipalNeighbours(Stored):
    """Nearest neighbours in the plane of the largest variance: the strongest cheap method.

    P(c | x) = (n_c + 1) / (k + K): n_c of the k nearest training pictures are of class c, one of K (Laplace's rule, so that
    no class is impossible).

    Args:
        mean: (D,) of the training pictures.
        axes: (D, P) principal directions.
        points: (N, P) the training pictures there.
        labels: (N,).
        k: neighbours that are asked.
        classes: K.
    """

    mean: NDArray[np.float32]
    axes: NDArray[np.float32]
    points: NDArray[np.float32]
    labels: NDArray[np.int64]
    k: int
    classes: int

    def predict_proba(self, examples: Examples) -> NDArray[np.float64]:
        """(N, K)."""
        asked = (as_rows(np.asarray(examples["pixels"])) - self.mean) @ self.axes
        counts = neighbour_counts(asked, self.points, self.labels, [self.k], self.classes)[0]
        return (counts + 1) / (self.k + self.classes)


def neighbour_counts(
    asked: NDArray, points: NDArray, labels: NDArray[np.int64], ks: list[int], classes: int
) -> NDArray[np.int64]:
    """How many of the k nearest points are of each class, for each k: (len(ks), N, K).

    Args:
        asked: (N, P).
        points: (M, P), labels (M,).
        ks: numbers of neighbours, each at most M.
        classes: K.
    """
    squares, most = np.square(points).sum(axis=1), max(ks)
    parts = []
    for start in range(0, len(asked), CHUNK):
        # |a - b|^2 = |a|^2 - 2 ab + |b|^2, and |a|^2 is the same for all neighbours of a.
        distances = squares - 2 * asked[start : start + CHUNK] @ points.T
        near = np.argpartition(distances, most - 1, axis=1)[:, :most]
        order = np.argsort(np.take_along_axis(distances, near, axis=1), axis=1, kind="stable")
        parts.append(labels[np.take_along_axis(near, order, axis=1)])
    nearest = np.concatenate(parts)
    return np.stack(
        [np.stack([(nearest[:, :k] == c).sum(axis=1) for c in range(classes)], axis=1) for k in ks]
    )


def train_neighbours(
    train_split: Examples, dev_split: Examples, split_card: dict[str, Any], parameters: NeighboursParameters
) -> Trained:
    """Try all pairs of the number of components and of neighbours on dev.

    Raises:
        ValueError: more neighbours than training pictures, or more components than pixels.
    """
    rows, labels = as_rows(np.asarray(train_split["pixels"])), train_split.rows["label"].to_numpy()
    most = {"neighbours": len(rows), "components": rows.shape[1]}
    for name, limit in most.items():
        if (largest := max(getattr(parameters, name))) > limit:
            raise ValueError(f"neighbours.{name} holds {largest}; expected at most {limit:,} with these data")
    mean, classes = rows.mean(axis=0), len(split_card["classes"])
    centred = rows - mean
    values, vectors = np.linalg.eigh(centred.T @ centred)
    axes = vectors[:, np.argsort(-values)]
    dev, truth = as_rows(np.asarray(dev_split["pixels"])) - mean, dev_split.rows["label"].to_numpy()
    tried: list[dict[str, Any]] = []
    for count in parameters.components:
        found = neighbour_counts(
            dev @ axes[:, :count], centred @ axes[:, :count], labels, list(parameters.neighbours), classes
        )
        for k, counts in zip(parameters.neighbours, found, strict=True):
            accuracy = float((counts.argmax(axis=1) == truth).mean())
            tried.append({"components": count, "neighbours": k, "accuracy": accuracy})
    best = max(tried, key=lambda row: row["accuracy"])  # of equals the first
    axes = np.ascontiguousarray(axes[:, : best["components"]], dtype=np.float32)
    model = PrincipalNeighbours(mean, axes, centred @ axes, labels, best["neighbours"], classes)
    return model, on_dev(model, dev_split, tried=tried)


@register_model("revnet.dense")
@dataclass
class DenseModel(Stored):
    """A network of `etudes.pipelines.revnet.networks`: ``kind`` and ``shape`` make it, ``weights`` are its own."""

    kind: str
    shape: dict[str, int]
    weights: list[NDArray]

    def predict_proba(self, examples: Examples) -> NDArray[np.float64]:
        """(N, K)."""
        network = network_of(self.kind, **self.shape)
        network.weights = self.weights
        logits = logits_of(network, as_rows(np.asarray(examples["pixels"]))).astype(np.float64)
        exponentials = np.exp(logits - logits.max(axis=1, keepdims=True))
        return exponentials / exponentials.sum(axis=1, keepdims=True)


def train_dense(
    train_split: Examples,
    dev_split: Examples,
    split_card: dict[str, Any],
    parameters: DescentParameters,
    run: RunParameters,
    *,
    kind: str = "reversible",
) -> Trained:
    """A network in numpy. ``stored`` and ``reversible`` begin with the same weights and meet the same batches.

    Raises:
        ValueError: a plain network with an odd number of blocks.
    """
    layers = parameters.blocks
    if kind == "plain":
        if layers % 2:
            raise ValueError(
                f"plain.blocks = {layers}; expected an even number: a layer has as many weights as two blocks"
            )
        layers //= 2
    shape = {
        "inputs": int(split_card["side"]) ** 2,
        "width": parameters.width,
        "blocks": layers,
        "outputs": len(split_card["classes"]),
    }
    network = network_of(kind, **shape, seed=derive_seed(run.seed, "weights"))
    epochs = Descent(network, train_split, dev_split, parameters, run, kind).run()
    model = DenseModel(kind, shape, network.weights)
    return model, on_dev(model, dev_split, epochs=epochs)


def train_convolutional(
    train_split: Examples,
    dev_split: Examples,
    split_card: dict[str, Any],
    parameters: ConvolutionalParameters,
    run: RunParameters,
) -> Trained:
    """The convolutional network in PyTorch, by the library's ordinary loop."""
    import torch

    from etudes.digits.judge import JudgeProblem
    from etudes.pipelines.revnet.convolutional import ConvolutionalRevNet
    from etudes.pipelines.revnet.pictures import ConvolutionalModel
    from etudes.training.fit import fit
    from etudes.training.seeds import seed_everything

    seed_everything(derive_seed(run.seed, "convolutional"))
    config: dict[str, Any] = {
        "width": parameters.width,
        "depth": parameters.depth,
        "outputs": len(split_card["classes"]),
    }
    network: torch.nn.Module = ConvolutionalRevNet(**config)
    problem = JudgeProblem(network, train_split, dev_split, parameters.shift, parameters.fit.batch_size)
    epochs = fit(problem, parameters.fit, run)
    model = ConvolutionalModel(network, config)
    return model, on_dev(model, dev_split, epochs=epochs)
