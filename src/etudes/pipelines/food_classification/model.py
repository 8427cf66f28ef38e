"""The variants: what each sees of a picture, how it is trained, how it answers.

Importing this module registers every class that a model file may name. N pictures, K classes, F features.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
import pandas as pd
import torch
from numpy.typing import NDArray

from etudes.benches.classifiers import Majority, on_dev
from etudes.benches.few_labels import Choice, choose
from etudes.benches.table_models import Softmax
from etudes.examples import Examples
from etudes.models import register_model
from etudes.networks import NetworkModel
from etudes.pipelines.food_classification.networks import AUGMENTED, scratch_network
from etudes.pipelines.food_classification.parameters import (
    LinearParameters,
    ScratchParameters,
    TransferParameters,
)
from etudes.stored import Stored
from etudes.training.fit import fit
from etudes.training.parameters import RunParameters
from etudes.training.seeds import derive_seed, seed_everything
from etudes.vision.augmented import AugmentedProblem, shrunk
from etudes.vision.frozen import Projection, seen
from etudes.vision.imagenet import normalised
from etudes.vision.parameters import BackboneParameters
from etudes.vision.tuned import Backbone, TopProblem, TunedTop, started

AT_ONCE = 128  # pictures of one pass
FloatArray = NDArray[np.float64]
IntArray = NDArray[np.int64]
Epochs = list[dict[str, float]]


class Pool:
    """N pictures and what the variants see of them; each is computed when it is first asked for. Labels are not here.

    Args:
        pixels: (N, S, S, 3), uint8.
        backbone: for features and maps.
        transfer: which views the maps are of; without it, of the pictures as they are.
        seed: of the views.
    """

    def __init__(
        self,
        pixels: NDArray[np.uint8],
        backbone: Backbone | None = None,
        transfer: TransferParameters | None = None,
        seed: int = 0,
    ) -> None:
        self.pixels, self.backbone, self.transfer, self.seed = pixels, backbone, transfer, seed
        self._small: dict[int, NDArray[np.uint8]] = {}

    def small(self, side: int) -> NDArray[np.uint8]:
        """(N, side, side, 3)."""
        if side not in self._small:
            self._small[side] = shrunk(self.pixels, side)
        return self._small[side]

    @cached_property
    def histograms(self) -> NDArray[np.float32]:
        """(N, F): gradient histograms and mean colours of a grid."""
        return seen(self.pixels)

    @cached_property
    def maps(self) -> NDArray[np.float16]:
        """(N, V, C, h, w) of the trunk; the first view is the picture itself."""
        assert self.backbone is not None
        if self.transfer is None:
            return self.backbone.maps(self.pixels)
        return self.backbone.maps(self.pixels, self.transfer.view, self.transfer.views, self.seed)

    @cached_property
    def features(self) -> NDArray[np.float32]:
        """(N, F) of the backbone's both parts."""
        assert self.backbone is not None
        return self.backbone.features(self.maps[:, 0])


@register_model("food_classification.looked")
@dataclass(eq=False)
class Looked(Stored):
    """Logistic regression on features that do not learn: of a backbone, or gradient histograms without one."""

    backbone: Backbone | None
    projection: Projection
    rule: Softmax

    def on(self, pool: Pool, rows: IntArray) -> FloatArray:
        """Probabilities (n, K) of some rows of a pool."""
        features = pool.histograms if self.backbone is None else pool.features
        return self.rule.predict_proba(self.projection.z(features[rows]).astype(np.float64))

    def predict_proba(self, examples: Examples) -> FloatArray:
        """Probabilities (N, K) of examples with ``pixels`` (N, S, S, 3)."""
        return self.on(Pool(np.asarray(examples["pixels"]), self.backbone), np.arange(len(examples)))


@register_model("food_classification.scratch")
class Scratch(NetworkModel):
    """One of `scratch_network`; ``config`` holds its arguments."""

    network_class = staticmethod(scratch_network)

    def on(self, pool: Pool, rows: IntArray) -> FloatArray:
        pixels = pool.small(self.config["side"])[rows]
        parts = (normalised(pixels[at : at + AT_ONCE]) for at in range(0, len(pixels), AT_ONCE))
        return _probabilities(self.network, parts, self.config["classes"])

    def predict_proba(self, examples: Examples) -> FloatArray:
        return self.on(Pool(np.asarray(examples["pixels"])), np.arange(len(examples)))


@register_model("food_classification.tuned")
@dataclass(eq=False)
class Tuned(Stored):
    """A backbone's trunk and the stage that learned on."""

    backbone: Backbone
    top: TunedTop

    def on(self, pool: Pool, rows: IntArray) -> FloatArray:
        maps = pool.maps[rows, 0]
        parts = (torch.from_numpy(maps[at : at + AT_ONCE]).float() for at in range(0, len(maps), AT_ONCE))
        return _probabilities(self.top.network, parts, self.top.config["classes"])

    def predict_proba(self, examples: Examples) -> FloatArray:
        return self.on(Pool(np.asarray(examples["pixels"]), self.backbone), np.arange(len(examples)))


def _probabilities(network: Any, parts: Iterator[torch.Tensor], classes: int) -> FloatArray:
    with torch.inference_mode():
        found = [network(part).double().softmax(1).numpy() for part in parts]
    return np.concatenate(found) if found else np.zeros((0, classes))


