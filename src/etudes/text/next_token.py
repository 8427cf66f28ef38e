"""Next-token prediction as a `Problem` for the shared training loop, on sequences or on one long text."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from etudes.benches.sequences import next_token_scores
from etudes.cards import fingerprint
from etudes.training.checkpoint import checkpoint_key


@dataclass(frozen=True)
class Task:
    """Sequences of tokens below ``vocabulary``.

    ``train`` (N, T + 1) are the sequences; where they are windows of one text, it is their stream (n,), of which every
    epoch cuts n / T windows anew, at random places. ``dev`` and ``heldout`` are (M, T + 1); ``heldout`` may have no rows.
    """

    vocabulary: int
    train: np.ndarray
    dev: np.ndarray
    heldout: np.ndarray

    @property
    def length(self) -> int:
        return self.dev.shape[1] - 1


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


@dataclass
class NextTokens:
    """Learn p(x_t | x_<t) of a task, a ``share`` of its sequences `relabelled` anew in each batch.

    ``model`` gives logits (batch, time, vocabulary), and has ``log_probs`` from arrays to arrays. The best epoch is the
    one with the smallest loss on dev; ``heldout`` is watched beside it and decides nothing.
    """

    model: nn.Module
    task: Task
    batch_size: int
    share: float = 0.0
    monitor: str = "loss"
    maximise: bool = False
    _there: dict[str, Tensor] = field(default_factory=dict)

    @property
    def fingerprint(self) -> str:
        task = self.task
        parts = [fingerprint(rows) for rows in (task.train, task.dev, task.heldout)]
        return checkpoint_key(parts, self.batch_size, task.length, self.share)

    def batches(self, generator: np.random.Generator) -> Sequence[np.ndarray]:
        """Shuffled rows; of a stream, the places where windows start."""
        count, length = len(self.task.train), self.task.length
        if self.task.train.ndim == 1:
            places = generator.integers(0, count - length, size=max(1, count // length))
        else:
            places = generator.permutation(count)
        return [places[i : i + self.batch_size] for i in range(0, len(places), self.batch_size)]

    def collate(self, indices: np.ndarray, device: torch.device) -> Any:
        """Inputs and targets (batch, T); the data lie on the device, so a batch is one indexing."""
        key = str(device)
        if key not in self._there:
            self._there[key] = torch.from_numpy(np.ascontiguousarray(self.task.train)).to(device)
        data, places = self._there[key], torch.from_numpy(indices).to(device)
        if data.ndim == 1:
            places = places[:, None] + torch.arange(self.task.length + 1, device=device)
        rows = relabelled(data[places], self.task.vocabulary, self.share)
        return rows[:, :-1], rows[:, 1:]

    def loss(self, model: nn.Module, batch: Any) -> tuple[Tensor, Tensor]:
        inputs, targets = batch
        losses = sequence_loss(model(inputs), targets)
        return losses, torch.ones_like(losses)

    def evaluate(self, model: Any, device: torch.device) -> dict[str, float]:
        scores: dict[str, float] = {}
        for prefix, rows in (("", self.task.dev), ("heldout_", self.task.heldout)):
            if len(rows):
                right, surprise = next_token_scores(model.log_probs(rows[:, :-1]), rows[:, 1:])
                scores |= {f"{prefix}loss": float(surprise.mean()), f"{prefix}accuracy": float(right.mean())}
        return scores

    def parameter_groups(self, learning_rate: float) -> list[dict[str, Any]]:
        """Weight decay for matrices alone: biases, norms and the embedding are scales, not slopes."""
        decayed: list[nn.Parameter] = []
        free: list[nn.Parameter] = []
        for name, parameter in self.model.named_parameters():
            matrix = parameter.ndim == 2 and not name.startswith("embedding")
            (decayed if matrix else free).append(parameter)
        return [{"params": decayed}, {"params": free, "weight_decay": 0.0}]
