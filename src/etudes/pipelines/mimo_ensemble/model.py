"""The variants: how each is trained, and what it is once it is.

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
from torch import nn

from etudes.benches.classifiers import on_dev
from etudes.benches.uncertain import Ensemble, Tempered, ensemble_of
from etudes.evaluation import classification_metrics
from etudes.evaluation.cost import megaflops, weights
from etudes.examples import Examples
from etudes.models import register_model
from etudes.networks import NetworkModel
from etudes.pipelines.mimo_ensemble.pairing import AT_ONCE, MimoProblem, by_slot, repeated, side_by_side
from etudes.pipelines.mimo_ensemble.parameters import (
    DropoutParameters,
    EnsembleParameters,
    MimoParameters,
    NarrowParameters,
    RepetitionsParameters,
    WidthsParameters,
)
from etudes.stored import Stored
from etudes.training.fit import fit
from etudes.training.parameters import RunParameters
from etudes.training.seeds import derive_seed, seed_everything
from etudes.training.session import part
from etudes.vision.cifar_networks import CifarResNet
from etudes.vision.parameters import SmallNetworkParameters
from etudes.vision.reader import PictureReader
from etudes.vision.thinning import thinned

__all__ = ["Ensemble", "PictureReader", "Tempered"]
Trained = tuple[Any, dict[str, Any]]


@register_model("mimo_ensemble.network")
class Network(NetworkModel):
    """A network with ``inputs`` inputs and as many outputs, asked once, or ``passes`` times with dropout on (0: off).

    p(y | x) = 1/M sum_m p_m(y | x, ..., x): the same picture in all slots, the mean of M probabilities (section 2 of the paper). The
    draws of dropout follow from ``seed``, so the same picture always gets the same answer.
    """

    network_class: ClassVar[Callable[..., nn.Module]] = CifarResNet

    def draws(self, examples: Examples) -> NDArray[np.float32]:
        """Probabilities of each member (M, N, K), of each pass where dropout is on."""
        parts = []
        with torch.inference_mode():
            for pixels in torch.from_numpy(np.array(examples["pixels"])).split(AT_ONCE):
                pictures = side_by_side(repeated(pixels, self.inputs))
                if self.passes:
                    logits = thinned(self.network, pictures, self.passes, self.seed)
                else:
                    logits = self.network(pictures)[None]
                parts.append(by_slot(logits, self.inputs).softmax(-1).permute(0, 2, 1, 3).flatten(0, 1))
        return torch.cat(parts, 1).numpy()

    def predict_proba(self, examples: Examples) -> NDArray[np.float64]:
        """(N, K)."""
        mean: NDArray[np.float64] = self.draws(examples).mean(axis=0, dtype=np.float64)
        return mean

    def cost(self, side: int) -> tuple[float, int]:
        """Operations of an answer to a picture of ``side`` pixels, in millions, and weights."""
        once = megaflops(self.network, torch.zeros(1, 3 * self.inputs, side, side))
        return max(1, self.passes) * once, weights(self.network)


@register_model("mimo_ensemble.swept")
@dataclass
class Swept(Stored):
    """Networks that differ in one setting, which are not compared as variants are.

    Args:
        networks: all of them.
        settings: of each, as a row of a table says them.
    """

    networks: list[Network]
    settings: list[dict[str, Any]]


def train_network(
    train_split: Examples,
    dev_split: Examples,
    split_card: dict[str, Any],
    network: SmallNetworkParameters,
    run: RunParameters,
    name: str,
    members: int = 1,
    mimo: MimoParameters | None = None,
    rate: float = 0.0,
    passes: int = 0,
    width: int | None = None,
) -> tuple[Network, list[dict[str, float]]]:
    """One network and its epochs; the epoch with the best log-loss on dev is kept.

    ``name`` decides first weights, order of batches and draws, so no two networks share them. Where batches are repeated there
    are as many times fewer epochs, so that every network takes about as many steps of as many rows. ``width`` takes the place of the
    network's own.
    """
    own = run.model_copy(update={"seed": derive_seed(run.seed, name)})
    seed_everything(derive_seed(own.seed, "weights"))
    config: dict[str, Any] = {
        "blocks": network.blocks,
        "classes": members * len(split_card["classes"]),
        "width": network.width if width is None else width,
        "channels": 3 * members,
        "stride": network.stride,
        "rate": rate,
    }
    how = mimo or MimoParameters(batch_repetition=1, input_repetition=0.0)
    problem = MimoProblem(
        CifarResNet(**config),
        train=np.asarray(train_split["pixels"]),
        labels=train_split.rows["label"].to_numpy(),
        dev=np.asarray(dev_split["pixels"]),
        dev_labels=dev_split.rows["label"].to_numpy(),
        batch_size=network.fit.batch_size,
        shift=network.shift,
        mirror=network.mirror,
        members=members,
        batch_repetition=how.batch_repetition,
        input_repetition=how.input_repetition,
        passes=passes,
    )
    epochs = max(1, round(network.fit.epochs / how.batch_repetition))
    rows = fit(problem, network.fit.model_copy(update={"epochs": epochs}), own)
    kept = {"inputs": members, "passes": passes, "seed": derive_seed(own.seed, "draws")}
    return Network(problem.model, config, **kept), rows


def train_plain(
    train_split: Examples,
    dev_split: Examples,
    split_card: dict[str, Any],
    network: SmallNetworkParameters,
    run: RunParameters,
) -> Trained:
    """An ordinary network."""
    model, epochs = train_network(train_split, dev_split, split_card, network, run, "network_1")
    return model, on_dev(model, dev_split, epochs=epochs)


def train_mimo(
    train_split: Examples,
    dev_split: Examples,
    split_card: dict[str, Any],
    network: SmallNetworkParameters,
    parameters: MimoParameters,
    run: RunParameters,
    *,
    members: int = 2,
) -> Trained:
    """The same network with ``members`` inputs and outputs."""
    how = (train_split, dev_split, split_card, network, run, f"mimo_{members}", members, parameters)
    model, epochs = train_network(*how)
    return model, on_dev(model, dev_split, epochs=epochs)


def train_dropout(
    train_split: Examples,
    dev_split: Examples,
    split_card: dict[str, Any],
    network: SmallNetworkParameters,
    parameters: DropoutParameters,
    run: RunParameters,
) -> Trained:
    """The network with dropout, which stays on when it is asked; its epoch is chosen with dropout off."""
    how = (train_split, dev_split, split_card, network, run, "dropout")
    model, epochs = train_network(*how, rate=parameters.rate, passes=parameters.passes)
    return model, on_dev(model, dev_split, epochs=epochs)


def train_ensemble(
    train_split: Examples,
    dev_split: Examples,
    split_card: dict[str, Any],
    members: dict[str, Any],
    network: SmallNetworkParameters,
    parameters: EnsembleParameters,
    run: RunParameters,
) -> Trained:
    """Several networks; `plain`, if it was trained, is the first of them."""
    how = (train_split, dev_split, split_card, network, run)
    return ensemble_of([*members.values()], parameters.networks, partial(train_network, *how), dev_split)


def train_narrow(
    train_split: Examples,
    dev_split: Examples,
    split_card: dict[str, Any],
    network: SmallNetworkParameters,
    parameters: NarrowParameters,
    run: RunParameters,
) -> Trained:
    """Several narrow networks."""
    one = partial(train_network, train_split, dev_split, split_card, network, run, width=parameters.width)
    return ensemble_of([], parameters.networks, one, dev_split, "narrow")


def train_widths(
    train_split: Examples,
    dev_split: Examples,
    split_card: dict[str, Any],
    network: SmallNetworkParameters,
    mimo: MimoParameters,
    parameters: WidthsParameters,
    run: RunParameters,
) -> Trained:
    """Networks of other widths, with one input and with several."""
    found: dict[str, tuple[Network, dict[str, Any]]] = {}
    for width in sorted({*parameters.widths}):
        for members in (1, parameters.members):
            name = f"width_{width}_inputs_{members}"
            how = (network, run, name, members, mimo if members > 1 else None)
            with part(name):
                model, _ = train_network(train_split, dev_split, split_card, *how, width=width)
            found[name] = model, {"width": width, "members": members}
    return _swept(found, dev_split)


def train_repetitions(
    train_split: Examples,
    dev_split: Examples,
    split_card: dict[str, Any],
    network: SmallNetworkParameters,
    mimo: MimoParameters,
    parameters: RepetitionsParameters,
    run: RunParameters,
) -> Trained:
    """Networks with several inputs that are shown pictures together in other ways than the variants are."""
    asked = {(mimo.batch_repetition, share) for share in parameters.input}
    asked |= {(count, mimo.input_repetition) for count in parameters.batch}
    asked -= {(mimo.batch_repetition, mimo.input_repetition)}
    found: dict[str, tuple[Network, dict[str, Any]]] = {}
    for count, share in sorted(asked):
        name = f"input_{share:g}_batch_{count}"
        way = MimoParameters(batch_repetition=count, input_repetition=share)
        with part(name):
            how = (network, run, name, parameters.members, way)
            model, _ = train_network(train_split, dev_split, split_card, *how)
        found[name] = model, way.model_dump()
    return _swept(found, dev_split)


def _swept(found: dict[str, tuple[Network, dict[str, Any]]], dev_split: Examples) -> Trained:
    labels, tried = dev_split.rows["label"].to_numpy(), []
    for network, setting in found.values():
        scores = classification_metrics(labels, network.predict_proba(dev_split))
        tried.append({**setting, "log_loss": scores["log_loss"], "accuracy": scores["accuracy"]})
    model = Swept([network for network, _ in found.values()], [setting for _, setting in found.values()])
    dev = {"log_loss": min((row["log_loss"] for row in tried), default=float("nan"))}
    return model, {"dev": dev, "epochs": [], "tried": tried}
