"""Variational autoencoders: the bound, its parts, and a convolutional network of binary pictures.

Kingma and Welling, "Auto-Encoding Variational Bayes" (2014): ``p(z) = N(0, 1)``, ``p(x | z)`` independent Bernoulli
pixels, ``q(z | x)`` a Gaussian with diagonal covariance. All likelihoods and divergences are in nats, summed over pixels
and latent dimensions: means over them would weigh one against the other.
"""

from __future__ import annotations

import math
from abc import ABC, abstractmethod
from typing import NamedTuple

import torch
from torch import Tensor, nn

LOG_VARIANCE = (-12.0, 8.0)  # limits of log sigma^2: a wild step must not end in infinities


def gaussian_kl(mean: Tensor, log_variance: Tensor) -> Tensor:
    """``KL(N(mean, sigma^2) || N(0, 1))`` for each dimension (Kingma and Welling 2014, appendix B).

    ``(mean^2 + sigma^2 - log sigma^2 - 1) / 2``; note sigma squared: with sigma in its place the pull is towards another
    variance than the prior's. Never negative.

    Args:
        mean, log_variance: (batch, latent).

    Returns:
        (batch, latent), nats.

    Raises:
        ValueError: the shapes differ.
    """
    if mean.shape != log_variance.shape:
        raise ValueError(
            f"mean has the shape {tuple(mean.shape)}, log_variance {tuple(log_variance.shape)}; expected the same"
        )
    return 0.5 * (mean**2 + log_variance.exp() - log_variance - 1)


def gaussian_log_density(z: Tensor, mean: Tensor, log_variance: Tensor) -> Tensor:
    """``log N(z; mean, sigma^2)`` summed over the last dimension, nats."""
    return -0.5 * ((z - mean) ** 2 / log_variance.exp() + log_variance + math.log(2 * math.pi)).sum(-1)


def bernoulli_log_likelihood(logits: Tensor, bits: Tensor) -> Tensor:
    """``log p(x | z)`` of binary pictures, summed over pixels.

    Args:
        logits: (..., S, S), log-odds of a pixel being one.
        bits: (..., S, S), 0 or 1, the same shape.

    Returns:
        (...), nats.

    Raises:
        ValueError: the shapes differ: broadcasting would compare pictures with other pictures.
    """
    if logits.shape != bits.shape:
        raise ValueError(
            f"logits have the shape {tuple(logits.shape)}, bits {tuple(bits.shape)}; expected the same"
        )
    log_odds = logits.float()
    # log sigmoid of the log-odds where the bit is one, of their negative where it is zero
    return (bits * log_odds - nn.functional.softplus(log_odds)).sum((-2, -1))


def importance_bound(log_weights: Tensor) -> Tensor:
    """``log 1/k sum_i w_i`` of the last dimension (Burda et al. 2016, equation 8): a bound on log p(x) that grows with k.

    ``log w_i = log p(x | z_i) + log p(z_i) - log q(z_i | x)``, z_i from q. (..., k) -> (...).
    """
    return torch.logsumexp(log_weights, -1) - math.log(log_weights.shape[-1])


class Posterior(NamedTuple):
    """``q(z | x)``: mean and log-variance, each (batch, latent)."""

    mean: Tensor
    log_variance: Tensor

    def draw(self, noise: Tensor) -> Tensor:
        """``z = mean + sigma * noise``; noise (..., batch, latent) from N(0, 1), so that gradients pass (section 2.4)."""
        return self.mean + (0.5 * self.log_variance).exp() * noise


class VAE(nn.Module, ABC):
    """What all variational autoencoders share; a subclass defines `hidden_of` and `logits_of`.

    Pictures are binary and their likelihood is Bernoulli's, unless a subclass defines `as_input` and `log_likelihood`
    as well; shapes named (batch, S, S) are then its own.

    With ``classes`` the network is conditional: encoder and decoder see the digit, one-hot. It then is a bound on
    log p(x, y) whose KL includes the label's log(classes) nats (a point as posterior of a uniform label), so that its
    bounds and those of networks without labels are bounds on the same thing.
    """

    def __init__(self, side: int, latent: int, classes: int) -> None:
        super().__init__()
        self.side, self.latent, self.classes = side, latent, classes

    @abstractmethod
    def hidden_of(self, bits: Tensor, labels: Tensor) -> Tensor:
        """bits (batch, S, S), one-hot labels (batch, classes) -> mean and log-variance side by side (batch, 2 latent)."""

    @abstractmethod
    def logits_of(self, code: Tensor) -> Tensor:
        """z with the one-hot label behind it (batch, latent + classes) -> log-odds (batch, S, S)."""

    def as_input(self, stored: Tensor) -> Tensor:
        """Stored pictures, bool here, as `encode` and `log_likelihood` want them: float32."""
        return stored.to(torch.float32)

    def log_likelihood(self, outputs: Tensor, pictures: Tensor) -> Tensor:
        """``log p(x | z)`` of pictures (batch, ...) given what `decode` said of them: (batch,), nats."""
        return bernoulli_log_likelihood(outputs, pictures)

    @property
    def label_nats(self) -> float:
        """What the label adds to the KL."""
        return math.log(self.classes) if self.classes else 0.0

    def encode(self, bits: Tensor, labels: Tensor) -> Posterior:
        """bits (batch, S, S) in 0..1, labels (batch,) whole numbers; without ``classes`` labels are not looked at."""
        mean, log_variance = self.hidden_of(bits, self._one_hot(labels)).float().chunk(2, -1)
        return Posterior(mean, log_variance.clamp(*LOG_VARIANCE))

    def decode(self, z: Tensor, labels: Tensor) -> Tensor:
        """z (batch, latent), labels (batch,) -> log-odds (batch, S, S)."""
        if z.ndim != 2 or z.shape[1] != self.latent or labels.shape != z.shape[:1]:
            raise ValueError(
                f"z has the shape {tuple(z.shape)}, labels {tuple(labels.shape)}; expected (n, {self.latent}) and (n,)"
            )
        return self.logits_of(torch.cat([z, self._one_hot(labels)], -1))

    def forward(self, bits: Tensor, labels: Tensor, noise: Tensor) -> tuple[Tensor, Tensor]:
        """Log-likelihood of one draw and the KL of each example, with the label's share: (batch,), (batch,), nats."""
        posterior = self.encode(bits, labels)
        logits = self.decode(posterior.draw(noise), labels)
        return self.log_likelihood(logits, bits), gaussian_kl(*posterior).sum(-1) + self.label_nats

    def _one_hot(self, labels: Tensor) -> Tensor:
        if not self.classes:
            return torch.empty(len(labels), 0, device=labels.device)
        return nn.functional.one_hot(labels, self.classes).float()


