"""The variants: how each is trained, and what it is once it is.

Importing this module registers every class that a model file may name.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from itertools import product
from typing import Any, ClassVar

import numpy as np
import torch
from numpy.typing import NDArray
from torch import nn

from etudes.benches.classifiers import on_dev
from etudes.evaluation.cost import megaflops, weights
from etudes.examples import Examples
from etudes.models import register_model
from etudes.networks import NetworkModel
from etudes.pipelines.knowledge_distillation.parameters import (
    GridParameters,
    HintParameters,
    NetworkParameters,
    SmoothingParameters,
    TeacherParameters,
)
from etudes.stored import Stored
from etudes.training.fit import fit, resolve_device
from etudes.training.parameters import RunParameters
from etudes.training.seeds import derive_seed, seed_everything
from etudes.training.session import part
from etudes.vision.cifar_networks import CifarResNet
from etudes.vision.classifying import PictureProblem
from etudes.vision.parameters import KeptViewsParameters
from etudes.vision.pretrained import Pretrained
from etudes.vision.reader import PictureReader
from etudes.vision.teaching import Guessing, TeachingProblem, asked, views_of
from etudes.vision.teaching_losses import shuffled_logits

__all__ = ["PictureReader"]
Trained = tuple[Any, dict[str, Any]]
UNTOLD: dict[str, Any] = {"temperature": 1.0, "share": 0.0}


@register_model("knowledge_distillation.network")
class Network(NetworkModel):
    """A residual network that classifies small pictures; ``temperature`` and ``share`` are those it was taught with."""

    network_class: ClassVar[Callable[..., nn.Module]] = CifarResNet

    def logits(self, examples: Examples) -> NDArray[np.float32]:
        """(N, K)."""
        return asked(self.network, np.asarray(examples["pixels"]), torch.device("cpu"))[0]

    def predict_proba(self, examples: Examples) -> NDArray[np.float64]:
        """(N, K)."""
        logits = torch.from_numpy(self.logits(examples)).double()
        return logits.softmax(1).numpy()

    def cost(self, side: int) -> tuple[float, int]:
        """Operations of an answer to a picture of ``side`` pixels, in millions, and weights."""
        return megaflops(self.network, torch.zeros(1, 3, side, side)), weights(self.network)


@register_model("knowledge_distillation.answers")
@dataclass
class Answers(Stored):
    """What a teacher says of the views of the training pictures.

    Args:
        logits: (N, V, K).
        features: (N, V, D), each of the D with mean 0 and variance 1.
    """

    logits: NDArray[np.float32]
    features: NDArray[np.float32]

    def __len__(self) -> int:
        return len(self.logits)


@register_model("knowledge_distillation.grid")
@dataclass
class Grid(Stored):
    """Students of one teacher that differ in temperature and share alone, in the order of ``settings``."""

    networks: list[Network]
    settings: list[dict[str, float]]


def train_teacher(
    train_split: Examples,
    dev_split: Examples,
    split_card: dict[str, Any],
    pretrained: Pretrained,
    views: KeptViewsParameters,
    parameters: TeacherParameters,
    run: RunParameters,
) -> Trained:
    """The teacher. Pretrained weights are of networks that have seen CIFAR-10's whole training part, our dev rows as well: such a teacher
    has no dev score.

    Raises:
        ValueError: the pretrained network knows another number of classes.
        WeightsError: a weight file that cannot be used.
    """
    if parameters.weights is None:
        return train_own_teacher(train_split, dev_split, split_card, views, parameters, run, name="teacher")
    network, classes = pretrained.network(parameters.weights), len(split_card["classes"])
    config = {"blocks": 3, "classes": 10, "width": 16, "channels": 3, "stride": 1}
    if classes != config["classes"]:
        raise ValueError(
            f"teacher.weights: {parameters.weights} knows {config['classes']} classes, these pictures show {classes}; expected null"
        )
    return Network(network, config, **UNTOLD), {"dev": {}, "epochs": []}


def train_own_teacher(
    train_split: Examples,
    dev_split: Examples,
    split_card: dict[str, Any],
    views: KeptViewsParameters,
    parameters: NetworkParameters,
    run: RunParameters,
    *,
    name: str = "own_teacher",
) -> Trained:
    """A teacher that has seen the student's training pictures and no other."""
    own = _own(run, name, parameters)
    seed_everything(own.seed)
    config = _config(parameters, split_card)
    problem = PictureProblem(
        CifarResNet(**config),
        *_arrays(train_split, dev_split),
        parameters.fit.batch_size,
        shift=views.shift,
        mirror=views.mirror,
    )
    epochs = fit(problem, parameters.fit, own)
    model = Network(problem.model, config, **UNTOLD)
    return model, on_dev(model, dev_split, epochs=epochs)


