"""Networks that give each word of a sentence a tag: what they share, and how they are trained and asked. PyTorch."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from etudes.evaluation.uncertainty import log_losses
from etudes.text.chain import Chain
from etudes.text.tokens import bucketed_batches, pad, sorted_batches
from etudes.training.checkpoint import checkpoint_key

FloatArray = NDArray[np.float64]
IntArray = NDArray[np.int64]
BATCH = 64  # sentences answered together


class Inputs(Protocol):
    """Encoded sentences."""

    lengths: IntArray  # (S,) words of each, one or more

    @property
    def fingerprint(self) -> str: ...
    def batch(self, rows: NDArray) -> tuple[NDArray, ...]:
        """What a network reads of these sentences."""


class SequenceTagger(nn.Module, ABC):
    """A subclass gives `emissions`; its tags are independent given these, or one `Chain`.

    Args:
        tags: K.
        chained: whether tags depend on each other.
    """

    def __init__(self, tags: int, chained: bool) -> None:
        super().__init__()
        self.chain = Chain(tags) if chained else None

    @abstractmethod
    def emissions(self, inputs: Sequence[Tensor], lengths: Tensor) -> Tensor:
        """Scores (B, T, K) of the tags of each word."""

    def forward(self, inputs: Sequence[Tensor], lengths: Tensor, tags: Tensor) -> Tensor:
        """-ln P(tags) a word (B,), nats, of the tags (B, T) of B sentences."""
        scores = self.emissions(inputs, lengths)
        if self.chain is not None:
            return self.chain.losses(scores, tags, lengths) / lengths
        losses = nn.functional.cross_entropy(scores.transpose(1, 2), tags, reduction="none")
        real = torch.arange(tags.shape[1], device=tags.device) < lengths.unsqueeze(1)
        return (losses * real).sum(1) / lengths

    def answer(self, inputs: Sequence[Tensor], lengths: Tensor) -> tuple[Tensor, Tensor]:
        """The most probable tags (B, T), of a chain the most probable sequence, and the probabilities (B, T, K) of each word's tags."""
        scores = self.emissions(inputs, lengths)
        if self.chain is None:
            return scores.argmax(-1), scores.softmax(-1)
        return self.chain.best(scores, lengths), self.chain.marginals(scores, lengths)


@dataclass
class TaggingProblem:
    """A `Problem` of `fit`: sentences with a tag for each word; the best epoch has the largest share of dev words right.

    ``truth`` are the tags of each training sentence, ``dev_truth`` those of all dev words one after the other.
    """

    model: Any
    train: Inputs
    truth: Sequence[IntArray]
    dev: Inputs
    dev_truth: IntArray
    batch_size: int
    settings: str  # JSON: what the inputs were made with, for the key of a checkpoint
    monitor: str = "accuracy"
    maximise: bool = True

    def __post_init__(self) -> None:
        if [len(tags) for tags in self.truth] != list(self.train.lengths) or len(self.dev_truth) != sum(
            self.dev.lengths
        ):
            raise ValueError("expected a tag for each word of train and dev")

    @property
    def fingerprint(self) -> str:
        truth = [tags.tolist() for tags in self.truth]
        parts = [self.train.fingerprint, self.dev.fingerprint, truth, self.dev_truth.tolist(), self.settings]
        return checkpoint_key(*parts)

    def batches(self, generator: np.random.Generator) -> Sequence[NDArray]:
        return bucketed_batches(self.train.lengths, self.batch_size, generator)

    def collate(self, indices: NDArray, device: torch.device) -> Any:
        tags = torch.from_numpy(pad([self.truth[i] for i in indices])[0]).to(device)
        return *_tensors(self.train, indices, device), tags

    def loss(self, model: nn.Module, batch: Any) -> tuple[Tensor, Tensor]:
        inputs, lengths, tags = batch
        return model(inputs, lengths, tags), lengths.to(torch.float32)  # a word counts like any other

    def evaluate(self, model: nn.Module, device: torch.device) -> dict[str, float]:
        tags, probabilities = tags_of(model, self.dev, device)
        loss = float(log_losses(self.dev_truth, probabilities).mean())
        return {"accuracy": float((tags == self.dev_truth).mean()), "loss": loss}

    def parameter_groups(self, learning_rate: float) -> list[dict[str, Any]]:
        return [{"params": list(self.model.parameters()), "lr": learning_rate}]


def tags_of(model: nn.Module, inputs: Inputs, device: torch.device) -> tuple[IntArray, FloatArray]:
    """Tags (N,) and probabilities (N, K) of all N words, one sentence after the other."""
    network: Any = model.to(device).eval()
    starts = np.concatenate([[0], np.cumsum(inputs.lengths)])
    tags, probabilities = np.empty(starts[-1], dtype=np.int64), np.empty((0, 0))
    with torch.inference_mode():
        for rows in sorted_batches(inputs.lengths, BATCH):
            read, lengths = _tensors(inputs, rows, device)
            found, chances = (part.cpu().numpy() for part in network.answer(read, lengths))
            if not len(probabilities):
                probabilities = np.empty((starts[-1], chances.shape[2]))
            for k, row in enumerate(rows):
                own, count = slice(starts[row], starts[row + 1]), inputs.lengths[row]
                tags[own], probabilities[own] = found[k, :count], chances[k, :count]
    return tags, probabilities / probabilities.sum(axis=1, keepdims=True)


def _tensors(inputs: Inputs, rows: NDArray, device: torch.device) -> tuple[tuple[Tensor, ...], Tensor]:
    read = tuple(torch.from_numpy(part).to(device) for part in inputs.batch(rows))
    return read, torch.from_numpy(inputs.lengths[rows]).to(device)
