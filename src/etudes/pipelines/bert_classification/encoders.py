"""The encoder that learns; a module of its own, because no other method of the study needs torch to be loaded."""

from __future__ import annotations

from typing import Any, ClassVar

import numpy as np
import pandas as pd
from torch import nn

from etudes.benches.classifiers import rows_of
from etudes.examples import Examples
from etudes.models import register_model
from etudes.pipelines.bert_classification.lora import adapt, merged, trained_weights
from etudes.pipelines.bert_classification.parameters import LoraParameters
from etudes.text.classifiers import EncoderClassifier, EncoderNetwork
from etudes.text.encoders import characters_read, load_tokenizer
from etudes.text.parameters import EncoderParameters
from etudes.text.problem import predict_sequences
from etudes.training.fit import resolve_device


@register_model("bert_classification.fine_tuned")
class SentenceEncoder(EncoderClassifier):
    """The encoder with an output layer on its pooled state, all of it fine-tuned."""

    @staticmethod
    def texts_of(frame: pd.DataFrame) -> list[str]:
        return frame["text"].tolist()

    def predict_proba(self, frame: pd.DataFrame | Examples) -> np.ndarray:
        """Probabilities (N, K) of rows with a ``text``."""
        sequences = self.encode(rows_of(frame))
        return predict_sequences(self.answering(), sequences, resolve_device(self.device), batch_size=32)

    def answering(self) -> nn.Module:
        """The network that answers."""
        return self.network

    def characters_read(self, texts: list[str]) -> list[int]:
        """How many characters of each text it reads."""
        return characters_read(load_tokenizer(self.parameters.encoder), texts, self.parameters.max_length)

    @property
    def weights(self) -> tuple[int, int]:
        """How many weights are trained, and how many there are, those of the output layer among either."""
        network = merged(self.network)
        return trained_weights(self.network), sum(value.numel() for value in network.parameters())


@register_model("bert_classification.lora")
class AdaptedEncoder(SentenceEncoder):
    """The same with adapters of low rank; they and the output layer are all that is trained and stored."""

    settings: ClassVar[type[EncoderParameters]] = LoraParameters
    _merged: nn.Module | None = None

    @classmethod
    def build(cls, parameters: Any, classes: int) -> tuple[EncoderNetwork, str]:
        network, fingerprint = super().build(parameters, classes)
        adapt(network.encoder, parameters.rank, parameters.alpha, parameters.targets)
        return network, fingerprint

    def answering(self) -> nn.Module:
        """Adapters are added to the weights at the first answer, when training is over."""
        if self._merged is None:
            self._merged = merged(self.network)
        return self._merged