def train_answers(
    train_split: Examples, teacher: dict[str, Network], views: KeptViewsParameters, run: RunParameters
) -> Trained:
    """Ask a teacher about every view of the training pictures, once for all students; without a teacher there are no answers."""
    nothing: dict[str, Any] = {"dev": {}, "epochs": []}
    if not teacher:
        return Answers(*np.zeros((2, 0, views.count, 0), np.float32)), nothing
    pictures = _views(train_split, views, run)
    network = next(iter(teacher.values())).network
    found = asked(network, pictures.reshape(-1, *pictures.shape[2:]), resolve_device(run.device))
    logits, features = (array.reshape(*pictures.shape[:2], -1) for array in found)
    scale = features.std((0, 1))
    return Answers(logits, (features - features.mean((0, 1))) / np.where(scale > 0, scale, 1)), nothing


def taught(
    train_split: Examples,
    dev_split: Examples,
    split_card: dict[str, Any],
    student: NetworkParameters,
    views: KeptViewsParameters,
    run: RunParameters,
    **told: Any,
) -> tuple[Network, list[dict[str, float]]]:
    """A student and its epochs; ``told`` are the arguments of `TeachingProblem` that are not the same for all.

    All students begin with the same weights and see the same pictures in the same views in the same order: they differ in
    what they are told.
    """
    own = _own(run, "student", student)
    seed_everything(own.seed)
    config, hints = _config(student, split_card), told.get("hints")
    network = CifarResNet(**config)
    problem = TeachingProblem(
        network if hints is None else Guessing(network, hints.shape[2]),
        *_arrays(train_split, dev_split),
        student.fit.batch_size,
        views=_views(train_split, views, run),
        **told,
    )
    epochs = fit(problem, student.fit, own)
    return Network(network.eval(), config, **{name: told.get(name, UNTOLD[name]) for name in UNTOLD}), epochs


def train_student(
    train_split: Examples,
    dev_split: Examples,
    split_card: dict[str, Any],
    student: NetworkParameters,
    views: KeptViewsParameters,
    run: RunParameters,
) -> Trained:
    """The student alone."""
    model, epochs = taught(train_split, dev_split, split_card, student, views, run)
    return model, on_dev(model, dev_split, epochs=epochs)


def train_smoothed(
    train_split: Examples,
    dev_split: Examples,
    split_card: dict[str, Any],
    student: NetworkParameters,
    views: KeptViewsParameters,
    parameters: SmoothingParameters,
    run: RunParameters,
) -> Trained:
    """The student with smoothed labels: softer targets that know nothing (Szegedy et al. 2016, arXiv:1512.00567, section 7)."""
    model, epochs = taught(
        train_split, dev_split, split_card, student, views, run, smoothing=parameters.share
    )
    return model, on_dev(model, dev_split, epochs=epochs)


def train_grid(
    train_split: Examples,
    dev_split: Examples,
    split_card: dict[str, Any],
    student: NetworkParameters,
    views: KeptViewsParameters,
    parameters: GridParameters,
    answers: Answers,
    run: RunParameters,
) -> Trained:
    """A student for each temperature and share; none without a teacher."""
    found, tried = [], []
    for temperature, share in product(parameters.temperatures, parameters.shares) if len(answers) else ():
        how = {"temperature": temperature, "share": share}
        with part(f"temperature_{temperature:g}_share_{share:g}"):
            told = {**how, "answers": answers.logits}
            model, epochs = taught(train_split, dev_split, split_card, student, views, run, **told)
        found.append(model)
        tried.append({**how, **on_dev(model, dev_split, epochs=epochs)})
    settings = [{name: row[name] for name in UNTOLD} for row in tried]
    return Grid(found, settings), {"dev": {}, "epochs": [], "tried": tried}


