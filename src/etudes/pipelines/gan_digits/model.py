"""The variants: how each is trained, and what it is once it is.

Importing this module registers every class that a model file may name.
"""

from __future__ import annotations

import copy
from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import partial
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import nn

from etudes.digits.judge import DigitJudge
from etudes.digits.parameters import ConvolutionalVAEParameters
from etudes.digits.vae import BernoulliPixels, ConvolutionalDigitVAE, VAEProblem
from etudes.examples import Examples
from etudes.models import register_model
from etudes.networks import NetworkModel
from etudes.pipelines.gan_digits.game import Game, as_bytes
from etudes.pipelines.gan_digits.judges import Examiner, JudgedScores
from etudes.pipelines.gan_digits.networks import Generator
from etudes.pipelines.gan_digits.parameters import GANParameters
from etudes.training.checkpoint import checkpoint_key
from etudes.training.parameters import RunParameters

__all__ = ["Examiner"]
BATCH = 1_000
Trained = tuple[Any, dict[str, Any]]


@register_model("gan_digits.gan")
class ConditionalGAN(NetworkModel):
    """The generator of epoch ``epoch``; ``snapshots`` (epochs + 1, 10, n, S, S) are its pictures of fixed noise."""

    network_class = Generator
    conditional = True

    def pictures(self, z: NDArray[np.float32], labels: NDArray[np.int64]) -> NDArray[np.uint8]:
        """Pictures of noise z (N, latent) and digits (N,): (N, S, S)."""
        noise, digits = torch.from_numpy(np.array(z, dtype=np.float32)), torch.from_numpy(np.array(labels))
        with torch.inference_mode():
            parts = [
                as_bytes(self.network(noise[start : start + BATCH], digits[start : start + BATCH]))
                for start in range(0, len(noise), BATCH)
            ]
        return torch.cat(parts).numpy()

    def sample(self, labels: NDArray[np.int64], seed: int) -> NDArray[np.uint8]:
        """A picture of each digit (N, S, S)."""
        generator = torch.Generator().manual_seed(seed)
        return self.pictures(torch.randn((len(labels), self.latent), generator=generator).numpy(), labels)

    @property
    def latent(self) -> int:
        return self.network.latent

    @property
    def drawing_weights(self) -> int:
        """How many weights draw a picture: those of the generator."""
        return sum(weight.numel() for weight in self.network.parameters())


def train_class_pixels(
    train_split: Examples, dev_split: Examples, judge_model: DigitJudge, run: RunParameters
) -> Trained:
    """The trivial baseline: pixels that know their digit and nothing of each other."""
    model = BernoulliPixels.fit(train_split, conditional=True)
    return model, {"dev": JudgedScores(judge_model, dev_split, run.seed)(model), "epochs": []}


def train_gan(
    train_split: Examples,
    dev_split: Examples,
    judge_model: DigitJudge,
    parameters: GANParameters,
    run: RunParameters,
) -> Trained:
    """The conditional GAN; the judge chooses its epoch on dev and takes no part in the game."""
    side = int(train_split["pixels"].shape[1])
    config = {"side": side, "latent": parameters.latent, "width": parameters.width}
    scores = JudgedScores(judge_model, dev_split, run.seed)

    def score(generator: Generator) -> dict[str, float]:
        # A copy: the game goes on with its own on its device.
        own = Generator(**config)
        own.load_state_dict({name: value.cpu() for name, value in generator.state_dict().items()})
        return scores(ConditionalGAN(own, config))

    game = Game(train_split, parameters, run, score, scores.fingerprint)
    generator, epochs, snapshots = game.play()
    best, dev = kept(epochs)
    model = ConditionalGAN(generator, config, snapshots=snapshots, epoch=best)
    return model, {"dev": dev, "epochs": epochs, "best_epoch": best}


def train_vae(
    train_split: Examples,
    dev_split: Examples,
    judge_model: DigitJudge,
    parameters: ConvolutionalVAEParameters,
    run: RunParameters,
) -> Trained:
    """The conditional variational autoencoder, compared on the same measures; the same judge chooses its epoch on dev."""
    problem = partial(JudgedVAEProblem, scores=JudgedScores(judge_model, dev_split, run.seed))
    model, history = ConvolutionalDigitVAE.fit(
        "vae", train_split, dev_split, parameters, run, conditional=True, problem_class=problem
    )
    best, dev = kept(history["epochs"])
    return model, {**history, "dev": {**history["dev"], **dev}, "best_epoch": best}


@dataclass
class JudgedVAEProblem(VAEProblem):
    """The training of the study `vae`, but the epoch is the GAN's kind: that with the smallest FID on dev."""

    monitor: str = "fid"
    scores: JudgedScores = field(kw_only=True)

    @property
    def fingerprint(self) -> str:
        return checkpoint_key(super().fingerprint, self.scores.fingerprint)

    def evaluate(self, model: nn.Module, device: torch.device) -> dict[str, float]:
        drawn = ConvolutionalDigitVAE(copy.deepcopy(model).cpu(), {})
        return super().evaluate(model, device) | self.scores(drawn)


def kept(epochs: Sequence[dict[str, float]]) -> tuple[int, dict[str, float]]:
    """The epoch with the smallest FID on dev, and its scores there."""
    best = min(epochs, key=lambda row: row["dev_fid"])
    return int(best["epoch"]), {name: best[f"dev_{name}"] for name in ("fid", "label_accuracy")}
