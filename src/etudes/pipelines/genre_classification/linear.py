"""Majority class and TF-IDF with a linear classifier."""

from __future__ import annotations

import json
from typing import Self

import numpy as np
import pandas as pd
from scipy.optimize import minimize_scalar
from scipy.sparse import csr_matrix, hstack
from scipy.special import log_softmax, softmax
from sklearn.feature_extraction.text import CountVectorizer, TfidfVectorizer
from sklearn.linear_model import RidgeClassifier

from etudes.models import ModelState, register_model
from etudes.pipelines.genre_classification.parameters import TfidfParameters


def class_weights(labels: np.ndarray, n_classes: int, balance: float) -> np.ndarray:
    """Weights n_k^-balance of the classes, scaled so that the mean over examples is 1; shape (n_classes,).

    ``balance`` = 0 weighs all examples alike, 1 all classes alike. A class without examples gets 0.
    """
    counts = np.bincount(labels, minlength=n_classes).astype(float)
    weights = np.where(counts > 0, np.maximum(counts, 1.0) ** -balance, 0.0)
    return weights * counts.sum() / (weights * counts).sum()


def rows_of_classes(coefficients: np.ndarray, intercepts: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """One row for each class (K, F) and (K,), from scikit-learn, which of two classes keeps only the second's row."""
    coefficients, intercepts = np.atleast_2d(coefficients), np.atleast_1d(intercepts)
    if len(coefficients) > 1:
        return coefficients, intercepts
    return np.concatenate([-coefficients, coefficients]), np.concatenate([-intercepts, intercepts])


def fit_temperature(scores: np.ndarray, labels: np.ndarray) -> float:
    """The temperature T that minimises the log-loss of softmax(scores / T) on held-out rows (Guo et al. 2017).

    Args:
        scores: (N, K) decision values.
        labels: (N,) class indices.
    """

    def log_loss(log_temperature: float) -> float:
        log_probabilities = log_softmax(scores / np.exp(log_temperature), axis=1)
        return -float(log_probabilities[np.arange(len(labels)), labels].mean())

    return float(np.exp(minimize_scalar(log_loss, bounds=(-5.0, 5.0), method="bounded").x))


@register_model("genre_classification.majority")
class Majority:
    """Answers the class shares of the training rows, whatever the film: the trivial baseline."""

    registered_name: str

    def __init__(self, shares: np.ndarray) -> None:
        self.shares = shares

    @classmethod
    def fit(cls, labels: np.ndarray, n_classes: int) -> Self:
        counts = np.bincount(labels, minlength=n_classes).astype(float)
        return cls(counts / counts.sum())

    def predict_proba(self, frame: pd.DataFrame) -> np.ndarray:
        return np.tile(self.shares, (len(frame), 1))

    def state(self) -> ModelState:
        return ModelState(arrays={"shares": self.shares})

    @classmethod
    def from_state(cls, state: ModelState) -> Self:
        return cls(state.arrays["shares"])


FORM_WORDS = 3


def form_words(frame: pd.DataFrame) -> list[str]:
    """Form and decade of each film as words: ``series 1980s series_1980s``."""
    texts = []
    for year, series in zip(frame["year"], frame["series"], strict=True):
        decade = "undated" if pd.isna(year) else f"{int(year) // 10 * 10}s"
        form = "series" if series else "film"
        texts.append(f"{form} {decade} {form}_{decade}")
    return texts


class TfidfFeatures:
    """Three blocks of features with unit length each: words, characters inside words, form and decade."""

    def __init__(self, parameters: TfidfParameters) -> None:
        self.form_weight = np.float32(parameters.form_weight)
        shared = {
            "sublinear_tf": True,
            "min_df": parameters.min_documents,
            "strip_accents": "unicode",
            "dtype": np.float32,
        }
        self.blocks = {
            "words": TfidfVectorizer(ngram_range=(1, parameters.word_ngrams), stop_words="english", **shared),
            "chars": TfidfVectorizer(analyzer="char_wb", ngram_range=tuple(parameters.char_ngrams), **shared),
            "form": CountVectorizer(analyzer=str.split, dtype=np.float32),
        }

    def _texts(self, frame: pd.DataFrame) -> dict[str, list[str]]:
        text = [f"{title} {plot}" for title, plot in zip(frame["title"], frame["plot"], strict=True)]
        return {"words": text, "chars": text, "form": form_words(frame)}

    def fit_transform(self, frame: pd.DataFrame) -> csr_matrix:
        """Learn the terms of the films and return their features, sparse (N, terms)."""
        texts = self._texts(frame)
        return self._join({name: block.fit_transform(texts[name]) for name, block in self.blocks.items()})

    def transform(self, frame: pd.DataFrame) -> csr_matrix:
        """Features of other films, sparse (N, terms)."""
        texts = self._texts(frame)
        return self._join({name: block.transform(texts[name]) for name, block in self.blocks.items()})

    def _join(self, matrices: dict[str, csr_matrix]) -> csr_matrix:
        matrices["form"] = matrices["form"] * (self.form_weight / np.float32(FORM_WORDS) ** 0.5)
        return hstack(list(matrices.values()), format="csr")


@register_model("genre_classification.tfidf")
class TfidfClassifier:
    """Ridge regression on -1/+1 targets, one for each class, over `TfidfFeatures` (Rifkin and Klautau 2004);
    temperature-scaled softmax of its scores."""

    registered_name: str

    def __init__(
        self, parameters: TfidfParameters, features: TfidfFeatures, weights: np.ndarray, bias: np.ndarray
    ) -> None:
        self.parameters, self.features, self.weights, self.bias = parameters, features, weights, bias
        self.temperature = 1.0

    @classmethod
    def fit(cls, frame: pd.DataFrame, n_classes: int, parameters: TfidfParameters) -> Self:
        """Fit on films with labels; every class needs at least one."""
        features = TfidfFeatures(parameters)
        matrix = features.fit_transform(frame)
        labels = frame["label"].to_numpy()
        balanced = dict(enumerate(class_weights(labels, n_classes, parameters.balance)))
        ridge = RidgeClassifier(alpha=parameters.penalty, class_weight=balanced)
        ridge.fit(matrix, labels)
        weights, bias = rows_of_classes(ridge.coef_, ridge.intercept_)
        return cls(parameters, features, weights.astype(np.float32), bias.astype(np.float32))

    def scores(self, frame: pd.DataFrame) -> np.ndarray:
        """Scores (N, K)."""
        return np.asarray(self.features.transform(frame) @ self.weights.T + self.bias, dtype=np.float64)

    def calibrate(self, frame: pd.DataFrame) -> None:
        """Set the temperature on held-out rows."""
        self.temperature = fit_temperature(self.scores(frame), frame["label"].to_numpy())

    def predict_proba(self, frame: pd.DataFrame) -> np.ndarray:
        return softmax(self.scores(frame) / self.temperature, axis=1)

    def strongest_terms(self, label: int, count: int) -> list[tuple[str, float]]:
        """Terms with the largest weights of one class, words only."""
        names = self.features.blocks["words"].get_feature_names_out()
        order = np.argsort(-self.weights[label, : len(names)])[:count]
        return [(str(names[i]), float(self.weights[label, i])) for i in order]

    def state(self) -> ModelState:
        blocks = self.features.blocks
        return ModelState(
            config={
                "parameters": self.parameters.model_dump(mode="json"),
                "temperature": self.temperature,
            },
            arrays={
                "weights": self.weights,
                "bias": self.bias,
                **{
                    f"idf_{name}": block.idf_
                    for name, block in blocks.items()
                    if isinstance(block, TfidfVectorizer)
                },
            },
            blobs={
                name: json.dumps(block.get_feature_names_out().tolist()).encode()
                for name, block in blocks.items()
            },
        )

    @classmethod
    def from_state(cls, state: ModelState) -> Self:
        parameters = TfidfParameters.model_validate(state.config["parameters"])
        features = TfidfFeatures(parameters)
        for name, block in features.blocks.items():
            terms = json.loads(state.blobs[name])
            if isinstance(block, TfidfVectorizer):
                block.vocabulary_ = {term: index for index, term in enumerate(terms)}
                block.idf_ = state.arrays[f"idf_{name}"]
            else:
                block.fit(terms)  # there is nothing to it but its terms
        model = cls(parameters, features, state.arrays["weights"], state.arrays["bias"])
        model.temperature = state.config["temperature"]
        return model
