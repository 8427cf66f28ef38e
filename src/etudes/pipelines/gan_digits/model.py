"""The variants: how each is trained, and what it is once it is.

Importing this module registers every class that a model file may name.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from etudes.cards import examples_fingerprint, fingerprint_of
from etudes.digits.judge import DigitJudge
from etudes.digits.parameters import ConvolutionalVAEParameters
from etudes.digits.vae import BernoulliPixels, ConvolutionalDigitVAE
from etudes.evaluation.generative import frechet_distance
from etudes.examples import Examples
from etudes.models import register_model
from etudes.networks import NetworkModel
from etudes.pipelines.gan_digits.game import Game, as_bytes
from etudes.pipelines.gan_digits.networks import Generator
from etudes.pipelines.gan_digits.parameters import GANParameters
from etudes.training.parameters import RunParameters

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
    return model, {"dev": on_dev(model, judge_model, dev_split, run.seed), "epochs": []}


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
    real = judge_model.judge(np.asarray(dev_split["pixels"])).features

    def score(generator: Generator) -> dict[str, float]:
        # A copy: the game goes on with its own on its device.
        copy = Generator(**config)
        copy.load_state_dict({name: value.cpu() for name, value in generator.state_dict().items()})
        return on_dev(ConditionalGAN(copy, config), judge_model, dev_split, run.seed, real)

    scored_by = f"{fingerprint_of(judge_model)} {examples_fingerprint(dev_split)}"
    game = Game(train_split, parameters, run, score, scored_by)
    generator, epochs, snapshots = game.play()
    best = min(range(len(epochs)), key=lambda i: epochs[i]["dev_fid"])
    dev = {n.removeprefix("dev_"): value for n, value in epochs[best].items() if n.startswith("dev_")}
    model = ConditionalGAN(generator, config, snapshots=snapshots, epoch=best + 1)
    return model, {"dev": dev, "epochs": epochs, "best_epoch": best + 1}


def train_vae(
    train_split: Examples,
    dev_split: Examples,
    judge_model: DigitJudge,
    parameters: ConvolutionalVAEParameters,
    run: RunParameters,
) -> Trained:
    """The conditional variational autoencoder, for the comparison on the same measures."""
    model, history = ConvolutionalDigitVAE.fit(
        "vae", train_split, dev_split, parameters, run, conditional=True
    )
    return model, {**history, "dev": {**history["dev"], **on_dev(model, judge_model, dev_split, run.seed)}}


def on_dev(
    model: Any, judge: DigitJudge, dev: Examples, seed: int, real: NDArray[np.float64] | None = None
) -> dict[str, float]:
    """FID and label accuracy of a generator on dev; ``real`` are the features of the dev pictures."""
    if real is None:
        real = judge.judge(np.asarray(dev["pixels"])).features
    labels = dev.rows["label"].to_numpy()
    verdict = judge.judge(model.sample(labels, seed))
    return {
        "fid": frechet_distance(verdict.features, real),
        "label_accuracy": float((verdict.digits == labels).mean()),
    }
