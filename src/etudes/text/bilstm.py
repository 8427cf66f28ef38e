"""A bidirectional LSTM over words (Graves and Schmidhuber 2005), trained from scratch."""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import Any, Self

import numpy as np
import pandas as pd
import torch
from torch import Tensor, nn
from torch.nn.utils.rnn import pack_padded_sequence, pad_packed_sequence

from etudes.benches.classifiers import on_dev
from etudes.models import ModelState
from etudes.networks import load_arrays, network_arrays
from etudes.text.encoders import EMBEDDED, word_vectors
from etudes.text.parameters import BiLSTMParameters
from etudes.text.problem import TextProblem, predict_sequences
from etudes.text.tokens import Vocabulary
from etudes.text.vectors import WordVectors
from etudes.training.fit import fit
from etudes.training.parameters import RunParameters
from etudes.training.seeds import derive_seed, seed_everything

VECTOR_SCALE = 0.3  # standard deviation of word vectors at the start


class BiLSTM(nn.Module):
    """Word vectors, LSTM layers in both directions, a linear layer on the maximum of the states and the mean vector.

    Both are normalised (Ba et al. 2016): means over a hundred words are small, and the linear layer would hardly see
    them beside the states.

    ids (batch, time), lengths (batch,) -> logits (batch, classes). Sequences are packed, so padding changes nothing.
    """

    def __init__(self, words: int, classes: int, parameters: BiLSTMParameters) -> None:
        super().__init__()
        self.word_dropout = parameters.word_dropout
        self.embedding = nn.Embedding(words, parameters.embedding, padding_idx=0)
        self.lstm = nn.LSTM(
            parameters.embedding,
            parameters.hidden,
            num_layers=parameters.layers,
            dropout=parameters.dropout if parameters.layers > 1 else 0.0,
            bidirectional=True,
            batch_first=True,
        )
        self.dropout = nn.Dropout(parameters.dropout)
        self.state_norm = nn.LayerNorm(2 * parameters.hidden)
        self.mean_norm = nn.LayerNorm(parameters.embedding)
        self.output = nn.Linear(2 * parameters.hidden + parameters.embedding, classes)
        nn.init.normal_(self.embedding.weight, std=VECTOR_SCALE)
        with torch.no_grad():
            self.embedding.weight[0] = 0.0

    def forward(self, ids: Tensor, lengths: Tensor) -> Tensor:
        if self.training and self.word_dropout > 0:
            hidden_words = torch.rand(ids.shape, device=ids.device) < self.word_dropout
            ids = torch.where(hidden_words & (ids > 0), 1, ids)
        vectors = self._drop_dimensions(self.embedding(ids))
        packed = pack_padded_sequence(vectors, lengths.cpu(), batch_first=True, enforce_sorted=False)
        states, _ = pad_packed_sequence(self.lstm(packed)[0], batch_first=True, total_length=ids.shape[1])
        real = (ids > 0).unsqueeze(-1)
        highest = states.masked_fill(~real, float("-inf")).amax(1)
        mean = (vectors * real).sum(1) / lengths.to(vectors.device).unsqueeze(-1)
        pooled = torch.cat([self.state_norm(highest), self.mean_norm(mean)], dim=-1)
        return self.output(self.dropout(pooled))

    def _drop_dimensions(self, vectors: Tensor) -> Tensor:
        """Dropout of the same dimensions in all words of a text (Gal and Ghahramani 2016): (batch, time, embedding)."""
        if not self.training or self.dropout.p == 0:
            return vectors
        keep = torch.rand(vectors.shape[0], 1, vectors.shape[2], device=vectors.device) >= self.dropout.p
        return vectors * keep / (1 - self.dropout.p)


class BiLSTMClassifier(ABC):
    """`BiLSTM` with its vocabulary; a study registers a subclass that says what the words of its rows are."""

    registered_name: str

    @staticmethod
    @abstractmethod
    def words_of(frame: pd.DataFrame) -> list[list[str]]:
        """The words of each row."""

    def __init__(self, parameters: BiLSTMParameters, vocabulary: Vocabulary, network: BiLSTM) -> None:
        self.parameters, self.vocabulary, self.network = parameters, vocabulary, network

    @classmethod
    def train(
        cls,
        train_split: pd.DataFrame,
        dev_split: pd.DataFrame,
        split_card: dict[str, Any],
        vectors: WordVectors,
        parameters: BiLSTMParameters,
        run: RunParameters,
    ) -> tuple[Self, dict[str, Any]]:
        """Train with early stopping on dev; returns the classifier and its history.

        ``vectors``: the file of word vectors to start from if ``parameters.vectors`` is ``glove``; words that it lacks
        keep a random vector.
        """
        seed_everything(derive_seed(run.seed, "bilstm"))
        classes = len(split_card["classes"])
        words = cls.words_of(train_split)
        vocabulary = Vocabulary.build(words, parameters.min_count, parameters.max_words)
        network = BiLSTM(len(vocabulary), classes, parameters)
        if parameters.vectors == "glove":
            use_vectors(network, vocabulary, vectors.lookup(vocabulary.ids))
        elif parameters.vectors == "encoder":
            known = vocabulary.words[2:]
            table = word_vectors(EMBEDDED, known, parameters.embedding) * VECTOR_SCALE
            use_vectors(network, vocabulary, dict(zip(known, table, strict=True)))
        model = cls(parameters, vocabulary, network)
        rates = {"embedding.": parameters.vector_learning_rate}
        problem = TextProblem.of(model, train_split, dev_split, classes, parameters, rates)
        epochs = fit(problem, parameters.fit, run)
        return model, {**on_dev(model, dev_split), "epochs": epochs}

    def encode(self, frame: pd.DataFrame) -> list[np.ndarray]:
        length = self.parameters.max_length
        return [self.vocabulary.encode(words, length) for words in self.words_of(frame)]

    def predict_proba(self, frame: pd.DataFrame) -> np.ndarray:
        return predict_sequences(self.network, self.encode(frame), torch.device("cpu"))

    def state(self) -> ModelState:
        config = {
            "parameters": self.parameters.model_dump(mode="json"),
            "words": self.vocabulary.words,
            "classes": self.network.output.out_features,
        }
        return ModelState(config, network_arrays(self.network))

    @classmethod
    def from_state(cls, state: ModelState) -> Self:
        parameters = BiLSTMParameters.model_validate(state.config["parameters"])
        vocabulary = Vocabulary(state.config["words"])
        network = BiLSTM(len(vocabulary), state.config["classes"], parameters)
        load_arrays(network, state.arrays)
        return cls(parameters, vocabulary, network)


def use_vectors(network: BiLSTM, vocabulary: Vocabulary, vectors: dict[str, np.ndarray]) -> None:
    """Put the vectors of known words into the network."""
    size = network.embedding.embedding_dim
    found = {len(vector) for vector in vectors.values()}
    if found and found != {size}:
        raise ValueError(
            f"The word vectors have {found.pop()} dimensions, bilstm.embedding is {size}; set it to that"
        )
    with torch.no_grad():
        for word, vector in vectors.items():
            if word in vocabulary.ids:
                network.embedding.weight[vocabulary.ids[word]] = torch.from_numpy(vector)
