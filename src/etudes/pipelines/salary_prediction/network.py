"""Three heads side by side, one each for title, description and categories (Kaggle's and YSDA's salary network, after Kim 2014). PyTorch."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
import torch
from torch import Tensor, nn
from torch.nn.utils.rnn import pack_padded_sequence, pad_packed_sequence

from etudes.cards import fingerprint
from etudes.models import register_model
from etudes.networks import NetworkModel
from etudes.pipelines.salary_prediction.advertisements import DESCRIPTION, TITLE
from etudes.pipelines.salary_prediction.features import FloatArray, category_items
from etudes.pipelines.salary_prediction.methods import Answering, mae
from etudes.pipelines.salary_prediction.parameters import NetworkParameters
from etudes.text.tokens import Vocabulary, bucketed_batches, pad, tokenize
from etudes.training.fit import fit
from etudes.training.parameters import RunParameters
from etudes.training.seeds import derive_seed, seed_everything

HEADS = ("title", "description", "categories")
VECTOR_SCALE = 0.3  # of word vectors at the start
BATCH = 128  # advertisements answered together


class ThreeHeads(nn.Module):
    """title (B, S), description (B, T), ids with 0 for padding, and categories (B, C), 0 or 1 -> (B,) standardised log salaries.

    Convolutions see three words; of a title the maximum over words is taken, of a description, which is long, mean and maximum. The
    recurrent reader is a packed bidirectional LSTM in the place of the description's convolution. Each head ends in layer normalisation,
    so that none is louder than the others. Padding changes nothing.
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


@register_model("salary_prediction.network")
class Network(NetworkModel, Answering):
    """`ThreeHeads` with its vocabularies: ``words``, ``items`` (categories), ``mean`` and ``scale`` of the log salaries, ``limits`` of words."""

    network_class = ThreeHeads

    @property
    def margin(self) -> float:
        return float(self.kept["margin"])

    @margin.setter
    def margin(self, value: float) -> None:
        self.kept["margin"] = value

    def encode(self, frame: pd.DataFrame) -> list[tuple[np.ndarray, np.ndarray, np.ndarray]]:
        """Ids of titles and descriptions, and categories (C,), float32, of each row."""
        vocabulary = Vocabulary(self.words)
        place = dict(zip(self.items, range(len(self.items)), strict=True))
        encoded = []
        for _, row in frame.iterrows():
            own = np.zeros(len(self.items), dtype=np.float32)
            own[[place[item] for item in category_items(row) if item in place]] = 1.0
            ids = [
                vocabulary.encode(tokenize(row[f]), n)
                for f, n in zip((TITLE, DESCRIPTION), self.limits, strict=True)
            ]
            encoded.append((ids[0], ids[1], own))
        return encoded

    def predict(self, frame: pd.DataFrame) -> FloatArray:
        return self.mean + self.scale * answers(self.network, self.encode(frame), torch.device("cpu"))


def collate(encoded: Sequence[tuple[np.ndarray, ...]], device: torch.device) -> tuple[Tensor, Tensor, Tensor]:
    """Rows as rectangles: title (B, S), description (B, T), categories (B, C)."""
    titles, descriptions, items = zip(*encoded, strict=True)
    parts = pad(titles)[0], pad(descriptions)[0], np.stack(items)
    found = [torch.from_numpy(part).to(device) for part in parts]
    return found[0], found[1], found[2]


def answers(
    network: nn.Module, encoded: Sequence[tuple[np.ndarray, ...]], device: torch.device
) -> FloatArray:
    """Standardised log salaries (N,)."""
    network = network.to(device).eval()
    order = np.argsort([-len(row[1]) for row in encoded], kind="stable")
    found = np.empty(len(encoded))
    with torch.inference_mode():
        for start in range(0, len(order), BATCH):
            rows = order[start : start + BATCH]
            found[rows] = network(*collate([encoded[k] for k in rows], device)).double().cpu().numpy()
    return found


