"""The last stage of a pretrained network learns on, from the best linear answer on its features."""

from __future__ import annotations

import copy
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from etudes.benches.table_models import Softmax
from etudes.cards import fingerprint
from etudes.training.problem import ShuffledProblem
from etudes.vision.frozen import Projection


class Top(nn.Module):
    """The trunk's maps (n, C, h, w) -> logits (n, K): the stage that learns, the mean over places, a linear layer."""

    def __init__(self, stage: nn.Module, features: int, classes: int) -> None:
        super().__init__()
        self.stage, self.head = stage, nn.Linear(features, classes)

    def forward(self, maps: Tensor) -> Tensor:
        logits: Tensor = self.head(self.stage(maps).mean((2, 3)))
        return logits


def started(stage: nn.Module, projection: Projection, rule: Softmax) -> Top:
    """A copy of a stage with the linear layer that answers as ``rule`` does on the stage's features x (D,).

    Linear probing, then fine-tuning (Kumar et al. 2022, arXiv:2202.10054): from a drawn linear layer the first steps would
    pull the features about. z = (x - mean) P and logits V z + b give the layer's W = V P^T and b - W mean.
    """
    linear = rule.weights @ projection.weights.T
    top = Top(copy.deepcopy(stage), linear.shape[1], linear.shape[0])
    with torch.no_grad():
        top.head.weight.copy_(torch.from_numpy(linear))
        top.head.bias.copy_(torch.from_numpy(rule.intercepts - linear @ projection.mean))
    return top.requires_grad_(True)


@dataclass
class TopProblem(ShuffledProblem):
    """Cross-entropy of a `Top`; each training picture is shown in one of its views, drawn anew whenever it is shown.

    ``train`` are maps (N, V, C, h, w) of N pictures in V views, ``dev`` maps (M, C, h, w) of pictures as they are, both in
    half precision. ``start`` says how the linear layer was found that the model starts from.
    """

    model: nn.Module
    train: NDArray[np.float16]
    labels: NDArray[np.int64]
    dev: NDArray[np.float16]
    dev_labels: NDArray[np.int64]
    batch_size: int
    seed: int
    start: str = ""
    monitor: str = "loss"
    maximise: bool = False

    @property
    def fingerprint(self) -> str:
        return fingerprint(self.train, self.labels, self.dev, self.dev_labels, f"{self.seed} {self.start}")

    def collate(self, indices: NDArray[np.int64], device: torch.device) -> tuple[Tensor, Tensor]:
        # The batch decides, so that a resumed run draws the same views.
        view = np.random.default_rng([self.seed, *map(int, indices)]).integers(
            0, self.train.shape[1], len(indices)
        )
        maps = torch.from_numpy(self.train[indices, view]).to(device).float()
        return maps.contiguous(memory_format=torch.channels_last), torch.from_numpy(self.labels[indices]).to(
            device
        )

    def loss(self, model: nn.Module, batch: tuple[Tensor, Tensor]) -> tuple[Tensor, Tensor]:
        maps, labels = batch
        losses = nn.functional.cross_entropy(model(maps), labels, reduction="none")
        return losses, torch.ones_like(losses)

    def evaluate(self, model: nn.Module, device: torch.device) -> dict[str, float]:
        logits = model(torch.from_numpy(np.array(self.dev)).to(device).float())
        labels = torch.from_numpy(self.dev_labels).to(device)
        losses = nn.functional.cross_entropy(logits, labels)
        return {"loss": losses.item(), "accuracy": (logits.argmax(1) == labels).double().mean().item()}
