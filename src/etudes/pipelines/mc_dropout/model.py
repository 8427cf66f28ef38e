"""The variants: how each is trained, and what it is once it is.

Importing this module registers every class that a model file may name.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np
import torch
from numpy.typing import NDArray
from torch import nn

from etudes.benches.classifiers import on_dev
from etudes.benches.uncertain import Ensemble, Tempered, ensemble_of, train_tempered
from etudes.digits.judge import JudgeProblem, intensities
from etudes.digits.reader import DigitReader
from etudes.evaluation.uncertainty import log_losses
from etudes.examples import Examples
from etudes.models import register_model
from etudes.networks import NetworkModel
from etudes.pipelines.mc_dropout.networks import DropoutNetwork
from etudes.pipelines.mc_dropout.parameters import (
    DropoutParameters,
    EnsembleParameters,
    FewParameters,
    NetworkParameters,
    PassesParameters,
)
from etudes.splits import stratified
from etudes.stored import Stored
from etudes.training.fit import fit
from etudes.training.parameters import RunParameters
from etudes.training.seeds import derive_seed, seed_everything
from etudes.training.session import part

__all__ = ["DigitReader", "Ensemble", "Tempered"]
Trained = tuple[Any, dict[str, Any]]
BATCH, MANY = 500, 100  # pictures asked at once, of one pass and of many


@register_model("mc_dropout.network")
class Network(NetworkModel):
    """A network, asked once with dropout off (``passes`` 0), or so many times with dropout on.

    p(y | x) = 1/T sum_t p(y | x, w_t), where w_t are the weights with the units of draw t left out: T draws of the approximate
    posterior q(w) (Gal and Ghahramani 2016, equation 6 and section 4). Probabilities are averaged, not logits. The draws
    follow from ``seed``, so the same picture always gets the same answer.
    """

    network_class: ClassVar[Callable[..., nn.Module]] = DropoutNetwork

    def with_passes(self, passes: int) -> Network:
        """The same weights asked ``passes`` times."""
        return type(self)(self.network, self.config, passes=passes, seed=self.seed)

    def draws(self, examples: Examples) -> NDArray[np.float32]:
        """Probabilities of each pass (T, N, K); of one where dropout is off."""
        pixels, size = np.asarray(examples["pixels"]), MANY if self.passes else BATCH
        masks = self.network.masks(self.passes, self.seed)
        parts = []
        with torch.inference_mode():
            for start in range(0, len(pixels), size):
                pictures = intensities(pixels[start : start + size])
                logits = (
                    self.network.thinned(pictures, masks) if self.passes else self.network(pictures)[None]
                )
                parts.append(logits.softmax(-1).numpy())
        return np.concatenate(parts, axis=1)

    def predict_proba(self, examples: Examples) -> NDArray[np.float64]:
        """(N, K)."""
        return self.draws(examples).mean(axis=0, dtype=np.float64)


@register_model("mc_dropout.swept")
@dataclass
class Swept(Stored):
    """Networks of several rates and places of dropout; the ``chosen`` one answers, with dropout off.

    Args:
        networks: all of them, with dropout off.
        temperatures: of each, by dev.
        chosen: place of the one.
        passes: with how many they were compared on dev.
        pictures: that they learned from.
    """

    networks: list[Network]
    temperatures: list[float]
    chosen: int
    passes: int
    pictures: int

    @property
    def network(self) -> Network:
        return self.networks[self.chosen]

    def predict_proba(self, examples: Examples) -> NDArray[np.float64]:
        """(N, K)."""
        return self.network.predict_proba(examples)


def train_network(
    train_split: Examples,
    dev_split: Examples,
    classes: int,
    parameters: NetworkParameters,
    run: RunParameters,
    name: str,
    rate: float = 0.0,
    everywhere: bool = False,
) -> tuple[Network, list[dict[str, float]]]:
    """One network and its epochs; the epoch with the best log-loss on dev, dropout off, is kept.

    ``name`` decides first weights, order of batches and draws, so no two networks share them.
    """
    own = run.model_copy(update={"seed": derive_seed(run.seed, name)})
    seed_everything(derive_seed(own.seed, "weights"))
    config: dict[str, Any] = {
        "side": int(train_split["pixels"].shape[1]),
        "width": parameters.width,
        "hidden": parameters.hidden,
        "outputs": classes,
        "rate": rate,
        "everywhere": everywhere,
    }
    network = DropoutNetwork(**config)
    problem = JudgeProblem(
        *(network, train_split, dev_split, parameters.shift, parameters.fit.batch_size),
        monitor="loss",
        maximise=False,
    )
    epochs = fit(problem, parameters.fit, own)
    return Network(network, config, passes=0, seed=derive_seed(own.seed, "draws")), epochs


def train_plain(
    train_split: Examples,
    dev_split: Examples,
    split_card: dict[str, Any],
    parameters: NetworkParameters,
    run: RunParameters,
) -> Trained:
    """A network without dropout."""
    classes = len(split_card["classes"])
    model, epochs = train_network(train_split, dev_split, classes, parameters, run, "network_1")
    return model, on_dev(model, dev_split, epochs=epochs)


def train_ensemble(
    train_split: Examples,
    dev_split: Examples,
    split_card: dict[str, Any],
    members: dict[str, Any],
    parameters: EnsembleParameters,
    run: RunParameters,
) -> Trained:
    """Several networks without dropout; `plain`, if it was trained, is the first of them."""
    classes = len(split_card["classes"])

    def one(name: str) -> tuple[Network, list[dict[str, float]]]:
        return train_network(train_split, dev_split, classes, parameters, run, name)

    return ensemble_of([*members.values()], parameters.networks, one, dev_split)


def train_swept(
    train_split: Examples,
    dev_split: Examples,
    split_card: dict[str, Any],
    parameters: DropoutParameters,
    run: RunParameters,
    *,
    name: str = "dropout",
) -> Trained:
    """A network for each rate and place; chosen is the one whose mean over passes has the best log-loss on dev.

    So the method in question gets its best rate, and dropout that is switched off has to live with it; what each rate does
    both ways is a table of the evaluation.
    """
    networks, temperatures, tried, curves = [], [], [], []
    labels = dev_split.rows["label"].to_numpy()
    for number, (place, rate) in enumerate((p, r) for p in parameters.places for r in parameters.rates):
        if rate == 0 and place != parameters.places[0]:
            continue  # without dropout there is no place
        how = (len(split_card["classes"]), parameters, run, f"{name}_{number}", rate, place == "everywhere")
        with part(f"{place}_{rate:g}"):
            network, epochs = train_network(train_split, dev_split, *how)
        off, warm = train_tempered(dev_split, {"off": network})
        found = {"off": network, "tempered": off}
        if rate:
            found["passes"] = network.with_passes(parameters.trial_passes)
        losses = {
            way: float(log_losses(labels, model.predict_proba(dev_split)).mean())
            for way, model in found.items()
        }
        tried.append({"place": place, "rate": rate, "temperature": warm["temperature"], **losses})
        networks.append(network)
        temperatures.append(float(warm["temperature"]))
        curves.append(epochs)
    chosen = min(range(len(tried)), key=lambda number: tried[number].get("passes", np.inf))
    model = Swept(networks, temperatures, chosen, parameters.trial_passes, len(train_split))
    return model, on_dev(model, dev_split, epochs=curves[chosen], tried=tried)


def train_few(
    train_split: Examples,
    dev_split: Examples,
    split_card: dict[str, Any],
    parameters: FewParameters,
    run: RunParameters,
) -> Trained:
    """`train_swept` of a part of the training pictures, which a seed draws.

    Raises:
        ValueError: more pictures than there are.
    """
    n = len(train_split)
    if parameters.pictures >= n:
        raise ValueError(
            f"few.pictures = {parameters.pictures:,}; expected fewer than the {n:,} training pictures"
        )
    seed = derive_seed(run.seed, "few")
    kept = stratified(train_split.rows["label"].to_numpy(), parameters.pictures / n, seed)
    return train_swept(train_split.take(kept), dev_split, split_card, parameters, run, name="few")


def train_passes(dev_split: Examples, members: dict[str, Any], parameters: PassesParameters) -> Trained:
    """The network of `dropout` with dropout left on.

    Raises:
        ValueError: `dropout` was not trained.
    """
    if "dropout" not in members:
        raise ValueError(
            "mc_dropout asks the network of `dropout`, which was not trained; add it to `variants`"
        )
    model = members["dropout"].network.with_passes(parameters.passes)
    return model, on_dev(model, dev_split)
