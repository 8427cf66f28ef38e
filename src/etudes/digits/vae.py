"""A variational autoencoder of digits as a model: trained, asked, saved. Studies register a subclass for each network."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, ClassVar, Self

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from etudes.cards import examples_fingerprint
from etudes.digits.files import DIGITS
from etudes.digits.parameters import ConvolutionalVAEParameters
from etudes.digits.variational import VAE, Bounds, ConvolutionalVAE, bounds
from etudes.examples import Examples
from etudes.models import ModelState, register_model
from etudes.networks import NetworkModel
from etudes.training.checkpoint import checkpoint_key
from etudes.training.fit import fit
from etudes.training.parameters import FitParameters, RunParameters
from etudes.training.problem import ShuffledProblem
from etudes.training.seeds import derive_seed, seed_everything

BATCH = 1_000
DEV_DRAWS = 16
FIXED = 4  # pictures of each digit that are drawn from the same codes after every epoch


@dataclass
class VAEProblem(ShuffledProblem):
    """Minimise ``beta KL - log-likelihood``, for the shared training loop; the best epoch has the lowest on dev.

    Training pictures become bits anew whenever they are met (dynamic binarisation: Burda et al. 2016, section 5.1),
    dev pictures once and for all, in the stage preprocess.
    """

    model: nn.Module
    train: Examples
    dev: Examples
    beta: float
    batch_size: int
    seed: int
    monitor: str = "loss"
    maximise: bool = False

    def __post_init__(self) -> None:
        assert isinstance(self.model, VAE)
        self.latent = self.model.latent
        self.pixels = torch.from_numpy(np.array(self.train["pixels"]))
        self.labels = _labels(self.train)
        codes = torch.Generator().manual_seed(self.seed)
        self.fixed_codes = torch.randn((FIXED, self.latent), generator=codes).repeat(DIGITS, 1)
        self.fixed_labels = torch.arange(DIGITS).repeat_interleave(FIXED)
        self.watched: Tensor | None = None

    @property
    def fingerprint(self) -> str:
        return checkpoint_key(
            examples_fingerprint(self.train), examples_fingerprint(self.dev), self.beta, self.seed
        )

    def collate(self, indices: np.ndarray, device: torch.device) -> Any:
        chances = self.pixels[indices].to(torch.float32).div_(255)
        bits = (torch.rand(chances.shape) < chances).to(torch.float32)
        noise = torch.randn(len(indices), self.latent)
        return bits.to(device), self.labels[indices].to(device), noise.to(device)

    def loss(self, model: nn.Module, batch: Any) -> tuple[Tensor, Tensor]:
        likelihood, kl = model(*batch)
        losses = self.beta * kl - likelihood
        return losses, torch.ones_like(losses)

    def evaluate(self, model: nn.Module, device: torch.device) -> dict[str, float]:
        assert isinstance(model, VAE)
        bits = torch.from_numpy(np.array(self.dev["binary"]))
        found = bounds(model, bits, _labels(self.dev), 1, self.seed, device)
        return {
            "loss": float((self.beta * found.kl - found.reconstruction).mean()),
            **_means(found),
        }

    def watch(self, model: nn.Module, device: torch.device) -> Tensor:
        """Pictures (10, FIXED, S, S), uint8, of the same codes each time."""
        assert isinstance(model, VAE)
        chances = model.decode(self.fixed_codes.to(device), self.fixed_labels.to(device)).float().sigmoid()
        pixels = torch.round(chances * 255).to(torch.uint8)
        return pixels.view(DIGITS, FIXED, *pixels.shape[1:])


def _labels(examples: Examples) -> Tensor:
    return torch.from_numpy(examples.rows["label"].to_numpy().copy())


def _means(found: Bounds) -> dict[str, float]:
    return {
        "elbo": float(found.elbo.double().mean()),
        "reconstruction": float(found.reconstruction.double().mean()),
        "kl": float(found.kl.double().mean()),
    }


class DigitVAE(NetworkModel):
    """A `VAE` of digits. ``config`` are the arguments of its network; a picture is the decoder's mean.

    ``snapshots`` (epochs + 1, 10, FIXED, S, S), uint8, are pictures of the same codes before training and after every epoch.
    Everything here runs on the CPU; training goes where ``run.device`` says.
    """

    network_class: ClassVar[type[VAE]]

    @property
    def conditional(self) -> bool:
        """Whether `sample` heeds the labels."""
        return self.network.classes > 0

    @classmethod
    def train(
        cls,
        name: str,
        config: dict[str, Any],
        train: Examples,
        dev: Examples,
        beta: float,
        settings: FitParameters,
        run: RunParameters,
        problem_class: Callable[..., VAEProblem] = VAEProblem,
    ) -> tuple[Self, dict[str, Any]]:
        """Train a network from its arguments; returns the model and its history.

        Args:
            name: decides the first weights, together with the run's seed.
            config: arguments of the network; ``side`` is added.
            train: rows ``label``, array ``pixels``.
            dev: the same with an array ``binary``.
            beta: weight of the KL term.
            settings, run: of `etudes.training.fit.fit`.
            problem_class: what it is trained on, where another rule than the bound on dev chooses the epoch.
        """
        seed = derive_seed(run.seed, name)
        seed_everything(seed)
        full = {"side": int(train["pixels"].shape[1]), **config}
        network = cls.network_class(**full)
        problem = problem_class(network, train, dev, beta, settings.batch_size, seed)
        epochs = fit(problem, settings, run)
        assert problem.watched is not None
        model = cls(network, full, snapshots=problem.watched.numpy())
        return model, {"dev": _means(model.bounds(dev, DEV_DRAWS, seed)), "epochs": epochs}

    def bounds(self, examples: Examples, draws: int, seed: int) -> Bounds:
        """Both bounds of examples with an array ``binary``, from ``draws`` draws of each posterior."""
        bits = torch.from_numpy(np.array(examples["binary"]))
        return bounds(self.network, bits, _labels(examples), draws, seed, torch.device("cpu"))

    def encode(self, bits: NDArray[np.bool_], labels: NDArray[np.int64]) -> NDArray[np.float32]:
        """Posterior means (N, latent) of pictures of bits (N, S, S)."""
        x, y = torch.from_numpy(np.array(bits)), torch.from_numpy(np.array(labels))
        with torch.inference_mode():
            parts = [
                self.network.encode(x[start : start + BATCH].float(), y[start : start + BATCH]).mean
                for start in range(0, len(x), BATCH)
            ]
        return torch.cat(parts).numpy()

    def decode(self, z: NDArray[np.float32], labels: NDArray[np.int64]) -> NDArray[np.float32]:
        """Chances of a pixel being one (N, S, S), of codes z (N, latent) and digits (N,)."""
        codes, y = torch.from_numpy(np.array(z, dtype=np.float32)), torch.from_numpy(np.array(labels))
        with torch.inference_mode():
            parts = [
                self.network.decode(codes[start : start + BATCH], y[start : start + BATCH]).sigmoid()
                for start in range(0, len(codes), BATCH)
            ]
        return torch.cat(parts).numpy()

    def pictures(self, z: NDArray[np.float32], labels: NDArray[np.int64]) -> NDArray[np.uint8]:
        """The decoder's means for codes z (N, latent) and digits (N,): (N, S, S)."""
        return as_pixels(self.decode(z, labels))

    def sample(self, labels: NDArray[np.int64], seed: int) -> NDArray[np.uint8]:
        """Pictures (N, S, S) of codes from the prior."""
        noise = torch.randn((len(labels), self.latent), generator=torch.Generator().manual_seed(seed))
        return self.pictures(noise.numpy(), labels)

    @property
    def latent(self) -> int:
        return self.network.latent

    @property
    def drawing_weights(self) -> int:
        """How many weights draw a picture: those of the decoder."""
        weights = self.network.state_dict()
        return sum(value.numel() for name, value in weights.items() if name.startswith("decoder."))


