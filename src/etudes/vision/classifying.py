"""Telling classes of pictures apart, for `etudes.training.fit`."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from etudes.cards import fingerprint
from etudes.training.problem import ShuffledProblem
from etudes.vision.augmentation import shifted_and_mirrored
from etudes.vision.imagenet import standardised_bytes

BATCH = 128  # pictures of one pass over dev

Pixels = NDArray[np.uint8]
Labels = NDArray[np.int64]


@dataclass
class PictureProblem(ShuffledProblem):
    """Cross-entropy of a network that gives logits (n, K) of standardised pictures (n, 3, H, W).

    ``train`` and ``dev`` are pixels (N, H, W, 3), uint8, with their labels (N,); they are kept on the device as bytes. The best
    epoch has the best dev accuracy, or whatever ``monitor`` names. ``even`` batches differ in size by one picture at most;
    else the last one has what is left. Training pictures are altered by ``shift`` and ``mirror`` (`shifted_and_mirrored`).
    """

    model: nn.Module
    train: Pixels
    labels: Labels
    dev: Pixels
    dev_labels: Labels
    batch_size: int
    even: bool = False
    monitor: str = "accuracy"
    maximise: bool = True
    shift: int = 0
    mirror: bool = False

    def __post_init__(self) -> None:
        self.bytes, self.truth = _tensor(self.train), _tensor(self.labels)

    @property
    def fingerprint(self) -> str:
        how = f"{self.shift} {self.mirror}"
        return fingerprint(self.train, self.labels, self.dev, self.dev_labels, how)

    def batches(self, generator: np.random.Generator) -> Sequence[np.ndarray]:
        if not self.even:
            return super().batches(generator)
        order = generator.permutation(len(self.train))
        return np.array_split(order, max(1, len(order) // self.batch_size))

    def collate(self, indices: NDArray[np.int64], device: torch.device) -> tuple[Tensor, Tensor]:
        pixels, labels = self.taken(indices, device)
        return standardised_bytes(pixels), labels

    def taken(self, indices: NDArray[np.int64], device: torch.device) -> tuple[Tensor, Tensor]:
        """Training pictures as bytes (n, H, W, 3), altered by draws of their own, and their labels (n,)."""
        self.bytes, self.truth = self.bytes.to(device), self.truth.to(device)
        rows = torch.from_numpy(indices).to(device)
        return shifted_and_mirrored(self.bytes[rows], self.shift, self.mirror), self.truth[rows]

    def loss(self, model: nn.Module, batch: tuple[Tensor, Tensor]) -> tuple[Tensor, Tensor]:
        pictures, labels = batch
        losses = nn.functional.cross_entropy(model(pictures), labels, reduction="none")
        return losses, torch.ones_like(losses)

    def evaluate(self, model: nn.Module, device: torch.device) -> dict[str, float]:
        parts = (self.dev[start : start + BATCH] for start in range(0, len(self.dev), BATCH))
        logits = torch.cat([model(standardised_bytes(_tensor(part).to(device))) for part in parts])
        labels = _tensor(self.dev_labels).to(device)
        losses = nn.functional.cross_entropy(logits, labels, reduction="none")
        hits = int((logits.argmax(1) == labels).sum())
        return {"loss": losses.mean().item(), "accuracy": hits / len(labels)}


def _tensor(array: NDArray) -> Tensor:
    """Shares memory with the array where that may be written."""
    return torch.from_numpy(np.require(array, requirements=("C", "W")))
