"""Sequences of ids with a label, as a `Problem` for the shared training loop."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Self

import numpy as np
import pandas as pd
import torch
from torch import Tensor, nn

from etudes.evaluation.classification import classification_metrics
from etudes.text.tokens import bucketed_batches, pad, sorted_batches
from etudes.training.checkpoint import checkpoint_key
from etudes.training.classification import class_weights


def dev_metrics(labels: np.ndarray, probabilities: np.ndarray) -> dict[str, float]:
    """What an epoch reports of dev: loss (nats), accuracy, macro-F1."""
    metrics = classification_metrics(labels, probabilities)
    return {"loss": metrics["log_loss"], "accuracy": metrics["accuracy"], "macro_f1": metrics["macro_f1"]}


@dataclass
class TextProblem:
    """Classify token sequences: ``model(ids (batch, time), lengths (batch,)) -> logits (batch, classes)``.

    The best epoch is the one with the best dev accuracy.
    """

    model: nn.Module
    train: list[np.ndarray]
    train_labels: np.ndarray
    dev: list[np.ndarray]
    dev_labels: np.ndarray
    class_weights: np.ndarray
    batch_size: int
    rates: Mapping[str, float] = field(default_factory=dict)
    monitor: str = "accuracy"
    maximise: bool = True
    settings: Any = None  # JSON: what the sequences were made with, for the key of a checkpoint

    @classmethod
    def of(
        cls,
        model: Any,
        train: pd.DataFrame,
        dev: pd.DataFrame,
        classes: int,
        parameters: Any,
        rates: Mapping[str, float],
    ) -> Self:
        """The problem of a classifier with ``network`` and ``encode``, of frames with a column ``label``.

        ``parameters`` have ``balance`` (of the classes) and ``fit``; ``rates`` are learning rates of parts by the start of
        their names.
        """
        labels = train["label"].to_numpy()
        weights, size = class_weights(labels, classes, parameters.balance), parameters.fit.batch_size
        sequences, of_dev = model.encode(train), model.encode(dev)
        settings = parameters.model_dump(mode="json")
        held_out = dev["label"].to_numpy()
        return cls(
            model.network, sequences, labels, of_dev, held_out, weights, size, rates, settings=settings
        )

    def __post_init__(self) -> None:
        if len(self.train) != len(self.train_labels) or len(self.dev) != len(self.dev_labels):
            raise ValueError(
                f"{len(self.train)} train and {len(self.dev)} dev sequences have {len(self.train_labels)} and "
                f"{len(self.dev_labels)} labels; expected one label each"
            )
        self._lengths = np.array([len(sequence) for sequence in self.train])

    @property
    def fingerprint(self) -> str:
        rows = [sequence.tolist() for sequence in (*self.train, *self.dev)]
        return checkpoint_key(
            rows,
            self.train_labels.tolist(),
            self.dev_labels.tolist(),
            self.class_weights.tolist(),
            self.settings,
        )

    def batches(self, generator: np.random.Generator) -> Sequence[np.ndarray]:
        return bucketed_batches(self._lengths, self.batch_size, generator)

    def collate(self, indices: np.ndarray, device: torch.device) -> Any:
        ids, lengths = pad([self.train[i] for i in indices])
        labels = torch.from_numpy(self.train_labels[indices].astype(np.int64))
        weights = torch.from_numpy(self.class_weights[self.train_labels[indices]].astype(np.float32))
        return (
            torch.from_numpy(ids).to(device, non_blocking=True),
            torch.from_numpy(lengths).to(device, non_blocking=True),
            labels.to(device, non_blocking=True),
            weights.to(device, non_blocking=True),
        )

    def loss(self, model: nn.Module, batch: Any) -> tuple[Tensor, Tensor]:
        ids, lengths, labels, weights = batch
        logits = model(ids, lengths)
        return nn.functional.cross_entropy(logits.float(), labels, reduction="none"), weights

    def evaluate(self, model: nn.Module, device: torch.device) -> dict[str, float]:
        probabilities = predict_sequences(model, self.dev, device)
        return dev_metrics(self.dev_labels, probabilities)

    def parameter_groups(self, learning_rate: float) -> list[dict[str, Any]]:
        """All trained weights; parts whose names start as in ``rates`` have a learning rate of their own."""
        groups: dict[str, list[nn.Parameter]] = {}
        for name, parameter in self.model.named_parameters():
            if parameter.requires_grad:
                prefix = next((start for start in self.rates if name.startswith(start)), "")
                groups.setdefault(prefix, []).append(parameter)
        return [
            {"params": parameters, "lr": self.rates.get(prefix, learning_rate)}
            for prefix, parameters in groups.items()
        ]


def predict_sequences(
    model: nn.Module, sequences: Sequence[np.ndarray], device: torch.device, batch_size: int = 64
) -> np.ndarray:
    """Class probabilities (N, K), float64, in the order of ``sequences``."""
    model = model.to(device).eval()
    lengths = np.array([len(sequence) for sequence in sequences])
    result: np.ndarray | None = None
    with torch.inference_mode():
        for indices in sorted_batches(lengths, batch_size):
            ids, sizes = pad([sequences[i] for i in indices])
            logits = model(torch.from_numpy(ids).to(device), torch.from_numpy(sizes).to(device))
            probabilities = logits.double().softmax(-1).cpu().numpy()
            if result is None:
                result = np.empty((len(sequences), probabilities.shape[1]))
            result[indices] = probabilities
    if result is None:
        raise ValueError("no texts to predict; expected at least one")
    return result
