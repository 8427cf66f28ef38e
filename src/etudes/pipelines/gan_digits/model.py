"""The methods of the study and the model that answers users.

Importing this module registers every class that a model file may name.
"""

from __future__ import annotations

import hashlib
from typing import Any, Self

import numpy as np
import torch
from numpy.typing import NDArray

from etudes.digits.judge import DigitJudge, load_arrays, network_arrays
from etudes.digits.predictor import DigitPredictor
from etudes.digits.vae import BernoulliPixels, ConvolutionalDigitVAE, as_pixels
from etudes.evaluation.generative import frechet_distance
from etudes.examples import Examples
from etudes.models import ModelState, register_model
from etudes.pipelines.gan_digits.game import Game, as_bytes
from etudes.pipelines.gan_digits.networks import Generator
from etudes.pipelines.gan_digits.parameters import GANParameters
from etudes.training.parameters import RunParameters

BATCH = 1_000


@register_model("gan_digits.judge")
class Judge(DigitJudge):
    """The digit classifier that judges what the variants draw."""


@register_model("gan_digits.class_pixels")
class ClassPixels(BernoulliPixels):
    """Independent pixels of each digit, the trivial baseline."""


@register_model("gan_digits.vae")
class ConditionalVAE(ConvolutionalDigitVAE):
    """The conditional variational autoencoder that the GAN is measured against."""

    def pictures(self, z: NDArray[np.float32], labels: NDArray[np.int64]) -> NDArray[np.uint8]:
        """The decoder's means for codes z (N, latent) and digits (N,): (N, S, S)."""
        return as_pixels(self.decode(z, labels))

    @property
    def latent(self) -> int:
        return self.network.latent

    @property
    def drawing_weights(self) -> int:
        """How many weights draw a picture: those of the decoder."""
        arrays = network_arrays(self.network)
        return sum(value.size for name, value in arrays.items() if name.startswith("decoder."))


@register_model("gan_digits.gan")
class ConditionalGAN:
    """The generator of the best epoch; ``snapshots`` (epochs + 1, 10, n, S, S) are its pictures of fixed noise."""

    registered_name: str
    conditional = True

    def __init__(
        self, generator: Generator, config: dict[str, Any], snapshots: NDArray[np.uint8], epoch: int
    ) -> None:
        self.generator, self.config, self.snapshots = generator.eval(), config, snapshots
        self.epoch = epoch

    @classmethod
    def fit(
        cls, train: Examples, dev: Examples, judge: DigitJudge, parameters: GANParameters, run: RunParameters
    ) -> tuple[Self, dict[str, Any]]:
        """Play the game; the epoch with the best FID on dev is kept. Returns the model and its history."""
        config = {
            "side": int(train["pixels"].shape[1]),
            "latent": parameters.latent,
            "width": parameters.width,
        }
        real = judge.judge(np.asarray(dev["pixels"])).features
        nothing = np.empty((0, 10, 0, config["side"], config["side"]), np.uint8)

        def score(generator: Generator) -> dict[str, float]:
            # A copy: the game goes on with its own on its device.
            copy = Generator(**config)
            copy.load_state_dict({name: value.cpu() for name, value in generator.state_dict().items()})
            return dev_scores(cls(copy, config, nothing, 0), judge, dev, real, run.seed)

        generator, epochs, snapshots = Game(train, parameters, run, score, fingerprint(judge)).play()
        best = min(range(len(epochs)), key=lambda i: epochs[i]["dev_fid"])
        dev_of_best = {
            name.removeprefix("dev_"): value
            for name, value in epochs[best].items()
            if name.startswith("dev_")
        }
        model = cls(generator, config, snapshots, best + 1)
        return model, {"dev": dev_of_best, "epochs": epochs, "best_epoch": best + 1}

    def pictures(self, z: NDArray[np.float32], labels: NDArray[np.int64]) -> NDArray[np.uint8]:
        """Pictures of noise z (N, latent) and digits (N,): (N, S, S)."""
        noise, digits = torch.from_numpy(np.array(z, dtype=np.float32)), torch.from_numpy(np.array(labels))
        with torch.inference_mode():
            parts = [
                as_bytes(self.generator(noise[start : start + BATCH], digits[start : start + BATCH]))
                for start in range(0, len(noise), BATCH)
            ]
        return torch.cat(parts).numpy()

    def sample(self, labels: NDArray[np.int64], seed: int) -> NDArray[np.uint8]:
        """A picture of each digit (N, S, S)."""
        generator = torch.Generator().manual_seed(seed)
        return self.pictures(torch.randn((len(labels), self.latent), generator=generator).numpy(), labels)

    @property
    def latent(self) -> int:
        return self.generator.latent

    @property
    def drawing_weights(self) -> int:
        """How many weights draw a picture: those of the generator."""
        return sum(weight.numel() for weight in self.generator.parameters())

    def state(self) -> ModelState:
        arrays = {**network_arrays(self.generator), "pictures/snapshots": self.snapshots}
        return ModelState({**self.config, "epoch": self.epoch}, arrays)

    @classmethod
    def from_state(cls, state: ModelState) -> Self:
        config, arrays = dict(state.config), dict(state.arrays)
        epoch, snapshots = config.pop("epoch"), arrays.pop("pictures/snapshots")
        generator = Generator(**config)
        load_arrays(generator, arrays)
        return cls(generator, config, snapshots, epoch)


@register_model("gan_digits.predictor")
class GANPredictor(DigitPredictor):
    """The chosen variant behind a user's wish for a digit."""


def dev_scores(
    model: Any, judge: DigitJudge, dev: Examples, real: NDArray[np.float64], seed: int
) -> dict[str, float]:
    """FID and label accuracy of a generator on dev; ``real`` are the features of the dev pictures."""
    labels = dev.rows["label"].to_numpy()
    verdict = judge.judge(model.sample(labels, seed))
    return {
        "fid": frechet_distance(verdict.features, real),
        "label_accuracy": float((verdict.digits == labels).mean()),
    }


def fingerprint(judge: DigitJudge) -> str:
    """Of the judge's weights: another judge chooses another epoch."""
    digest = hashlib.sha256()
    for name, value in sorted(judge.state().arrays.items()):
        digest.update(name.encode())
        digest.update(np.ascontiguousarray(value).tobytes())
    return digest.hexdigest()[:24]
