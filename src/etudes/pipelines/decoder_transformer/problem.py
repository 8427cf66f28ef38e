"""Next-token prediction as a `Problem` for the shared training loop."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from etudes.pipelines.decoder_transformer.decoder import DecoderTransformer
from etudes.training.checkpoint import checkpoint_key


def sequence_loss(logits: Tensor, targets: Tensor) -> Tensor:
    """-mean_t log p(target_t), nats, one number a sequence (batch,).

    Args:
        logits: (batch, time, vocabulary).
        targets: (batch, time).

    Raises:
        ValueError: other shapes.
    """
    if logits.ndim != 3 or logits.shape[:2] != targets.shape:
        raise ValueError(
            f"logits have the shape {tuple(logits.shape)}, targets {tuple(targets.shape)}; expected (batch, time, "
            "vocabulary) and (batch, time)"
        )
    losses = nn.functional.cross_entropy(logits.float().flatten(0, 1), targets.flatten(), reduction="none")
    return losses.view(targets.shape).mean(1)


def relabelled(tokens: Tensor, vocabulary: int, share: float) -> Tensor:
    """The sequences (batch, time), a ``share`` of them with their symbols renamed, each by a permutation of its own."""
    if share <= 0:
        return tokens
    names = torch.rand(len(tokens), vocabulary, device=tokens.device).argsort(-1)
    chosen = torch.rand(len(tokens), 1, device=tokens.device) < share
    return torch.where(chosen, names.gather(1, tokens), tokens)


def next_token_scores(log_probs: np.ndarray, targets: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Whether the most probable token came (N, T), bool, and -log p of the one that came (N, T), nats.

    Raises:
        ValueError: log_probs (N, T, V) and targets (N, T) do not belong together.
    """
    if log_probs.ndim != 3 or log_probs.shape[:2] != targets.shape:
        raise ValueError(
            f"log_probs have the shape {log_probs.shape}, targets {targets.shape}; expected (N, T, V) and (N, T)"
        )
    surprise = -np.take_along_axis(log_probs, targets[..., None], axis=2)[..., 0]
    return log_probs.argmax(-1) == targets, surprise


@dataclass
class SequenceProblem:
    """Learn p(x_t | x_<t) of token sequences.

    ``train`` (N, T + 1) are the sequences; where they are windows of one text (``crops``), it is their stream (n,) and
    every epoch cuts N windows anew, at random places. The best epoch is the one with the smallest loss on ``dev``.
    ``heldout`` is watched beside it and decides nothing.
    """

    model: nn.Module
    vocabulary: int
    train: np.ndarray
    dev: np.ndarray
    heldout: np.ndarray
    batch_size: int
    length: int
    share: float
    crops: bool
    monitor: str = "loss"
    maximise: bool = False
    _there: dict[str, Tensor] = field(default_factory=dict)

    def __post_init__(self) -> None:
        for name, rows in (("dev", self.dev), ("heldout", self.heldout)):
            if rows.ndim != 2 or (len(rows) and rows.shape[1] != self.length + 1):
                raise ValueError(f"{name} has the shape {rows.shape}; expected (N, {self.length + 1})")
        if not self.crops and self.train.shape[1:] != (self.length + 1,):
            raise ValueError(f"train has the shape {self.train.shape}; expected (N, {self.length + 1})")

    @property
    def fingerprint(self) -> str:
        parts = [hashlib.sha256(a.tobytes()).hexdigest() for a in (self.train, self.dev, self.heldout)]
        return checkpoint_key(parts, self.batch_size, self.length, self.share, self.crops)

    def batches(self, generator: np.random.Generator) -> Sequence[np.ndarray]:
        """Shuffled rows; of a text, the places where windows start."""
        if self.crops:
            last = len(self.train) - self.length - 1
            places = generator.integers(0, last + 1, size=max(1, len(self.train) // self.length))
        else:
            places = generator.permutation(len(self.train))
        return [places[i : i + self.batch_size] for i in range(0, len(places), self.batch_size)]

    def collate(self, indices: np.ndarray, device: torch.device) -> Any:
        """Inputs and targets (batch, T); the data lie on the device, so a batch is one indexing."""
        key = str(device)
        if key not in self._there:
            self._there[key] = torch.from_numpy(np.ascontiguousarray(self.train)).to(device)
        data, places = self._there[key], torch.from_numpy(indices).to(device)
        if self.crops:
            rows = data[places[:, None] + torch.arange(self.length + 1, device=device)]
        else:
            rows = relabelled(data[places], self.vocabulary, self.share)
        return rows[:, :-1], rows[:, 1:]

    def loss(self, model: nn.Module, batch: Any) -> tuple[Tensor, Tensor]:
        inputs, targets = batch
        losses = sequence_loss(model(inputs), targets)
        return losses, torch.ones_like(losses)

    def evaluate(self, model: nn.Module, device: torch.device) -> dict[str, float]:
        assert isinstance(model, DecoderTransformer)
        scores = {}
        for prefix, rows in (("", self.dev), ("heldout_", self.heldout)):
            if len(rows):
                right, surprise = next_token_scores(model.log_probs(rows[:, :-1]), rows[:, 1:])
                scores[f"{prefix}loss"], scores[f"{prefix}accuracy"] = (
                    float(surprise.mean()),
                    float(right.mean()),
                )
        return scores

    def parameter_groups(self, learning_rate: float) -> list[dict[str, Any]]:
        """Weight decay for matrices alone: biases, norms and the embedding are scales, not slopes."""
        decayed: list[nn.Parameter] = []
        free: list[nn.Parameter] = []
        for name, parameter in self.model.named_parameters():
            matrix = parameter.ndim == 2 and not name.startswith("embedding")
            (decayed if matrix else free).append(parameter)
        return [
            {"params": decayed, "lr": learning_rate},
            {"params": free, "lr": learning_rate, "weight_decay": 0.0},
        ]
