"""A variational autoencoder of colour photographs: another likelihood, the same bound.

A byte of a photograph is no bit. Each colour of a pixel gets a logistic density whose mean and scale the decoder gives,
and the probability of a byte is the mass of its interval (Salimans et al. 2017, section 2.1, with one component): a
discrete law, so that its bits compare with those of a lossless file. A density of the bytes themselves would not.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.nn.functional import logsigmoid

from etudes.cards import examples_fingerprint
from etudes.digits.variational import VAE, Bounds, bounds
from etudes.examples import Examples
from etudes.models import register_model
from etudes.networks import NetworkModel
from etudes.pipelines.vae.parameters import PhotographParameters
from etudes.training.checkpoint import checkpoint_key
from etudes.training.fit import fit
from etudes.training.parameters import RunParameters
from etudes.training.problem import ShuffledProblem
from etudes.training.seeds import derive_seed, seed_everything

COLOURS = 3
HALF = 0.5 / 255  # of a byte's interval; intensities are bytes / 255
LOG_SCALE = (-7.0, 2.0)  # limits: a scale far below a byte's interval changes nothing but the gradient
BATCH = 500
ROWS = 1_024  # pictures that are decoded at once for the bounds


def discretised_logistic(mean: Tensor, log_scale: Tensor, pictures: Tensor) -> Tensor:
    """``log p(byte)`` of a logistic law that is cut into 256 intervals, summed over all but the first dimension.

    With a and b the upper and lower end of the byte's interval, in scales from the mean,

        p = sigma(a) - sigma(b) = sigma(a) sigma(-b) (1 - exp(b - a)),

    whose logarithm loses no digits however small p is. The lowest interval has no lower end, the highest no upper one.

    Args:
        mean, log_scale: (batch, 3, S, S), of intensities.
        pictures: (batch, 3, S, S), bytes / 255.

    Returns:
        (batch,), nats.

    Raises:
        ValueError: the shapes differ.
    """
    if not mean.shape == log_scale.shape == pictures.shape:
        raise ValueError(
            f"mean {tuple(mean.shape)}, log_scale {tuple(log_scale.shape)} and pictures {tuple(pictures.shape)}; "
            "expected one shape"
        )
    narrow = (-log_scale).exp()
    upper, lower = (pictures + HALF - mean) * narrow, (pictures - HALF - mean) * narrow
    inside = torch.log(-torch.expm1(-2 * HALF * narrow))
    first, last = pictures < HALF, pictures > 1 - HALF
    zero = torch.zeros_like(upper)
    found = torch.where(last, zero, logsigmoid(upper)) + torch.where(first, zero, logsigmoid(-lower))
    return (found + torch.where(first | last, zero, inside)).flatten(1).sum(1)


class ColourVAE(VAE):
    """Strided convolutions down to a quarter of the side, where the code is a map with places, and the way back.

    Pictures are stored (N, 3, S, S), uint8; z is a map (channels, S / 4, S / 4), flat. The decoder gives (batch, 6, S, S):
    means, then logarithms of scales.
    """

    def __init__(self, side: int, channels: int, width: int) -> None:
        small = side // 4
        super().__init__(side, channels * small**2, classes=0)
        self.encoder = nn.Sequential(
            nn.Conv2d(COLOURS, width, 4, stride=2, padding=1),
            nn.GELU(),
            nn.Conv2d(width, 2 * width, 4, stride=2, padding=1),
            nn.GELU(),
            nn.Conv2d(2 * width, 2 * width, 3, padding=1),
            nn.GELU(),
            nn.Conv2d(2 * width, 2 * channels, 1),
            nn.Flatten(),
        )
        self.decoder = nn.Sequential(
            nn.Unflatten(1, (channels, small, small)),
            nn.Conv2d(channels, 2 * width, 3, padding=1),
            nn.GELU(),
            nn.Conv2d(2 * width, 2 * width, 3, padding=1),
            nn.GELU(),
            nn.ConvTranspose2d(2 * width, width, 4, stride=2, padding=1),
            nn.GELU(),
            nn.ConvTranspose2d(width, 2 * COLOURS, 4, stride=2, padding=1),
        )
        last = self.decoder[-1].get_parameter("bias")
        with torch.no_grad():  # begin with a grey picture of scales that cover what photographs vary by
            last[:COLOURS], last[COLOURS:] = 0.5, math.log(0.15)

    def as_input(self, stored: Tensor) -> Tensor:
        return stored.to(torch.float32) / 255

    def hidden_of(self, bits: Tensor, labels: Tensor) -> Tensor:
        return self.encoder(bits - 0.5)

    def logits_of(self, code: Tensor) -> Tensor:
        return self.decoder(code)

    def log_likelihood(self, outputs: Tensor, pictures: Tensor) -> Tensor:
        mean, log_scale = outputs.float().chunk(2, 1)
        return discretised_logistic(mean, log_scale.clamp(*LOG_SCALE), pictures)


def channels_first(pixels: NDArray[np.uint8]) -> Tensor:
    """(N, S, S, 3) -> (N, 3, S, S)."""
    return torch.from_numpy(np.ascontiguousarray(np.asarray(pixels).transpose(0, 3, 1, 2)))


@dataclass
class PhotographProblem(ShuffledProblem):
    """Minimise KL - log-likelihood; the best epoch is the one with the largest bound on dev.

    Training pictures are mirrored with chance one half whenever they are met.
    """

    model: nn.Module
    train: Examples
    dev: Examples
    batch_size: int
    seed: int
    monitor: str = "elbo"
    maximise: bool = True

    def __post_init__(self) -> None:
        assert isinstance(self.model, VAE)
        self.latent = self.model.latent
        self.pixels = channels_first(self.train["pixels"])

    @property
    def fingerprint(self) -> str:
        return checkpoint_key(examples_fingerprint(self.train), examples_fingerprint(self.dev), self.seed)

    def collate(self, indices: np.ndarray, device: torch.device) -> Any:
        pictures = self.pixels[indices].to(torch.float32).div_(255)
        mirrored = torch.rand(len(indices), 1, 1, 1) < 0.5
        pictures = torch.where(mirrored, pictures.flip(-1), pictures)
        noise = torch.randn(len(indices), self.latent)
        labels = torch.zeros(len(indices), dtype=torch.int64)
        return pictures.to(device), labels.to(device), noise.to(device)

    def loss(self, model: nn.Module, batch: Any) -> tuple[Tensor, Tensor]:
        likelihood, kl = model(*batch)
        losses = (kl - likelihood) / self.pixels[0].numel()
        return losses, torch.ones_like(losses)

    def evaluate(self, model: nn.Module, device: torch.device) -> dict[str, float]:
        assert isinstance(model, VAE)
        found = bounds_of(model, self.dev, 1, self.seed, device)
        elbo, kl = (float(part.double().mean()) for part in (found.elbo, found.kl))
        return {"elbo": elbo, "kl": kl, "loss": bits_per_dimension(elbo, self.dev)}


def bounds_of(network: VAE, examples: Examples, draws: int, seed: int, device: torch.device) -> Bounds:
    """Both bounds of examples with an array ``pixels`` (N, S, S, 3), nats."""
    labels = torch.zeros(len(examples), dtype=torch.int64)
    return bounds(network, channels_first(examples["pixels"]), labels, draws, seed, device, rows=ROWS)


def bits_per_dimension(nats: float, examples: Examples) -> float:
    """A mean log-likelihood of a picture in nats as bits that a byte of it costs."""
    return -nats / math.log(2) / math.prod(examples["pixels"].shape[1:])


@register_model("vae.photographs")
class PhotographVAE(NetworkModel):
    """`ColourVAE` as a model. A picture is the decoder's mean."""

    network_class = ColourVAE

    def bounds(self, examples: Examples, draws: int, seed: int) -> Bounds:
        return bounds_of(self.network, examples, draws, seed, torch.device("cpu"))

    def rebuilt(self, pixels: NDArray[np.uint8]) -> NDArray[np.uint8]:
        """Pictures (N, S, S, 3) from the means of their codes."""
        with torch.inference_mode():
            codes = [
                self.network.encode(self.network.as_input(part), torch.zeros(len(part))).mean
                for part in channels_first(pixels).split(BATCH)
            ]
        return self._pictures(torch.cat(codes))

    def sample(self, count: int, seed: int) -> NDArray[np.uint8]:
        """Pictures (count, S, S, 3) of codes from the prior."""
        generator = torch.Generator().manual_seed(seed)
        return self._pictures(torch.randn((count, self.network.latent), generator=generator))

    def _pictures(self, codes: Tensor) -> NDArray[np.uint8]:
        with torch.inference_mode():
            means = [
                self.network.decode(part, torch.zeros(len(part)))[:, :COLOURS] for part in codes.split(BATCH)
            ]
        intensities = torch.cat(means).clamp(0, 1).permute(0, 2, 3, 1)
        return torch.round(intensities * 255).to(torch.uint8).numpy()


