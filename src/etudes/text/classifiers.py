"""A pretrained sentence encoder: frozen with a linear classifier on top, and fine-tuned."""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import dataclass
from typing import Any, ClassVar, Self

import numpy as np
import pandas as pd
import torch
from scipy.special import softmax
from torch import Tensor, nn

from etudes.benches.classifiers import on_dev
from etudes.models import ModelState
from etudes.stored import Stored
from etudes.text.encoders import (
    EncoderError,
    embed,
    load_encoder,
    load_tokenizer,
    pool,
    tokenize_batch,
    upper_layers,
    weights_fingerprint,
)
from etudes.text.parameters import EncoderParameters, EncoderProbeParameters
from etudes.text.problem import TextProblem, predict_sequences
from etudes.training.classification import class_weights, fit_temperature, rows_of_classes
from etudes.training.fit import fit, resolve_device
from etudes.training.parameters import RunParameters
from etudes.training.seeds import derive_seed, seed_everything


class Texts(ABC):
    """A classifier of texts; a study registers a subclass that says what the text of a row is."""

    registered_name: str

    @staticmethod
    @abstractmethod
    def texts_of(frame: pd.DataFrame) -> list[str]:
        """The text of each row."""


@dataclass
class EncoderProbe(Texts, Stored):
    """Logistic regression on mean-pooled hidden states of several layers of a frozen encoder.

    The encoder is stored by name and fingerprint, not by weights.
    """

    parameters: EncoderProbeParameters
    fingerprint: str
    arrays: dict[str, np.ndarray]
    temperature: float = 1.0

    def __post_init__(self) -> None:
        self._encoder: nn.Module | None = None

    @classmethod
    def train(
        cls,
        train_split: pd.DataFrame,
        dev_split: pd.DataFrame,
        split_card: dict[str, Any],
        parameters: EncoderProbeParameters,
        run: RunParameters,
    ) -> tuple[Self, dict[str, Any]]:
        """Embed train, fit the linear classifier on it, set the temperature on dev."""
        # Half a second that an answer to a user need not cost.
        from sklearn.linear_model import LogisticRegression

        classes = len(split_card["classes"])
        encoder = load_encoder(parameters.encoder)
        probe = cls(parameters, weights_fingerprint(encoder), {})
        probe._encoder = encoder
        vectors = probe.embed(train_split, run.device).astype(np.float64)
        labels = train_split["label"].to_numpy()
        mean, scale = vectors.mean(0), np.maximum(vectors.std(0), 1e-6) * np.sqrt(vectors.shape[1] / 9.0)
        weights = class_weights(labels, classes, parameters.balance)
        regression = LogisticRegression(
            C=parameters.regularisation, class_weight=dict(enumerate(weights)), max_iter=1000
        )
        regression.fit((vectors - mean) / scale, labels)
        coefficients, bias = np.zeros((classes, vectors.shape[1])), np.full(classes, -20.0)
        coefficients[regression.classes_], bias[regression.classes_] = rows_of_classes(
            regression.coef_, regression.intercept_
        )
        probe.arrays = {"mean": mean, "scale": scale, "weights": coefficients, "bias": bias}
        probe.temperature = fit_temperature(
            probe.scores(dev_split, run.device), dev_split["label"].to_numpy()
        )
        return probe, on_dev(probe, dev_split)

    def embed(self, frame: pd.DataFrame, device: str = "auto") -> np.ndarray:
        """Pooled hidden states (N, layers * width), float32."""
        if self._encoder is None:
            encoder = load_encoder(self.parameters.encoder)
            found = weights_fingerprint(encoder)
            if found != self.fingerprint:
                raise EncoderError(
                    f"The encoder '{self.parameters.encoder}' has other weights ({found}) than the one this model was "
                    f"trained with ({self.fingerprint}); install that version or train again"
                )
            self._encoder = encoder
        sequences = tokenize_batch(
            load_tokenizer(self.parameters.encoder), self.texts_of(frame), self.parameters.max_length
        )
        return embed(self._encoder, sequences, resolve_device(device), self.parameters.layers)

    def scores(self, frame: pd.DataFrame, device: str = "auto") -> np.ndarray:
        """Logits before the temperature (N, K)."""
        vectors = (self.embed(frame, device) - self.arrays["mean"]) / self.arrays["scale"]
        return vectors @ self.arrays["weights"].T + self.arrays["bias"]

    def predict_proba(self, frame: pd.DataFrame) -> np.ndarray:
        return softmax(self.scores(frame) / self.temperature, axis=1)