def choose_distilled(grid: Grid, tried: dict[str, Any]) -> Trained:
    """The student of the grid with the best accuracy on dev, the first among equals.

    Raises:
        ValueError: there was no teacher.
    """
    rows = tried["tried"]
    if not rows:
        raise _missing("teacher")
    best = max(range(len(rows)), key=lambda place: rows[place]["dev"]["accuracy"])
    return grid.networks[best], {"dev": rows[best]["dev"], "epochs": rows[best]["epochs"]}


def train_taught(
    train_split: Examples,
    dev_split: Examples,
    split_card: dict[str, Any],
    student: NetworkParameters,
    views: KeptViewsParameters,
    answers: Answers,
    distilled: dict[str, Network],
    run: RunParameters,
    shuffled: bool = False,
) -> Trained:
    """A student at the temperature and share of `distilled`, of another teacher or of answers whose other classes are ``shuffled``."""
    told, logits = _told(distilled, answers), answers.logits
    if shuffled:
        flat = logits.reshape(-1, logits.shape[-1])
        logits = shuffled_logits(flat, derive_seed(run.seed, "shuffled")).reshape(logits.shape)
    model, epochs = taught(train_split, dev_split, split_card, student, views, run, **told, answers=logits)
    return model, on_dev(model, dev_split, epochs=epochs)


def train_hinted(
    train_split: Examples,
    dev_split: Examples,
    split_card: dict[str, Any],
    student: NetworkParameters,
    views: KeptViewsParameters,
    parameters: HintParameters,
    answers: Answers,
    distilled: dict[str, Network],
    run: RunParameters,
) -> Trained:
    """A student at the temperature and share of `distilled` that guesses the teacher's features as well."""
    told = {**_told(distilled, answers), "answers": answers.logits}
    hint = {"hints": answers.features, "weight": parameters.weight}
    model, epochs = taught(train_split, dev_split, split_card, student, views, run, **told, **hint)
    return model, on_dev(model, dev_split, epochs=epochs)


def _told(distilled: Mapping[str, Network], answers: Answers) -> dict[str, float]:
    """The temperature and the share that dev chose.

    Raises:
        ValueError: `distilled` or the teacher was not trained.
    """
    for missing, name in ((not distilled, "distilled"), (not len(answers), "teacher or own_teacher")):
        if missing:
            raise _missing(name)
    network = next(iter(distilled.values()))
    return {name: getattr(network, name) for name in UNTOLD}


def _missing(name: str) -> ValueError:
    return ValueError(
        f"a student needs {name}, which `variants` leaves out; add it, or leave the student out"
    )


def _own(run: RunParameters, name: str, network: NetworkParameters) -> RunParameters:
    precision = network.precision or run.precision
    return run.model_copy(update={"seed": derive_seed(run.seed, name), "precision": precision})


def _config(network: NetworkParameters, split_card: Mapping[str, Any]) -> dict[str, Any]:
    return {
        "blocks": network.blocks,
        "classes": len(split_card["classes"]),
        "width": network.width,
        "channels": 3,
        "stride": network.stride,
    }


def _arrays(train: Examples, dev: Examples) -> tuple[NDArray, NDArray, NDArray, NDArray]:
    labels = [part.rows["label"].to_numpy() for part in (train, dev)]
    return np.asarray(train["pixels"]), labels[0], np.asarray(dev["pixels"]), labels[1]


def _views(train: Examples, views: KeptViewsParameters, run: RunParameters) -> NDArray[np.uint8]:
    return views_of(np.asarray(train["pixels"]), views, derive_seed(run.seed, "views"))
