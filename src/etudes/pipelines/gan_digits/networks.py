"""A conditional DCGAN: generator, projection discriminator, and the two losses.

Goodfellow et al. 2014 (the game), Mirza and Osindero 2014 (labels), Radford et al. 2016 (strided convolutions, batch
normalisation), Miyato et al. 2018 (spectral normalisation), Miyato and Koyama 2018 (projection).
"""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn.utils.parametrizations import spectral_norm

from etudes.digits.files import DIGITS

SLOPE = 0.2  # of the discriminator's leaky ReLU


class Generator(nn.Module):
    """Noise and a digit to a picture, by two transposed convolutions that double the side.

    z (batch, latent), labels (batch,) -> (batch, 1, S, S) in -1..1.
    """

    def __init__(self, side: int, latent: int, width: int) -> None:
        super().__init__()
        self.latent, small = latent, side // 4
        self.start = nn.Sequential(
            nn.Linear(latent + DIGITS, 2 * width * small**2, bias=False),
            nn.Unflatten(1, (2 * width, small, small)),
            nn.BatchNorm2d(2 * width),
            nn.ReLU(),
        )
        self.body = nn.Sequential(
            nn.ConvTranspose2d(2 * width, width, 4, stride=2, padding=1, bias=False),
            nn.BatchNorm2d(width),
            nn.ReLU(),
            nn.ConvTranspose2d(width, 1, 4, stride=2, padding=1),
            nn.Tanh(),
        )

    def forward(self, z: Tensor, labels: Tensor) -> Tensor:
        if z.ndim != 2 or z.shape[1] != self.latent or labels.shape != z.shape[:1]:
            raise ValueError(
                f"z has the shape {tuple(z.shape)}, labels {tuple(labels.shape)}; expected (n, {self.latent}) and (n,)"
            )
        return self.body(self.start(torch.cat([z, nn.functional.one_hot(labels, DIGITS).float()], 1)))


class Discriminator(nn.Module):
    """Log-odds that a picture with its digit is real: ``linear(f(x)) + embedding(y) . f(x)``.

    The inner product is the form that the log-ratio of two conditional densities takes (Miyato and Koyama 2018,
    equation 3). Spectral normalisation keeps every layer from stretching its input, so that the discriminator cannot
    win by steepness alone.

    pictures (batch, 1, S, S) in -1..1, labels (batch,) -> (batch,).
    """

    def __init__(self, side: int, width: int, features: int) -> None:
        super().__init__()
        self.body = nn.Sequential(
            spectral_norm(nn.Conv2d(1, width, 4, stride=2, padding=1)),
            nn.LeakyReLU(SLOPE),
            spectral_norm(nn.Conv2d(width, 2 * width, 4, stride=2, padding=1)),
            nn.LeakyReLU(SLOPE),
            nn.Flatten(),
            spectral_norm(nn.Linear(2 * width * (side // 4) ** 2, features)),
            nn.LeakyReLU(SLOPE),
        )
        self.output = spectral_norm(nn.Linear(features, 1))
        self.embedding = spectral_norm(nn.Embedding(DIGITS, features))

    def forward(self, pictures: Tensor, labels: Tensor) -> Tensor:
        if labels.shape != pictures.shape[:1]:
            raise ValueError(
                f"{tuple(pictures.shape)} pictures have labels {tuple(labels.shape)}; expected one each"
            )
        features = self.body(pictures)
        return self.output(features).squeeze(1) + (self.embedding(labels) * features).sum(1)


def discriminator_loss(real: Tensor, fake: Tensor) -> Tensor:
    """``-log D(x) - log(1 - D(G(z)))``, means over log-odds (n,) and (m,) (Goodfellow et al. 2014, equation 1), nats."""
    _flat(real, fake)
    return nn.functional.softplus(-real).mean() + nn.functional.softplus(fake).mean()


def generator_loss(fake: Tensor) -> Tensor:
    """``-log D(G(z))``: the non-saturating loss, whose gradient does not vanish while the generator loses, nats."""
    _flat(fake)
    return nn.functional.softplus(-fake).mean()


def _flat(*log_odds: Tensor) -> None:
    for values in log_odds:
        if values.ndim != 1:
            raise ValueError(f"log-odds have the shape {tuple(values.shape)}; expected (n,)")