def train_photographs(
    photographs_train_split: Examples,
    photographs_dev_split: Examples,
    parameters: PhotographParameters,
    run: RunParameters,
) -> tuple[PhotographVAE, dict[str, Any]]:
    """Train with early stopping on dev; returns the model and its history."""
    train, dev, seed = photographs_train_split, photographs_dev_split, derive_seed(run.seed, "photographs")
    seed_everything(seed)
    side = int(train["pixels"].shape[1])
    config = {"side": side, "channels": parameters.channels, "width": parameters.width}
    network = ColourVAE(**config)
    problem = PhotographProblem(network, train, dev, parameters.fit.batch_size, seed)
    epochs = fit(problem, parameters.fit, run)
    model = PhotographVAE(network, config)
    elbo = float(model.bounds(dev, parameters.draws, seed).elbo.double().mean())
    return model, {"dev": {"bits_per_dimension": bits_per_dimension(elbo, dev)}, "epochs": epochs}


def independent_bytes(train: NDArray[np.uint8], test: NDArray[np.uint8]) -> NDArray[np.float64]:
    """Log-likelihood (M,), nats, of pictures (M, S, S, 3) whose bytes are independent: the trivial baseline.

    Each place and colour has a histogram of its own over the training pictures (N, S, S, 3), one half added to every count
    (Krichevsky and Trofimov 1981). There is no code, so this is the likelihood itself.
    """
    flat, asked = train.reshape(len(train), -1), test.reshape(len(test), -1)
    found = np.zeros(len(test))
    for place in range(flat.shape[1]):
        counts = np.bincount(flat[:, place], minlength=256) + 0.5
        found += np.log(counts / counts.sum())[asked[:, place]]
    return found
