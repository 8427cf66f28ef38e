"""A network of three heads side by side, for a short text, a long text and categories, that answers with a number (after Kim 2014). PyTorch."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.nn.utils.rnn import pack_padded_sequence, pad_packed_sequence

from etudes.benches.regressors import mae
from etudes.cards import fingerprint
from etudes.text.tokens import bucketed_batches, pad, sorted_batches

FloatArray = NDArray[np.float64]
Row = tuple[
    NDArray[np.int64], NDArray[np.int64], NDArray[np.float32]
]  # ids of words (S,) and (T,), categories (C,)
HEADS = ("title", "description", "categories")
VECTOR_SCALE = 0.3  # of word vectors at the start
BATCH = 128  # rows answered together


class ThreeHeads(nn.Module):
    """title (B, S), description (B, T), ids with 0 for padding, and categories (B, C), 0 or 1 -> (B,) standardised answers.

    Convolutions see three words; of a title the maximum over words is taken, of a description, which is long, mean and maximum. The
    recurrent reader is a packed bidirectional LSTM in the place of the description's convolution. Each head ends in layer normalisation,
    so that none is louder than the others. Padding changes nothing.

    Args:
        words, items: sizes of the vocabulary and of the categories.
        heads: which of `HEADS` there are.
        recurrent: how descriptions are read.
        embedding, filters, hidden: dimensions of a word, filters of a text's head, units of the head of categories.
        dropout, word_dropout: shares of features and of words that are hidden in training.
    """

    def __init__(
        self,
        words: int,
        items: int,
        heads: Sequence[str],
        recurrent: bool,
        embedding: int,
        filters: int,
        hidden: int,
        dropout: float,
        word_dropout: float,
    ) -> None:
        super().__init__()
        self.heads, self.recurrent, self.word_dropout = tuple(heads), recurrent, word_dropout
        self.embedding = nn.Embedding(words, embedding, padding_idx=0)
        nn.init.normal_(self.embedding.weight, std=VECTOR_SCALE)
        with torch.no_grad():
            self.embedding.weight[0] = 0.0
        sizes = {"title": filters, "description": 2 * filters + embedding, "categories": hidden}
        if "title" in self.heads:
            self.title = nn.Conv1d(embedding, filters, 3, padding=1)
        if "description" in self.heads and recurrent:
            self.description: nn.Module = nn.LSTM(
                embedding, filters // 2, bidirectional=True, batch_first=True
            )
        elif "description" in self.heads:
            self.description = nn.Conv1d(embedding, filters, 3, padding=1)
        if "categories" in self.heads:
            self.categories = nn.Linear(items, hidden)
        self.norms = nn.ModuleDict({head: nn.LayerNorm(sizes[head]) for head in self.heads})
        self.dropout = nn.Dropout(dropout)
        self.output = nn.Linear(sum(sizes[head] for head in self.heads), 1)

    def forward(self, title: Tensor, description: Tensor, categories: Tensor) -> Tensor:
        read = {
            "title": self.read_title,
            "description": self.read_description,
            "categories": self.read_categories,
        }
        seen = {"title": title, "description": description, "categories": categories}
        parts = [self.norms[head](read[head](seen[head])) for head in self.heads]
        return self.output(self.dropout(torch.cat(parts, dim=-1))).squeeze(-1)

    def vectors(self, ids: Tensor) -> Tensor:
        """Word vectors (B, T, E); in training some words are unknown."""
        if self.training and self.word_dropout > 0:
            hide = (torch.rand(ids.shape, device=ids.device) < self.word_dropout) & (ids > 0)
            ids = torch.where(hide, 1, ids)
        return self.embedding(ids)

    def read_title(self, ids: Tensor) -> Tensor:
        states = torch.relu(self.title(self.vectors(ids).transpose(1, 2)))
        return states.masked_fill((ids == 0).unsqueeze(1), 0.0).amax(dim=2)

    def read_description(self, ids: Tensor) -> Tensor:
        real, vectors = (ids > 0).unsqueeze(-1), self.vectors(ids)
        lengths = real.sum(dim=1).clamp(min=1)
        if self.recurrent:
            packed = pack_padded_sequence(
                vectors, lengths.squeeze(1).cpu(), batch_first=True, enforce_sorted=False
            )
            states, _ = pad_packed_sequence(
                self.description(packed)[0], batch_first=True, total_length=ids.shape[1]
            )
        else:
            states = torch.relu(self.description(vectors.transpose(1, 2))).transpose(1, 2)
        highest = states.masked_fill(~real, float("-inf")).amax(dim=1)
        means = [(part * real).sum(dim=1) / lengths for part in (states, vectors)]
        return torch.cat([highest, *means], dim=-1)

    def read_categories(self, items: Tensor) -> Tensor:
        return torch.relu(self.categories(items))


def collate(rows: Sequence[Row], device: torch.device) -> tuple[Tensor, Tensor, Tensor]:
    """Rows as rectangles: title (B, S), description (B, T), categories (B, C)."""
    titles, descriptions, items = zip(*rows, strict=True)
    title, description, own = (
        torch.from_numpy(part).to(device) for part in (pad(titles)[0], pad(descriptions)[0], np.stack(items))
    )
    return title, description, own


def answers(network: nn.Module, rows: Sequence[Row], device: torch.device) -> FloatArray:
    """What the network says of each row (N,)."""
    network = network.to(device).eval()
    found = np.empty(len(rows))
    with torch.inference_mode():
        for places in sorted_batches(_lengths(rows), BATCH):
            batch = collate([rows[place] for place in places], device)
            found[places] = network(*batch).double().cpu().numpy()
    return found


def _lengths(rows: Sequence[Row]) -> NDArray[np.int64]:
    return np.array([len(description) for _, description, _ in rows])


@dataclass
class LogAmounts:
    """Learn the logarithms of amounts, less ``mean`` and over ``scale``, by Huber's loss; a `etudes.training.fit.Problem`.

    The best epoch has the smallest mean absolute error of dev rows, in the unit of the amounts, which is called ``monitor``.
    ``settings`` is JSON: what the rows were made with, for the key of a checkpoint.
    """

    model: nn.Module
    train: Sequence[Row]
    amounts: FloatArray
    dev: Sequence[Row]
    dev_amounts: FloatArray
    mean: float
    scale: float
    batch_size: int
    settings: str
    monitor: str
    maximise: bool = False

    @property
    def fingerprint(self) -> str:
        arrays = [part for row in (*self.train, *self.dev) for part in row]
        return fingerprint(*arrays, self.amounts, self.dev_amounts, self.settings)

    def batches(self, generator: np.random.Generator) -> Sequence[np.ndarray]:
        return bucketed_batches(_lengths(self.train), self.batch_size, generator)

    def collate(self, indices: np.ndarray, device: torch.device) -> Any:
        targets = (np.log(self.amounts[indices]) - self.mean) / self.scale
        return (
            *collate([self.train[k] for k in indices], device),
            torch.from_numpy(targets.astype(np.float32)).to(device),
        )

    def loss(self, model: nn.Module, batch: Any) -> tuple[Tensor, Tensor]:
        *inputs, targets = batch
        losses = nn.functional.smooth_l1_loss(model(*inputs), targets, reduction="none", beta=0.5)
        return losses, torch.ones_like(losses)

    def evaluate(self, model: nn.Module, device: torch.device) -> dict[str, float]:
        found = np.exp(self.mean + self.scale * answers(model, self.dev, device))
        return {self.monitor: mae(self.dev_amounts, found)}

    def parameter_groups(self, learning_rate: float) -> list[dict[str, Any]]:
        return [{"params": list(self.model.parameters()), "lr": learning_rate}]
