"""Paragraph vectors (Le and Mikolov 2014) of plot and title with the year, in front of a small network."""

from __future__ import annotations

import json
import warnings
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Self

import numpy as np
import pandas as pd
import torch
from torch import Tensor, nn

from etudes.benches.classifiers import on_dev
from etudes.cards import fingerprint
from etudes.models import ModelState, register_model
from etudes.networks import NetworkModel
from etudes.pipelines.genre_classification.parameters import Doc2VecParameters
from etudes.stored import Stored
from etudes.text.problem import dev_metrics
from etudes.text.tokens import tokenize
from etudes.training.fit import fit
from etudes.training.parameters import RunParameters
from etudes.training.problem import ShuffledProblem
from etudes.training.seeds import derive_seed, seed_everything


@register_model("genre_classification.paragraph_vectors")
class ParagraphVectors:
    """gensim's Doc2Vec (distributed bag of words with word vectors), reproducible and stored without a pickle.

    Training uses one thread: with several, gensim's result depends on how they interleave.
    """

    registered_name: str

    def __init__(self, size: int, parameters: Doc2VecParameters, seed: int) -> None:
        self.size, self.parameters, self.seed = size, parameters, seed
        self.model = self._new()

    def _new(self) -> Any:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # gensim's own deprecations at import
            from gensim.models.doc2vec import Doc2Vec
        return Doc2Vec(
            vector_size=self.size,
            window=self.parameters.window,
            negative=self.parameters.negative,
            min_count=1,
            epochs=self.parameters.epochs,
            dm=0,
            dbow_words=1,
            workers=1,
            seed=self.seed,
        )

    def fit(self, documents: Sequence[Sequence[str]], min_count: int) -> np.ndarray:
        """Train on tokenised documents and return their vectors (documents, size), inferred as for new texts."""
        from gensim.models.doc2vec import TaggedDocument

        self.model.min_count = min_count
        tagged = [TaggedDocument(words or ["<empty>"], [index]) for index, words in enumerate(documents)]
        self.model.build_vocab(tagged)
        if not len(self.model.wv):
            raise ValueError(f"Doc2Vec: no word occurs {min_count} times; lower doc2vec.min_count")
        self.model.train(tagged, total_examples=len(tagged), epochs=self.parameters.epochs)
        return self.infer(documents)

    def infer(self, documents: Sequence[Sequence[str]]) -> np.ndarray:
        """Vectors (documents, size); the same document always gets the same vector, in every process.

        This is the loop of gensim's ``infer_vector``, which starts from Python's hash of the words: another number in
        each process, and a new draw each time for an empty document.
        """
        from gensim.models.doc2vec import train_document_dbow

        start = (np.random.default_rng(self.seed).random(self.size) - 0.5) / self.size
        vectors = np.tile(start.astype(np.float32), (len(documents), 1))
        rates = np.linspace(self.model.alpha, self.model.min_alpha, self.parameters.inference_epochs)
        work, lock = np.zeros(self.size, dtype=np.float32), np.ones(1, dtype=np.float32)
        for row, words in enumerate(documents):
            self.model.random.seed(self.seed)
            for rate in rates:
                train_document_dbow(
                    self.model,
                    list(words),
                    [0],
                    rate,
                    work,
                    learn_words=False,
                    learn_hidden=False,
                    doctag_vectors=vectors[row : row + 1],
                    doctags_lockf=lock,
                )
        return vectors

    def state(self) -> ModelState:
        words = self.model.wv.index_to_key
        counts = [int(self.model.wv.get_vecattr(word, "count")) for word in words]
        return ModelState(
            config={
                "size": self.size,
                "parameters": self.parameters.model_dump(mode="json"),
                "seed": self.seed,
                "documents": int(self.model.corpus_count),
            },
            arrays={"words": self.model.wv.vectors, "noise": self.model.syn1neg},
            blobs={"vocabulary": json.dumps([words, counts]).encode()},
        )

    @classmethod
    def from_state(cls, state: ModelState) -> Self:
        parameters = Doc2VecParameters.model_validate(state.config["parameters"])
        vectors = cls(state.config["size"], parameters, state.config["seed"])
        words, counts = json.loads(state.blobs["vocabulary"])
        vectors.model.build_vocab_from_freq(
            dict(zip(words, counts, strict=True)), corpus_count=state.config["documents"]
        )
        # gensim's order of equally frequent words is not the stored one, and inference draws noise words by number.
        stored = vectors.model.wv
        order = [stored.key_to_index[word] for word in words]
        stored.index_to_key = words
        stored.key_to_index = {word: index for index, word in enumerate(words)}
        stored.expandos = {name: values[order] for name, values in stored.expandos.items()}
        stored.vectors, vectors.model.syn1neg = state.arrays["words"], state.arrays["noise"]
        return vectors


