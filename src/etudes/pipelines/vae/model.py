"""The variants of digits: dense and convolutional networks, and a sweep over the weight of the KL term.

Importing this module registers every class that a model file may name.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from etudes.digits.parameters import ConvolutionalVAEParameters
from etudes.digits.vae import BernoulliPixels, ConvolutionalDigitVAE, DigitVAE
from etudes.digits.variational import VAE
from etudes.examples import Examples
from etudes.models import register_model
from etudes.pipelines.vae.colour import PhotographVAE
from etudes.pipelines.vae.parameters import ManifoldParameters, MLPParameters, SweepParameters
from etudes.stored import Stored
from etudes.training.parameters import RunParameters
from etudes.training.session import part

__all__ = ["BetaSweep", "MLPDigitVAE", "PhotographVAE"]
Trained = tuple[Any, dict[str, Any]]


class MLPVAE(VAE):
    """Dense layers with ReLU to the posterior, and the same in reverse from z to log-odds."""

    def __init__(self, side: int, latent: int, hidden: Sequence[int], classes: int = 0) -> None:
        super().__init__(side, latent, classes)
        pixels = side * side
        self.encoder = dense([pixels + classes, *hidden, 2 * latent])
        self.decoder = dense([latent + classes, *reversed(hidden), pixels])

    def hidden_of(self, bits: Tensor, labels: Tensor) -> Tensor:
        return self.encoder(torch.cat([bits.flatten(1), labels], -1))

    def logits_of(self, code: Tensor) -> Tensor:
        return self.decoder(code).view(-1, self.side, self.side)


def dense(sizes: Sequence[int]) -> nn.Sequential:
    """Linear layers of these sizes with ReLU between them, none after the last."""
    layers: list[nn.Module] = []
    for before, after in pairwise(sizes):
        layers += [nn.Linear(before, after), nn.ReLU()]
    return nn.Sequential(*layers[:-1])


@register_model("vae.mlp")
class MLPDigitVAE(DigitVAE):
    """`MLPVAE` of digits."""

    network_class = MLPVAE


@register_model("vae.sweep")
@dataclass
class BetaSweep(Stored):
    """Networks that differ in beta (as a text) alone (Higgins et al. 2017); they start from the same weights."""

    models: dict[str, MLPDigitVAE]


def train_pixels(train_split: Examples, dev_split: Examples) -> Trained:
    """The trivial baseline: independent pixels."""
    model = BernoulliPixels.fit(train_split, conditional=False)
    elbo = float(model.log_likelihood(np.asarray(dev_split["binary"])).mean())
    return model, {"dev": {"elbo": elbo, "reconstruction": elbo, "kl": 0.0}, "epochs": []}


def train_dense(
    train_split: Examples,
    dev_split: Examples,
    parameters: MLPParameters | ManifoldParameters,
    run: RunParameters,
    name: str = "",
) -> Trained:
    """Dense layers around a code; around two dimensions where the parameters name no other number."""
    config = {"latent": getattr(parameters, "latent", 2), "hidden": list(parameters.hidden)}
    return MLPDigitVAE.train(name, config, train_split, dev_split, parameters.beta, parameters.fit, run)


def train_convolutional(
    train_split: Examples,
    dev_split: Examples,
    parameters: ConvolutionalVAEParameters,
    run: RunParameters,
    name: str = "",
) -> Trained:
    """Strided convolutions; encoder and decoder of ``conditional`` are told the digit."""
    told = name == "conditional"
    return ConvolutionalDigitVAE.fit(name, train_split, dev_split, parameters, run, conditional=told)


def train_sweep(
    train_split: Examples, dev_split: Examples, parameters: SweepParameters, run: RunParameters
) -> Trained:
    """One small network for each weight of the KL term, one after the other."""
    models, dev_scores, epochs = {}, {}, []
    config = {"latent": parameters.latent, "hidden": list(parameters.hidden)}
    for beta in parameters.betas:
        name, how = f"{beta:g}", (config, train_split, dev_split, beta, parameters.fit, run)
        with part(f"beta_{name}"):
            models[name], history = MLPDigitVAE.train("sweep", *how)
        dev_scores[name] = history["dev"]
        epochs += [{"beta": beta, **row} for row in history["epochs"]]
    return BetaSweep(models), {"dev": dev_scores, "epochs": epochs}