@register_model("digits.convolutional_vae")
class ConvolutionalDigitVAE(DigitVAE):
    """`ConvolutionalVAE` of digits, conditional if it is told so."""

    network_class = ConvolutionalVAE

    @classmethod
    def fit(
        cls,
        name: str,
        train: Examples,
        dev: Examples,
        parameters: ConvolutionalVAEParameters,
        run: RunParameters,
        conditional: bool,
        problem_class: Callable[..., VAEProblem] = VAEProblem,
    ) -> tuple[Self, dict[str, Any]]:
        """Train with early stopping on dev; returns the model and its history."""
        config = parameters.model_dump(include={"latent", "width", "hidden"})
        config["classes"] = DIGITS if conditional else 0
        return cls.train(name, config, train, dev, parameters.beta, parameters.fit, run, problem_class)


def as_pixels(chances: NDArray) -> NDArray[np.uint8]:
    """Intensities 0..1 as bytes."""
    return np.round(chances * 255).astype(np.uint8)


@register_model("digits.bernoulli")
class BernoulliPixels:
    """Pixels that are one independently of each other: the trivial baseline.

    ``chances`` (K, S, S) are the mean training intensities of all pictures (K = 1) or of each digit (K = 10). It has no
    latent variable, so its bound is the log-likelihood itself.
    """

    registered_name: str

    def __init__(self, chances: NDArray[np.float64]) -> None:
        self.chances = chances

    @classmethod
    def fit(cls, train: Examples, conditional: bool) -> Self:
        """Means with one half of a success and of a failure added (Krichevsky and Trofimov 1981): no chance is 0 or 1."""
        pixels = np.asarray(train["pixels"])
        labels = train.rows["label"].to_numpy() if conditional else np.zeros(len(train), dtype=np.int64)
        chances = [
            (pixels[labels == k].sum(0, dtype=np.float64) / 255 + 0.5) / ((labels == k).sum() + 1)
            for k in range(labels.max() + 1)
        ]
        return cls(np.stack(chances))

    @property
    def conditional(self) -> bool:
        """Whether `sample` heeds the labels."""
        return len(self.chances) > 1

    def log_likelihood(self, bits: NDArray[np.bool_]) -> NDArray[np.float64]:
        """``log p(x)`` of pictures without labels (N,), nats.

        Raises:
            ValueError: the pixels depend on a label, or have another size.
        """
        if self.conditional or bits.shape[1:] != self.chances.shape[1:]:
            raise ValueError(
                f"the likelihood of pictures {bits.shape} is asked of chances {self.chances.shape}; expected (1, S, S) "
                "and pictures (N, S, S)"
            )
        p = self.chances[0]
        return np.where(bits, np.log(p), np.log1p(-p)).sum((1, 2))

    def sample(self, labels: NDArray[np.int64], seed: int) -> NDArray[np.uint8]:
        """Pictures (N, S, S) of black and white pixels."""
        chances = self.chances[labels if self.conditional else np.zeros(len(labels), dtype=np.int64)]
        return as_pixels(np.random.default_rng(seed).random(chances.shape) < chances)

    def state(self) -> ModelState:
        return ModelState(arrays={"chances": self.chances})

    @classmethod
    def from_state(cls, state: ModelState) -> Self:
        return cls(state.arrays["chances"])