class EncoderNetwork(nn.Module):
    """Encoder, one state for a text (`pool`), dropout, linear layer: ids (batch, time), lengths (batch,) -> logits."""

    def __init__(self, encoder: nn.Module, classes: int, dropout: float, pooling: str = "mean") -> None:
        super().__init__()
        self.encoder, self.pooling = encoder, pooling
        for parameter in getattr(encoder, "pooler", nn.Identity()).parameters():
            parameter.requires_grad = False  # the pooled state takes its place
        self.dropout = nn.Dropout(dropout)
        self.output = nn.Linear(encoder.config.hidden_size, classes)  # type: ignore[union-attr, arg-type]

    def forward(self, ids: Tensor, lengths: Tensor) -> Tensor:
        mask = torch.arange(ids.shape[1], device=ids.device)[None, :] < lengths[:, None]
        hidden = self.encoder(input_ids=ids, attention_mask=mask).last_hidden_state
        return self.output(self.dropout(pool(hidden, mask, self.pooling)))


class EncoderClassifier(Texts):
    """`EncoderNetwork`, fine-tuned. Only the trained weights are stored; the rest comes from the encoder's name."""

    settings: ClassVar[type[EncoderParameters]] = EncoderParameters

    def __init__(self, parameters: EncoderParameters, fingerprint: str, network: EncoderNetwork) -> None:
        self.parameters, self.fingerprint, self.network = parameters, fingerprint, network
        self.device = "auto"

    @classmethod
    def train(
        cls,
        train_split: pd.DataFrame,
        dev_split: pd.DataFrame,
        split_card: dict[str, Any],
        parameters: EncoderParameters,
        run: RunParameters,
    ) -> tuple[Self, dict[str, Any]]:
        """Fine-tune the upper layers and the output layer with early stopping on dev."""
        seed_everything(derive_seed(run.seed, "encoder"))
        classes = len(split_card["classes"])
        network, fingerprint = cls.build(parameters, classes)
        model = cls(parameters, fingerprint, network)
        rates = {"output.": parameters.head_learning_rate}
        problem = TextProblem.of(model, train_split, dev_split, classes, parameters, rates)
        epochs = fit(problem, parameters.fit, run)
        return model, {**on_dev(model, dev_split), "epochs": epochs}

    def encode(self, frame: pd.DataFrame) -> list[np.ndarray]:
        tokenizer = load_tokenizer(self.parameters.encoder)
        return tokenize_batch(tokenizer, self.texts_of(frame), self.parameters.max_length)

    def predict_proba(self, frame: pd.DataFrame) -> np.ndarray:
        return predict_sequences(self.network, self.encode(frame), resolve_device(self.device), batch_size=32)

    def state(self) -> ModelState:
        trained = {name for name, parameter in self.network.named_parameters() if parameter.requires_grad}
        weights = self.network.state_dict()
        config = {
            "parameters": self.parameters.model_dump(mode="json"),
            "fingerprint": self.fingerprint,
            "classes": self.network.output.out_features,
        }
        return ModelState(config, {name: weights[name].detach().cpu().numpy() for name in sorted(trained)})

    @classmethod
    def from_state(cls, state: ModelState) -> Self:
        parameters = cls.settings.model_validate(state.config["parameters"])
        network, fingerprint = cls.build(parameters, state.config["classes"])
        if fingerprint != state.config["fingerprint"]:
            raise EncoderError(
                f"The encoder '{parameters.encoder}' has other weights ({fingerprint}) than the one this model was "
                f"fine-tuned from ({state.config['fingerprint']}); install that version or train again"
            )
        weights: dict[str, Any] = {name: torch.from_numpy(value) for name, value in state.arrays.items()}
        missing, unexpected = network.load_state_dict(weights, strict=False)
        trained = {name for name, parameter in network.named_parameters() if parameter.requires_grad}
        if unexpected or trained & set(missing):
            raise EncoderError(
                f"weights do not fit the encoder: unexpected {unexpected}, missing {trained & set(missing)}"
            )
        return cls(parameters, fingerprint, network.eval())

    @classmethod
    def build(cls, parameters: Any, classes: int) -> tuple[EncoderNetwork, str]:
        """The network before training, what is trained of it marked, and the fingerprint of its encoder."""
        encoder = load_encoder(parameters.encoder)
        fingerprint = weights_fingerprint(encoder)
        upper_layers(encoder, parameters.trainable_layers)
        return EncoderNetwork(encoder, classes, parameters.dropout, parameters.pooling), fingerprint