@dataclass
class SalaryProblem:
    """Huber's loss of standardised log salaries; the best epoch has the smallest error of dev rows in GBP."""

    model: nn.Module
    train: Sequence[tuple[np.ndarray, ...]]
    targets: FloatArray
    dev: Sequence[tuple[np.ndarray, ...]]
    dev_salaries: FloatArray
    mean: float
    scale: float
    batch_size: int
    settings: str  # JSON: what the inputs were made with, for the key of a checkpoint
    monitor: str = "salary_mae"
    maximise: bool = False

    @property
    def fingerprint(self) -> str:
        arrays = [part for row in (*self.train, *self.dev) for part in row]
        return fingerprint(*arrays, self.targets, self.dev_salaries, self.settings)

    def batches(self, generator: np.random.Generator) -> Sequence[np.ndarray]:
        return bucketed_batches(np.array([len(row[1]) for row in self.train]), self.batch_size, generator)

    def collate(self, indices: np.ndarray, device: torch.device) -> Any:
        targets = torch.from_numpy(self.targets[indices].astype(np.float32)).to(device)
        return (*collate([self.train[k] for k in indices], device), targets)

    def loss(self, model: nn.Module, batch: Any) -> tuple[Tensor, Tensor]:
        *inputs, targets = batch
        losses = nn.functional.smooth_l1_loss(model(*inputs), targets, reduction="none", beta=0.5)
        return losses, torch.ones_like(losses)

    def evaluate(self, model: nn.Module, device: torch.device) -> dict[str, float]:
        found = np.exp(self.mean + self.scale * answers(model, self.dev, device))
        return {"salary_mae": mae(self.dev_salaries, found)}

    def parameter_groups(self, learning_rate: float) -> list[dict[str, Any]]:
        return [{"params": list(self.model.parameters()), "lr": learning_rate}]


def learn_network(
    rows: pd.DataFrame,
    heads: Sequence[str],
    recurrent: bool,
    parameters: NetworkParameters,
    run: RunParameters,
) -> tuple[Network, FloatArray, list[dict[str, float]]]:
    """Train on all rows but those that are ``is_dev``, which choose the epoch.

    Returns:
        The model, its answers (R,) to all training rows, of which those to dev rows are held out, and its epochs.
    """
    from etudes.text.encoders import EMBEDDED, word_vectors

    seed_everything(derive_seed(run.seed, "network"))
    is_dev = rows["is_dev"].to_numpy()
    kept, dev = rows[~is_dev], rows[is_dev]
    texts = [tokenize(" ".join(texts)) for texts in zip(kept[TITLE], kept[DESCRIPTION], strict=True)]
    vocabulary = Vocabulary.build(map(sorted, map(set, texts)), parameters.fewest, 10**6)
    counts = pd.Series(
        [item for _, row in kept.iterrows() for item in set(category_items(row))]
    ).value_counts()
    items = sorted(counts.index[counts >= parameters.fewest])
    sizes = parameters.model_dump(include={"embedding", "filters", "hidden", "dropout", "word_dropout"})
    config: Mapping[str, Any] = {
        "words": len(vocabulary),
        "items": len(items),
        "heads": list(heads),
        "recurrent": recurrent,
        **sizes,
    }
    network = ThreeHeads(**config)
    known = vocabulary.words[2:]
    with torch.no_grad():
        table = word_vectors(EMBEDDED, known, parameters.embedding) * VECTOR_SCALE
        network.embedding.weight[2:] = torch.from_numpy(np.asarray(table, dtype=np.float32))
    y = np.log(kept["salary"].to_numpy())
    mean, scale = float(y.mean()), float(max(y.std(), 1e-6))
    model = Network(
        network,
        config,
        words=vocabulary.words,
        items=items,
        mean=mean,
        scale=scale,
        limits=[
            parameters.title_words,
            parameters.recurrent_words if recurrent else parameters.description_words,
        ],
        margin=0.0,
    )
    problem = SalaryProblem(
        network,
        model.encode(kept),
        (y - mean) / scale,
        model.encode(dev),
        dev["salary"].to_numpy(),
        mean,
        scale,
        parameters.fit.batch_size,
        parameters.model_dump_json(),
    )
    epochs = fit(problem, parameters.fit, run)
    return model, model.predict(rows), epochs