@dataclass
class VectorProblem(ShuffledProblem):
    """Classify fixed vectors (N, features) with labels (N,), as a `Problem` for the shared training loop."""

    model: nn.Module
    train: np.ndarray
    train_labels: np.ndarray
    dev: np.ndarray
    dev_labels: np.ndarray
    batch_size: int
    monitor: str = "accuracy"
    maximise: bool = True

    def __post_init__(self) -> None:
        if len(self.train) != len(self.train_labels) or len(self.dev) != len(self.dev_labels):
            raise ValueError(
                f"{len(self.train)} train and {len(self.dev)} dev vectors have {len(self.train_labels)} and "
                f"{len(self.dev_labels)} labels; expected one label each"
            )

    @property
    def fingerprint(self) -> str:
        return fingerprint(self.train, self.train_labels, self.dev, self.dev_labels)

    def collate(self, indices: np.ndarray, device: torch.device) -> Any:
        labels = torch.from_numpy(self.train_labels[indices].astype(np.int64))
        return torch.from_numpy(self.train[indices]).to(device), labels.to(device)

    def loss(self, model: nn.Module, batch: Any) -> tuple[Tensor, Tensor]:
        vectors, labels = batch
        losses = nn.functional.cross_entropy(model(vectors).float(), labels, reduction="none")
        return losses, torch.ones_like(losses)

    def evaluate(self, model: nn.Module, device: torch.device) -> dict[str, float]:
        return dev_metrics(self.dev_labels, predict_vectors(model.to(device), self.dev, device))


def predict_vectors(model: nn.Module, vectors: np.ndarray, device: torch.device) -> np.ndarray:
    """Class probabilities (N, K), float64."""
    with torch.inference_mode():
        return model.eval()(torch.from_numpy(vectors).to(device)).double().softmax(-1).cpu().numpy()


def build_network(features: int, classes: int, hidden: int, dropout: float) -> nn.Sequential:
    """Two hidden layers: (batch, features) -> (batch, classes)."""
    return nn.Sequential(
        nn.Linear(features, hidden),
        nn.ReLU(),
        nn.Dropout(dropout),
        nn.Linear(hidden, hidden),
        nn.ReLU(),
        nn.Dropout(dropout),
        nn.Linear(hidden, classes),
    )


@register_model("genre_classification.vector_network")
class VectorNetwork(NetworkModel):
    """`build_network` as it is stored."""

    network_class = staticmethod(build_network)


@register_model("genre_classification.doc2vec")
@dataclass
class Doc2VecClassifier(Stored):
    """Standardised paragraph vectors of plot and title, year and form, and a network of two hidden layers."""

    plots: ParagraphVectors
    titles: ParagraphVectors
    mean: np.ndarray
    scale: np.ndarray
    network: VectorNetwork

    @classmethod
    def train(
        cls,
        train_split: pd.DataFrame,
        dev_split: pd.DataFrame,
        split_card: dict[str, Any],
        parameters: Doc2VecParameters,
        run: RunParameters,
    ) -> tuple[Self, dict[str, Any]]:
        """Train vectors on train, then the network with early stopping on dev."""
        seed = derive_seed(run.seed, "doc2vec")
        seed_everything(seed)
        plots = ParagraphVectors(parameters.plot_size, parameters, seed % 2**31)
        titles = ParagraphVectors(parameters.title_size, parameters, seed % 2**31 + 1)
        blocks = [
            plots.fit([tokenize(text) for text in train_split["plot"]], parameters.min_count),
            titles.fit([tokenize(text) for text in train_split["title"]], 1),
            _year_and_form(train_split),
        ]
        raw = np.concatenate(blocks, axis=1)
        mean, scale = raw.mean(0), np.maximum(raw.std(0), 1e-6)
        size, classes = raw.shape[1], len(split_card["classes"])
        shape = {
            "features": size,
            "classes": classes,
            "hidden": parameters.hidden,
            "dropout": parameters.dropout,
        }
        network = build_network(**shape)
        model = cls(plots, titles, mean, scale, VectorNetwork(network, shape))
        labels, dev_labels = (frame["label"].to_numpy() for frame in (train_split, dev_split))
        rows, of_dev, batch = (raw - mean) / scale, model.features(dev_split), parameters.fit.batch_size
        epochs = fit(VectorProblem(network, rows, labels, of_dev, dev_labels, batch), parameters.fit, run)
        return model, {**on_dev(model, dev_split), "epochs": epochs}

    def features(self, frame: pd.DataFrame) -> np.ndarray:
        """Standardised inputs of the network, float32 (N, plot_size + title_size + 3)."""
        plots = self.plots.infer([tokenize(text) for text in frame["plot"]])
        titles = self.titles.infer([tokenize(text) for text in frame["title"]])
        raw = np.concatenate([plots, titles, _year_and_form(frame)], axis=1)
        return ((raw - self.mean) / self.scale).astype(np.float32)

    def predict_proba(self, frame: pd.DataFrame) -> np.ndarray:
        return predict_vectors(self.network.network, self.features(frame), torch.device("cpu"))


def _year_and_form(frame: pd.DataFrame) -> np.ndarray:
    """Year in centuries from 2000 (0 where unknown), whether it is known, whether it is a series: (N, 3)."""
    year = frame["year"].astype("Float64")
    known = year.notna().to_numpy(dtype=np.float32)
    centuries = ((year - 2000) / 100).fillna(0.0).to_numpy(dtype=np.float32)
    return np.stack([centuries, known, frame["series"].to_numpy(dtype=np.float32)], axis=1)
