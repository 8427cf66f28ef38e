"""A teacher is asked about altered training pictures once; students learn from its answers.

numpy and PyTorch, and the loop of `etudes.training.fit`.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.func import functional_call
from torch.nn.functional import cross_entropy

from etudes.cards import fingerprint
from etudes.vision.augmentation import shifted_and_mirrored
from etudes.vision.cifar_networks import CifarResNet
from etudes.vision.classifying import PictureProblem
from etudes.vision.imagenet import standardised_bytes
from etudes.vision.parameters import KeptViewsParameters
from etudes.vision.teaching_losses import hint_loss, soft_loss

AT_ONCE = 250  # pictures of one pass of a teacher

Pixels = NDArray[np.uint8]
Floats = NDArray[np.float32]
Alteration = Callable[[str, Tensor], Tensor]


def views_of(pixels: Pixels, views: KeptViewsParameters, seed: int) -> Pixels:
    """Altered copies of pictures: (N, H, W, 3) -> (N, V, H, W, 3), the first the picture itself.

    They are drawn once and the same for everyone: so a teacher answers each of them once for all students, and a student is told of
    the very view that it sees (a teacher that looks at another cut than the student is a worse one: Beyer et al. 2022, arXiv:2106.05237).
    """
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        plain = torch.from_numpy(np.require(pixels, requirements=("C", "W")))
        altered = (shifted_and_mirrored(plain, views.shift, views.mirror) for _ in range(views.count - 1))
        return torch.stack([plain, *altered], dim=1).numpy()


def asked(network: CifarResNet, pixels: Pixels, device: torch.device) -> tuple[Floats, Floats]:
    """Logits (N, K) of pictures (N, H, W, 3), and the features (N, D) that the last layer reads."""
    network, features = network.to(device).eval(), []
    with torch.inference_mode():
        for start in range(0, max(len(pixels), 1), AT_ONCE):  # none at all make one empty pass
            part = torch.from_numpy(np.array(pixels[start : start + AT_ONCE])).to(device)
            features.append(network.features(standardised_bytes(part)))
        seen = torch.cat(features)
        logits = network.linear(seen)
    network.to("cpu")
    return logits.cpu().numpy(), seen.cpu().numpy()


class Guessing(nn.Module):
    """A student that also guesses the teacher's features from its own, linearly; the guess is thrown away after training.

    Args:
        student: a network with ``features`` and ``linear``.
        hints: D, how many features the teacher has.
    """

    def __init__(self, student: CifarResNet, hints: int) -> None:
        super().__init__()
        self.student = student
        self.guess = nn.Linear(student.linear.in_features, hints)

    def forward(self, pictures: Tensor) -> Tensor:
        """Logits (N, K), then guesses (N, D), side by side: (N, K + D). In evaluation the logits alone."""
        features = self.student.features(pictures)
        logits: Tensor = self.student.linear(features)
        return torch.cat([logits, self.guess(features)], 1) if self.training else logits


@dataclass
class TeachingProblem(PictureProblem):
    """Cross-entropy with the labels, and what the teacher's answers add to it.

    loss = (1 - a) H(y, q) + a T^2 KL(p^T || q^T) + w |g - f|^2 / D

    with q the student's answer, p the teacher's, T the temperature, a the share, w the weight of the hint, f the teacher's standardised
    features and g the student's guess of them; y is smoothed by ``smoothing``. Each step shows every picture in one of its
    views. Who is told nothing has a = w = 0.

    Args (besides those of `PictureProblem`; ``train`` are the pictures as they are):
        views: (N, V, H, W, 3).
        answers: (N, V, K) logits of the teacher, or None.
        hints: (N, V, D) its standardised features, or None.
        temperature, share, weight, smoothing: T, a, w, and the share of the target that all classes have alike.
    """

    views: Pixels = None  # type: ignore[assignment]  # a dataclass wants defaults after defaults
    answers: Floats | None = None
    hints: Floats | None = None
    temperature: float = 1.0
    share: float = 0.0
    weight: float = 0.0
    smoothing: float = 0.0

    def __post_init__(self) -> None:
        if (self.answers is None) != (self.share == 0) or (self.hints is None) != (self.weight == 0):
            raise ValueError("answers belong to a share above 0, hints to a weight above 0")
        super().__post_init__()
        self.bytes = torch.from_numpy(self.views)
        self.told = [
            None if array is None else torch.from_numpy(array) for array in (self.answers, self.hints)
        ]

    @property
    def fingerprint(self) -> str:
        told = [array for array in (self.views, self.answers, self.hints) if array is not None]
        return fingerprint(
            super().fingerprint, *told, *map(str, (self.temperature, self.share, self.weight, self.smoothing))
        )

    def collate(self, indices: NDArray[np.int64], device: torch.device) -> Any:
        """Standardised pictures (n, 3, H, W), labels (n,), and answers (n, K) and hints (n, D) to these views, or None."""
        self.bytes, self.truth = self.bytes.to(device), self.truth.to(device)
        self.told = [None if tensor is None else tensor.to(device) for tensor in self.told]
        view = torch.randint(self.views.shape[1], (len(indices),)).to(device)
        rows = torch.from_numpy(indices).to(device)
        answers, hints = (None if tensor is None else tensor[rows, view] for tensor in self.told)
        return standardised_bytes(self.bytes[rows, view]), self.truth[rows], answers, hints

    def loss(self, model: nn.Module, batch: Any) -> tuple[Tensor, Tensor]:
        pictures, labels, answers, hints = batch
        found = model(pictures).float()
        width = found.shape[1] - (0 if hints is None else hints.shape[1])
        logits, guess = found[:, :width], found[:, width:]
        losses = cross_entropy(logits, labels, reduction="none", label_smoothing=self.smoothing)
        if answers is not None:
            losses = (1 - self.share) * losses + self.share * soft_loss(logits, answers, self.temperature)
        if hints is not None:
            losses = losses + self.weight * hint_loss(guess, hints)
        return losses, torch.ones_like(losses)


@dataclass
class AlteredProblem(TeachingProblem):
    """Teaching a network whose weights act as ``alter(name, weight)`` makes them; the gradient reaches the weights through it."""

    alter: Alteration = lambda name, weight: weight
    altered: str = ""

    @property
    def fingerprint(self) -> str:
        return fingerprint(super().fingerprint, self.altered)

    def loss(self, model: nn.Module, batch: Any) -> tuple[Tensor, Tensor]:
        return super().loss(self._acting(model), batch)  # type: ignore[arg-type]

    def evaluate(self, model: nn.Module, device: torch.device) -> dict[str, float]:
        return super().evaluate(self._acting(model), device)  # type: ignore[arg-type]

    def _acting(self, model: nn.Module) -> Callable[[Tensor], Tensor]:
        return partial(functional_call, model, altered(model, self.alter))


def altered(network: nn.Module, alter: Alteration) -> dict[str, Tensor]:
    """The altered weights by their names in ``network``."""
    found = network.named_parameters()
    return {name: alter(name.removeprefix("module."), value) for name, value in found}
