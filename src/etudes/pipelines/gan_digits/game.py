"""The training of the GAN, written out: two optimisers, the averaged generator, resume."""

from __future__ import annotations

import copy
import math
from collections.abc import Callable

import numpy as np
import torch
from torch import Tensor

from etudes.cards import examples_fingerprint
from etudes.digits.files import DIGITS
from etudes.examples import Examples
from etudes.pipelines.gan_digits.networks import (
    Discriminator,
    Generator,
    discriminator_loss,
    generator_loss,
)
from etudes.pipelines.gan_digits.parameters import GANParameters
from etudes.training.average import average_weights, weights_of
from etudes.training.fit import resolve_device
from etudes.training.parameters import RunParameters
from etudes.training.resumable import Resumable
from etudes.training.seeds import derive_seed, seed_everything
from etudes.training.session import progress

BETAS = (0.5, 0.999)  # Adam's, as in Radford et al. 2016
FEATURES = 128  # of the discriminator
FIXED = 4  # pictures of each digit that are drawn from the same noise after every epoch
SUMS = ("discriminator_loss", "generator_loss", "real_score", "fake_score")

Scores = Callable[[Generator], dict[str, float]]
Row = dict[str, float]


class Game(Resumable):
    """One training run on one device, in single precision.

    Each step shows the discriminator real pictures and as many generated ones of digits drawn at random, then lets the
    generator answer on new noise. After each epoch the running average of the generator's weights is scored on dev, and
    the best average is kept: the weights themselves swing with the game.

    Args:
        train: rows ``label``, array ``pixels``.
        score: dev scores of a generator; ``fid`` chooses the epoch.
        score_key: fingerprint of what ``score`` depends on.
    """

    keep = (
        *("generator", "discriminator", "averaged", "optimizers", "best", "best_score", "snapshots"),
        *("epoch", "step", "updates", "sums", "epochs"),
    )
    rows = "epochs"

    def __init__(
        self,
        train: Examples,
        parameters: GANParameters,
        run: RunParameters,
        score: Scores,
        score_key: str,
    ) -> None:
        self.parameters, self.run, self.score = parameters, run, score
        self.device = resolve_device(run.device)
        self.seed = derive_seed(run.seed, "gan")
        seed_everything(self.seed)
        side = int(train["pixels"].shape[1])
        self.generator = Generator(side, parameters.latent, parameters.width).to(self.device)
        self.discriminator = Discriminator(side, parameters.width, FEATURES).to(self.device)
        self.averaged = copy.deepcopy(self.generator).eval()
        self.optimizers = [
            torch.optim.Adam(network.parameters(), lr=rate, betas=BETAS)
            for network, rate in (
                (self.discriminator, parameters.discriminator_rate),
                (self.generator, parameters.generator_rate),
            )
        ]
        self.pictures = torch.from_numpy(np.array(train["pixels"]))
        self.labels = torch.from_numpy(train.rows["label"].to_numpy().copy())
        self.steps_per_epoch = max(1, len(train) // parameters.batch_size)
        fixed = torch.Generator().manual_seed(self.seed)
        self.fixed_noise = torch.randn((FIXED, parameters.latent), generator=fixed).repeat(DIGITS, 1)
        self.fixed_labels = torch.arange(DIGITS).repeat_interleave(FIXED)
        self.epoch = self.step = self.updates = 0
        self.sums = dict.fromkeys(SUMS, 0.0)
        self.epochs: list[Row] = []
        self.best: dict[str, Tensor] = {}
        self.best_score = math.inf
        self.snapshots: list[Tensor] = []
        if not self.resume(run, examples_fingerprint(train), parameters.model_dump(), score_key):
            self.snapshots.append(self._snapshot())

    def play(self) -> tuple[Generator, list[Row], np.ndarray]:
        """Train to the end.

        Returns:
            The averaged generator of the epoch with the best FID on dev, on the CPU; one row an epoch (losses in nats,
            ``real_score`` D(x) and ``fake_score`` D(G(z)) as means over the epoch, ``dev_*``); and the fixed noise
            before training and after every epoch, (epochs + 1, 10, FIXED, S, S), uint8.

        Raises:
            ValueError: a loss is not finite.
            CheckpointError: ``run.resume`` with a damaged checkpoint.
        """
        while self.epoch < self.parameters.epochs:
            self._epoch()
        generator = self.averaged.cpu()
        generator.load_state_dict(self.best)
        side = self.pictures.shape[1]
        pixels = torch.stack(self.snapshots).view(-1, DIGITS, FIXED, side, side)
        return generator.eval(), self.epochs, pixels.numpy()

    def _epoch(self) -> None:
        order = np.random.default_rng([self.run.seed, self.epoch]).permutation(len(self.labels))
        size = self.parameters.batch_size
        label = f"gan epoch {self.epoch + 1}/{self.parameters.epochs}"
        for step in progress(range(self.step, self.steps_per_epoch), label):
            for name, value in self._step(order[step * size : (step + 1) * size]).items():
                self.sums[name] += value
            self.step = step + 1
            if self.step % self.parameters.checkpoint_steps == 0:
                self.save()
        self._end_epoch()
        self.save()

    def _step(self, indices: np.ndarray) -> Row:
        real = self.pictures[indices].unsqueeze(1).to(self.device, torch.float32).div_(127.5).sub_(1)
        labels = self.labels[indices].to(self.device)
        optimize_discriminator, optimize_generator = self.optimizers
        self.generator.train()
        self.discriminator.train()

        with torch.no_grad():
            fake, fake_labels = self._draw(len(real))
        # Real and generated pictures in one batch: one power iteration of the spectral norms a step.
        answers = self.discriminator(torch.cat([real, fake]), torch.cat([labels, fake_labels]))
        on_real, on_fake = answers[: len(real)], answers[len(real) :]
        lost = discriminator_loss(on_real, on_fake)
        optimize_discriminator.zero_grad(set_to_none=True)
        lost.backward()
        optimize_discriminator.step()

        fake, fake_labels = self._draw(len(real))
        self.discriminator.requires_grad_(False)  # its gradients would be computed and thrown away
        generator_lost = generator_loss(self.discriminator(fake, fake_labels))
        optimize_generator.zero_grad(set_to_none=True)
        generator_lost.backward()
        optimize_generator.step()
        self.discriminator.requires_grad_(True)
        self.updates += 1
        average_weights(self.averaged, self.generator, self.parameters.average, self.updates)
        values = torch.stack([lost, generator_lost, on_real.sigmoid().mean(), on_fake.sigmoid().mean()])
        return dict(zip(SUMS, values.detach().tolist(), strict=True))

    def _draw(self, count: int) -> tuple[Tensor, Tensor]:
        """Pictures of random digits; the randomness is the CPU's, so that a device changes no draw."""
        noise, labels = torch.randn(count, self.parameters.latent), torch.randint(0, DIGITS, (count,))
        labels = labels.to(self.device)
        return self.generator(noise.to(self.device), labels), labels

    def _end_epoch(self) -> None:
        means = {name: value / self.steps_per_epoch for name, value in self.sums.items()}
        if not all(map(math.isfinite, means.values())):
            raise ValueError(
                f"gan: a loss is not finite after epoch {self.epoch + 1}; lower gan.generator_rate and "
                "gan.discriminator_rate, or look for NaN in the data"
            )
        dev = self.score(self.averaged)
        self.epoch, self.step, self.sums = self.epoch + 1, 0, dict.fromkeys(SUMS, 0.0)
        if dev["fid"] < self.best_score:
            self.best_score = dev["fid"]
            self.best = weights_of(self.averaged)
        row = {"epoch": float(self.epoch), **means, **{f"dev_{name}": value for name, value in dev.items()}}
        self.epochs.append(row)
        self.log(row)
        self.snapshots.append(self._snapshot())

    def _snapshot(self) -> Tensor:
        with torch.inference_mode():
            noise, labels = self.fixed_noise.to(self.device), self.fixed_labels.to(self.device)
            return as_bytes(self.averaged(noise, labels))


def as_bytes(pictures: Tensor) -> Tensor:
    """Pictures (n, 1, S, S) in -1..1 as bytes (n, S, S), on the CPU."""
    return pictures.squeeze(1).add(1).mul(127.5).round().clamp(0, 255).to(torch.uint8).cpu()