def answers(model: Any, pool: Pool, rows: IntArray) -> FloatArray:
    """Probabilities (n, K) of any variant for some rows of a pool."""
    if isinstance(model, Majority):
        return model.predict_proba(pd.DataFrame(index=rows))
    found: FloatArray = model.on(pool, rows)
    return found


@dataclass(frozen=True)
class Task:
    """Whose labels are learned: rows of a pool, with the class (N,) of every row of it; ``dev`` chooses the epoch of networks."""

    labels: IntArray
    train: IntArray
    dev: IntArray
    classes: int
    run: RunParameters


def logistic(
    z: FloatArray, labelings: Sequence[IntArray], classes: int, seed: int, *, penalty: float
) -> Iterator[Softmax]:
    """Logistic regression for `choose`; a row of the class `UNKNOWN` is left out."""
    for labels in labelings:
        yield Softmax.fit(z[labels >= 0], labels[labels >= 0], penalty)


def linear_answer(
    features: NDArray[np.float32], labels: IntArray, classes: int, settings: LinearParameters, seed: int
) -> tuple[Projection, Choice]:
    """Logistic regression on principal components, its penalty by cross-validation of the training rows (N, F).

    ``held_out`` of the choice are the rows' probabilities by the models that did not know their labels.
    """
    projection = Projection.fit(features, settings.components)
    z = projection.z(features).astype(np.float64)
    penalties = [{"penalty": penalty} for penalty in settings.penalties]
    return projection, choose(logistic, penalties, z, labels, classes, settings.folds, seed)


def learn(
    variant: str,
    pool: Pool,
    task: Task,
    linear: LinearParameters,
    scratch: ScratchParameters,
    transfer: TransferParameters,
) -> tuple[Any, Epochs]:
    """A variant's model, and its epochs if it has any."""
    labels = task.labels[task.train]
    seed = derive_seed(task.run.seed, "food")
    if variant == "most_frequent":
        return Majority.fit(labels, task.classes), []
    if variant in ("histograms", "logistic"):
        features = pool.histograms if variant == "histograms" else pool.features
        projection, choice = linear_answer(features[task.train], labels, task.classes, linear, seed)
        return Looked(None if variant == "histograms" else pool.backbone, projection, choice.rule), []
    if variant == "transfer":
        return _learn_top(pool, task, linear, transfer, seed)
    config = {
        "variant": variant,
        "side": scratch.side,
        "widths": list(scratch.widths),
        "hidden": scratch.hidden,
        "classes": task.classes,
    }
    seed_everything(seed)
    network = scratch_network(**config)  # type: ignore[arg-type]
    small, dev = pool.small(scratch.side), task.dev
    problem = AugmentedProblem(
        network.to(memory_format=torch.channels_last),
        *(small[task.train], labels, small[dev], task.labels[dev]),
        batch_size=scratch.fit.batch_size,
        even=True,
        view=scratch.view if variant in AUGMENTED else None,
        seed=seed,
    )
    epochs = fit(problem, scratch.fit, task.run)
    return Scratch(network, config), epochs


def _learn_top(
    pool: Pool, task: Task, linear: LinearParameters, transfer: TransferParameters, seed: int
) -> tuple[Tuned, Epochs]:
    backbone = pool.backbone
    assert backbone is not None
    features = pool.features[task.train]
    labels = task.labels[task.train]
    projection, choice = linear_answer(features, labels, task.classes, linear, seed)
    top = started(backbone.network.top, projection, choice.rule.weights, choice.rule.intercepts)
    dev = pool.maps[task.dev, 0]
    problem = TopProblem(
        top,
        *(pool.maps[task.train], labels, dev, task.labels[task.dev]),
        batch_size=transfer.fit.batch_size,
        seed=seed,
        start=linear.model_dump_json(),
    )
    epochs = fit(problem, transfer.fit, task.run)
    config = {**backbone.config, "features": features.shape[1], "classes": task.classes}
    return Tuned(backbone, TunedTop(top, config)), epochs


def train_backbone(
    pretrained: Any, backbone: BackboneParameters, run: RunParameters
) -> tuple[Backbone, dict[str, Any]]:
    """The pretrained network: one by name, or a small one that learns to tell generated textures apart."""
    model = Backbone.of(pretrained, backbone, run)
    return model, {"network": backbone.network, "fingerprint": model.fingerprint, "epochs": []}


def train(
    train_split: Examples,
    dev_split: Examples,
    split_card: dict[str, Any],
    linear: LinearParameters,
    scratch: ScratchParameters,
    transfer: TransferParameters,
    run: RunParameters,
    variant: str = "",
    backbone_model: Backbone | None = None,
) -> tuple[Any, Mapping[str, Any]]:
    """One variant on the study's own split."""
    pixels = np.concatenate([np.asarray(part["pixels"]) for part in (train_split, dev_split)])
    labels = np.concatenate([part.rows["label"].to_numpy() for part in (train_split, dev_split)])
    views = transfer if variant == "transfer" else None
    pool = Pool(pixels, backbone_model, views, derive_seed(run.seed, "views") if views else 0)
    rows = np.arange(len(labels))
    task = Task(labels, rows[: len(train_split)], rows[len(train_split) :], len(split_card["classes"]), run)
    model, epochs = learn(variant, pool, task, linear, scratch, transfer)
    return model, on_dev(model, dev_split, epochs=epochs)