class ConvolutionalVAE(VAE):
    """Two strided convolutions down to a quarter of the side, a dense layer, and the way back.

    The label enters the encoder as a plane of its own (a learned picture for each digit), the decoder beside z.
    """

    def __init__(self, side: int, latent: int, width: int, hidden: int, classes: int = 0) -> None:
        super().__init__(side, latent, classes)
        self.small = side // 4
        planes = 2 * width * self.small**2
        self.plane = nn.Linear(classes, side * side, bias=False) if classes else None
        self.encoder = nn.Sequential(
            nn.Conv2d(2 if classes else 1, width, 4, stride=2, padding=1),
            nn.ReLU(),
            nn.Conv2d(width, 2 * width, 4, stride=2, padding=1),
            nn.ReLU(),
            nn.Flatten(),
            nn.Linear(planes, hidden),
            nn.ReLU(),
            nn.Linear(hidden, 2 * latent),
        )
        self.decoder = nn.Sequential(
            nn.Linear(latent + classes, hidden),
            nn.ReLU(),
            nn.Linear(hidden, planes),
            nn.ReLU(),
            nn.Unflatten(1, (2 * width, self.small, self.small)),
            nn.ConvTranspose2d(2 * width, width, 4, stride=2, padding=1),
            nn.ReLU(),
            nn.ConvTranspose2d(width, 1, 4, stride=2, padding=1),
        )

    def hidden_of(self, bits: Tensor, labels: Tensor) -> Tensor:
        planes = [bits]
        if self.plane is not None:
            planes.append(self.plane(labels).view(-1, self.side, self.side))
        return self.encoder(torch.stack(planes, 1))

    def logits_of(self, code: Tensor) -> Tensor:
        return self.decoder(code).squeeze(1)


class Bounds(NamedTuple):
    """Of each picture, in nats: ``reconstruction`` (mean log-likelihood), ``kl``, ``iwae``; ``units`` (N, latent) is
    the KL of each latent dimension, without the label's share, ``means`` (N, latent) the posterior means."""

    reconstruction: Tensor
    kl: Tensor
    iwae: Tensor
    units: Tensor
    means: Tensor

    @property
    def elbo(self) -> Tensor:
        """The evidence lower bound (Kingma and Welling 2014, equation 3)."""
        return self.reconstruction - self.kl


def bounds(
    network: VAE,
    bits: Tensor,
    labels: Tensor,
    draws: int,
    seed: int,
    device: torch.device,
    rows: int = 4_096,
) -> Bounds:
    """Both bounds of N pictures from the same ``draws`` draws of each posterior.

    Args:
        network: in evaluation mode or not, it is left as it is.
        bits: stored pictures, (N, S, S) and bool for binary ones.
        labels: (N,).
        draws: k of the importance-weighted bound.
        seed: of the noise, which is drawn on the CPU, so that a device changes no draw.
        device: where to compute.
        rows: pictures that are decoded at once.

    Returns:
        Everything on the CPU.
    """
    generator = torch.Generator().manual_seed(seed)
    parts: list[Bounds] = []
    step = max(1, rows // draws)
    with torch.inference_mode():
        for start in range(0, len(bits), step):
            x = network.as_input(bits[start : start + step].to(device))
            y = labels[start : start + step].to(device)
            n = len(x)
            posterior = network.encode(x, y)
            noise = torch.randn((draws, n, network.latent), generator=generator).to(device)
            z = posterior.draw(noise)
            logits = network.decode(z.flatten(0, 1), y.repeat(draws))
            repeated = x.repeat(draws, *(1 for _ in x.shape[1:]))
            likelihood = network.log_likelihood(logits, repeated).view(draws, n)
            prior = gaussian_log_density(z, torch.zeros_like(z), torch.zeros_like(z))
            density = gaussian_log_density(z, posterior.mean, posterior.log_variance)
            weights = likelihood + prior - density - network.label_nats
            units = gaussian_kl(*posterior)
            found = Bounds(
                likelihood.mean(0),
                units.sum(-1) + network.label_nats,
                importance_bound(weights.T),
                units,
                posterior.mean,
            )
            parts.append(Bounds(*(value.cpu() for value in found)))
    return Bounds(*(torch.cat(values) for values in zip(*parts, strict=True)))
