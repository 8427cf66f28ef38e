"""A variational autoencoder of dense layers, and a sweep over the weight of its KL term."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from itertools import pairwise
from typing import Any, Self

import torch
from torch import Tensor, nn

from etudes.digits.vae import DigitVAE
from etudes.digits.variational import VAE
from etudes.examples import Examples
from etudes.models import ModelState, register_model
from etudes.pipelines.vae.parameters import SweepParameters
from etudes.training.parameters import FitParameters, RunParameters
from etudes.training.session import current_session, training_session


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

    @classmethod
    def fit(
        cls,
        name: str,
        train: Examples,
        dev: Examples,
        latent: int,
        hidden: Sequence[int],
        beta: float,
        settings: FitParameters,
        run: RunParameters,
    ) -> tuple[Self, dict[str, Any]]:
        """Train with early stopping on dev; returns the model and its history."""
        config = {"latent": latent, "hidden": list(hidden)}
        return cls.train(name, config, train, dev, beta, settings, run)


@register_model("vae.sweep")
class BetaSweep:
    """Networks that differ in beta alone (Higgins et al. 2017); they start from the same weights."""

    registered_name: str

    def __init__(self, models: dict[float, MLPDigitVAE]) -> None:
        self.models = models

    @classmethod
    def fit(
        cls, train: Examples, dev: Examples, parameters: SweepParameters, run: RunParameters
    ) -> tuple[Self, dict[str, Any]]:
        """Train one network for each beta, one after the other."""
        models, dev_scores, epochs = {}, {}, []
        for beta in parameters.betas:
            with _own_session(f"beta_{beta:g}"):
                models[beta], history = MLPDigitVAE.fit(
                    "sweep", train, dev, parameters.latent, parameters.hidden, beta, parameters.fit, run
                )
            dev_scores[f"{beta:g}"] = history["dev"]
            epochs += [{"beta": beta, **row} for row in history["epochs"]]
        return cls(models), {"dev": dev_scores, "epochs": epochs}

    def state(self) -> ModelState:
        state = ModelState({"betas": list(self.models)})
        for number, model in enumerate(self.models.values()):
            state.nest(f"model_{number}", model.state())
        return state

    @classmethod
    def from_state(cls, state: ModelState) -> Self:
        models = [
            MLPDigitVAE.from_state(state.nested(f"model_{number}"))
            for number in range(len(state.config["betas"]))
        ]
        return cls(dict(zip(state.config["betas"], models, strict=True)))


@contextmanager
def _own_session(name: str) -> Iterator[None]:
    """Each training of the node has a checkpoint and metric names of its own; without a session there is none."""
    session = current_session()
    if session is None:
        yield
        return
    folder = session.checkpoints / name if session.checkpoints else None

    def sink(step: int, metrics: dict[str, float]) -> None:
        session.sink(step, {f"{name}_{metric}": value for metric, value in metrics.items()})

    with training_session(f"{session.label} {name}", folder, sink):
        yield
