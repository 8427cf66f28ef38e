"""The variants: how each is made smaller, and what it is once it is.

Importing this module registers every class that a model file may name.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import Any, ClassVar

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from etudes.benches.classifiers import on_dev
from etudes.examples import Examples
from etudes.models import register_model
from etudes.networks import NetworkModel
from etudes.pipelines.network_compression.integers import Integer, grids
from etudes.pipelines.network_compression.parameters import (
    FileParameters,
    NetworkParameters,
    PruningParameters,
    SmallParameters,
    TuningParameters,
)
from etudes.pipelines.network_compression.pruning import masks_of, slimmed
from etudes.stored import Stored
from etudes.training.fit import fit, resolve_device
from etudes.training.parameters import FitParameters, RunParameters
from etudes.training.seeds import derive_seed, seed_everything
from etudes.training.session import part
from etudes.vision.classifying import PictureProblem
from etudes.vision.compact import Compact, Design, layers_of
from etudes.vision.packing import Packed, kilobytes, packed
from etudes.vision.parameters import KeptViewsParameters
from etudes.vision.pretrained import Pretrained
from etudes.vision.reader import PictureReader
from etudes.vision.rounding import rounded
from etudes.vision.teaching import Alteration, AlteredProblem, altered, asked, views_of

__all__ = ["Integer", "PictureReader"]
Trained = tuple[Any, dict[str, Any]]
RESNET_20 = {"blocks": 3, "classes": 10, "width": 16}


@register_model("network_compression.network")
class Network(NetworkModel):
    """A network with its normalisation, as training left it."""

    network_class: ClassVar[Callable[..., nn.Module]] = Compact


@register_model("network_compression.original")
@dataclass
class Original(Stored):
    """The network that is made smaller, and its logits (N, V, K) for the views of the training pictures: whoever lost something
    learns from them."""

    network: Network
    answers: NDArray[np.float32]


@register_model("network_compression.pruned_networks")
@dataclass
class PrunedNetworks(Stored):
    """Networks that lost weights (``kinds`` *magnitude*) or channels (*channels*) at ``rates``, in this order: before training went on, and after."""

    kinds: list[str]
    rates: list[float]
    before: list[Network]
    after: list[Network]


@dataclass
class Lessons:
    """What all trainings of a run share: pictures, their views, what the original network says of them, and how training runs.

    ``stored`` is all that the file depends on which comes of the training, for checkpoints.
    """

    train: Examples
    dev: Examples
    views: KeptViewsParameters
    answers: NDArray[np.float32]
    tuning: TuningParameters
    run: RunParameters
    stored: str = ""

    def teach(
        self,
        network: nn.Module,
        name: str,
        settings: FitParameters,
        told: bool = True,
        alter: Alteration | None = None,
        altered_by: str = "",
    ) -> list[dict[str, float]]:
        """Train a network in place and give its epochs; altered weights are its weights at the end.

        Args:
            network: as it begins.
            name: seeds order and views of the pictures; networks that are compared have one name.
            settings: of the training.
            told: the original's answers beside the labels, or these alone.
            alter: what its weights act as.
            altered_by: all that ``alter`` depends on, for checkpoints.
        """
        own = _own(self.run, name, self.tuning.precision)
        seed_everything(own.seed)
        how: dict[str, Any] = {"altered": f"{altered_by} {self.stored}"}
        if told:
            how |= {
                "answers": self.answers,
                "temperature": self.tuning.temperature,
                "share": self.tuning.share,
            }
        if alter:
            how["alter"] = alter
        problem = AlteredProblem(
            network.requires_grad_(True),
            *_arrays(self.train, self.dev),
            settings.batch_size,
            views=_views(self.train, self.views, self.run),
            **how,
        )
        epochs = fit(problem, settings, own)
        if alter:
            with torch.no_grad():
                network.load_state_dict(altered(network, alter), strict=False)
        return epochs


def train_network(
    train_split: Examples,
    dev_split: Examples,
    split_card: dict[str, Any],
    pretrained: Pretrained,
    views: KeptViewsParameters,
    parameters: NetworkParameters,
    run: RunParameters,
) -> Trained:
    """The network that is made smaller, and what it says of the training pictures.

    Raises:
        ValueError: the pretrained network knows another number of classes.
        WeightsError: a weight file that cannot be used.
    """
    classes, own = len(split_card["classes"]), _own(run, "network", parameters.precision)
    seed_everything(own.seed)
    epochs: list[dict[str, float]] = []
    shape = {"blocks": parameters.blocks, "classes": classes, "width": parameters.width}
    config: dict[str, Any] = shape if parameters.weights is None else RESNET_20
    if classes != config["classes"]:
        raise ValueError(
            f"network.weights: {parameters.weights} knows {config['classes']} classes, these pictures show {classes}; expected null"
        )
    network = Compact(**config)
    if parameters.weights is None:
        arrays, batch = _arrays(train_split, dev_split), parameters.fit.batch_size
        problem = PictureProblem(network, *arrays, batch, shift=views.shift, mirror=views.mirror)
        epochs = fit(problem, parameters.fit, own)
    else:
        network.load_state_dict(pretrained.network(parameters.weights).state_dict())
    pictures = _views(train_split, views, run)
    logits = asked(network, pictures.reshape(-1, *pictures.shape[2:]), resolve_device(run.device))[0]
    return Original(Network(network, config), logits.reshape(*pictures.shape[:2], -1)), {
        "dev": {},
        "epochs": epochs,
    }


def train_packed(
    dev_split: Examples, original_model: Original, file: FileParameters, bits: int = 8
) -> Trained:
    """The network with ``bits`` a weight and nothing else: no training, no pictures."""
    return _judged(
        packed(original_model.network.network, original_model.network.config, bits), dev_split, file.limit
    )


def train_integer(
    train_split: Examples, dev_split: Examples, original_model: Original, file: FileParameters
) -> Trained:
    """Weights of 8 bits, and whole numbers between the layers."""
    weights = packed(original_model.network.network, original_model.network.config, 8)
    at = grids(weights.network, _spread(train_split, file.calibration))
    scales, zeros = (np.array([grid[k] for grid in at.values()]) for k in (0, 1))
    return _judged(Integer(weights, list(at), scales, zeros), dev_split, file.limit)


def train_rounded(
    train_split: Examples,
    dev_split: Examples,
    original_model: Original,
    views: KeptViewsParameters,
    tuning: TuningParameters,
    run: RunParameters,
    file: FileParameters,
    bits: int = 4,
) -> Trained:
    """Training goes on with weights that act as if they had ``bits`` already (Jacob et al. 2018, arXiv:1712.05877)."""
    stored = f"{file.limit:g} kB"
    lessons = Lessons(train_split, dev_split, views, original_model.answers, tuning, run, stored)
    return _rounded(original_model.network, bits, lessons, file.limit)


def train_pruning(
    train_split: Examples,
    dev_split: Examples,
    original_model: Original,
    views: KeptViewsParameters,
    tuning: TuningParameters,
    parameters: PruningParameters,
    run: RunParameters,
) -> Trained:
    """Networks without a share of their weights or channels, each from the original, before and after more training."""
    lessons = Lessons(train_split, dev_split, views, original_model.answers, tuning, run)
    original, config = original_model.network.network, original_model.network.config
    found, tried = PrunedNetworks([], [], [], []), []
    for kind, rates in (("magnitude", parameters.magnitude), ("channels", parameters.channels)):
        for rate in rates:
            with part(f"{kind}_{rate:g}"):
                how: dict[str, Any] = {}
                if kind == "magnitude":
                    shape, start = config, Compact(**config)
                    alter = partial(_masked, masks_of(original, rate))
                    start.load_state_dict({**original.state_dict(), **altered(original, alter)})
                    how = {"alter": alter, "altered_by": f"{kind} {rate}"}
                else:
                    start, shape = slimmed(original, config, rate)
                found.before.append(_copied(start, shape))
                settings = tuning.fit if kind == "magnitude" else parameters.fit
                epochs = lessons.teach(start, "tuning", settings, **how)
            found.after.append(Network(start, shape))
            found.kinds.append(kind)
            found.rates.append(rate)
            tried.append({"kind": kind, "rate": rate, "epochs": epochs})
    return found, {"dev": {}, "epochs": [], "tried": tried}


def choose_pruned(
    dev_split: Examples,
    pruning_model: PrunedNetworks,
    pruning_history: dict[str, Any],
    pruning: PruningParameters,
    file: FileParameters,
    kind: str = "magnitude",
) -> Trained:
    """The network of one ``kind`` that lost least among those whose file fits, or the one that lost most: no score chooses."""
    place, model = _first_that_fits(pruning_model, kind, pruning.bits, file.limit)
    return _judged(model, dev_split, file.limit, epochs=pruning_history["tried"][place]["epochs"])


def train_combined(
    train_split: Examples,
    dev_split: Examples,
    original_model: Original,
    pruning_model: PrunedNetworks,
    views: KeptViewsParameters,
    tuning: TuningParameters,
    pruning: PruningParameters,
    run: RunParameters,
    file: FileParameters,
) -> Trained:
    """The network that lost channels learns to live with 4 bits as well (after Han et al. 2016, arXiv:1510.00149)."""
    place, _ = _first_that_fits(pruning_model, "channels", pruning.bits, file.limit)
    stored = f"{pruning.bits} bits, {file.limit:g} kB"
    lessons = Lessons(train_split, dev_split, views, original_model.answers, tuning, run, stored)
    return _rounded(pruning_model.after[place], 4, lessons, file.limit)


def train_small(
    train_split: Examples,
    dev_split: Examples,
    split_card: dict[str, Any],
    original_model: Original,
    views: KeptViewsParameters,
    tuning: TuningParameters,
    small: SmallParameters,
    run: RunParameters,
    file: FileParameters,
    design: Design = "dense",
    told: bool = True,
) -> Trained:
    """A small network of a ``design`` from scratch, alone or ``told`` what the original says."""
    seed_everything(derive_seed(run.seed, "small"))
    shape = {"blocks": small.blocks, "classes": len(split_card["classes"]), "stride": small.stride}
    config = {**shape, "width": getattr(small, design), "design": design}
    found = Compact(**config)
    stored = f"{small.bits} bits, {file.limit:g} kB"
    lessons = Lessons(train_split, dev_split, views, original_model.answers, tuning, run, stored)
    epochs = lessons.teach(found, "small", small.fit, told)
    return _judged(packed(found, config, small.bits), dev_split, file.limit, epochs=epochs)


def _first_that_fits(found: PrunedNetworks, kind: str, bits: int, limit: float) -> tuple[int, Packed]:
    places = [place for place, one in enumerate(found.kinds) if one == kind]
    for place in places:
        network = found.after[place]
        model = packed(network.network, network.config, bits, sparse=kind == "magnitude")
        if kilobytes(model) <= limit:
            break
    return place, model


def _rounded(start: Network, bits: int, lessons: Lessons, limit: float) -> Trained:
    network = _copied(start.network, start.config).network
    names = [f"{name}.weight" for name, _ in layers_of(network)]
    depths = dict.fromkeys(names, bits) | dict.fromkeys((names[0], names[-1]), max(bits, 8))

    def alter(name: str, weight: Tensor) -> Tensor:
        return rounded(weight, depths[name]) if name in depths else weight

    epochs = lessons.teach(network, "tuning", lessons.tuning.fit, alter=alter, altered_by=f"{bits} bits")
    return _judged(packed(network, start.config, bits), lessons.dev, limit, epochs=epochs)


def _masked(masks: dict[str, Tensor], name: str, weight: Tensor) -> Tensor:
    return weight * masks[name].to(weight.device) if name in masks else weight


def _copied(network: nn.Module, config: dict[str, Any]) -> Network:
    found = Compact(**config)
    found.load_state_dict(network.state_dict())
    return Network(found, config)


def _judged(model: Any, dev: Examples, limit: float, **history: Any) -> Trained:
    """A model and its history; a file above the limit has no dev score, so that it is never registered."""
    if kilobytes(model) > limit:
        return model, {"dev": {}, "epochs": [], **history}
    return model, on_dev(model, dev, **history)


def _spread(train: Examples, count: int) -> NDArray[np.uint8]:
    """About ``count`` pictures from first to last: rows are sorted by class."""
    return np.asarray(train["pixels"])[:: max(1, len(train) // count)]


def _own(run: RunParameters, name: str, precision: str | None) -> RunParameters:
    seed = derive_seed(run.seed, name)
    return run.model_copy(update={"seed": seed, "precision": precision or run.precision})


def _arrays(train: Examples, dev: Examples) -> tuple[NDArray, NDArray, NDArray, NDArray]:
    labels = [part.rows["label"].to_numpy() for part in (train, dev)]
    return np.asarray(train["pixels"]), labels[0], np.asarray(dev["pixels"]), labels[1]


def _views(train: Examples, views: KeptViewsParameters, run: RunParameters) -> NDArray[np.uint8]:
    return views_of(np.asarray(train["pixels"]), views, derive_seed(run.seed, "views"))
