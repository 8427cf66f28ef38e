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
from etudes.vision.imagenet import normalised

BATCH = 128  # pictures of one pass over dev

Pixels = NDArray[np.uint8]
Labels = NDArray[np.int64]


@dataclass
class PictureProblem(ShuffledProblem):
    """Cross-entropy of a network that gives logits (n, K) of standardised pictures (n, 3, H, W).

    ``train`` and ``dev`` are pixels (N, H, W, 3), uint8, with their labels (N,); the best epoch has the best dev accuracy.
    ``even`` batches differ in size by one picture at most; else the last one has what is left.
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

    @property
    def fingerprint(self) -> str:
        return fingerprint(self.train, self.labels, self.dev, self.dev_labels)

    def batches(self, generator: np.random.Generator) -> Sequence[np.ndarray]:
        if not self.even:
            return super().batches(generator)
        order = generator.permutation(len(self.train))
        return np.array_split(order, max(1, len(order) // self.batch_size))

    def collate(self, indices: NDArray[np.int64], device: torch.device) -> tuple[Tensor, Tensor]:
        labels = torch.from_numpy(self.labels[indices]).to(device)
        return normalised(self.train[indices], str(device)), labels

    def loss(self, model: nn.Module, batch: tuple[Tensor, Tensor]) -> tuple[Tensor, Tensor]:
        pictures, labels = batch
        losses = nn.functional.cross_entropy(model(pictures), labels, reduction="none")
        return losses, torch.ones_like(losses)

    def evaluate(self, model: nn.Module, device: torch.device) -> dict[str, float]:
        parts = (self.dev[start : start + BATCH] for start in range(0, len(self.dev), BATCH))
        logits = torch.cat([model(normalised(part, str(device))) for part in parts])
        labels = torch.from_numpy(self.dev_labels).to(device)
        losses = nn.functional.cross_entropy(logits, labels, reduction="none")
        hits = int((logits.argmax(1) == labels).sum())
        return {"loss": losses.mean().item(), "accuracy": hits / len(labels)}
