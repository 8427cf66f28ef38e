"""Majority class and TF-IDF with a linear classifier."""

from __future__ import annotations

import json
from typing import Self

import numpy as np
import pandas as pd
from scipy.optimize import minimize_scalar
from scipy.sparse import csr_matrix, hstack
from scipy.special import log_softmax, softmax
from sklearn.feature_extraction.text import TfidfVectorizer
from sklearn.svm import LinearSVC

from etudes.models import ModelState, register_model
from etudes.pipelines.genre_classification.films import film_texts
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


class TfidfFeatures:
    """Two blocks of TF-IDF features with unit length each: words, and characters inside words."""

    def __init__(self, parameters: TfidfParameters) -> None:
        self.char_weight = parameters.char_weight
        shared = {
            "sublinear_tf": True,
            "min_df": parameters.min_documents,
            "strip_accents": "unicode",
            "dtype": np.float32,
        }
        self.words = TfidfVectorizer(ngram_range=(1, parameters.word_ngrams), **shared)
        self.chars = TfidfVectorizer(analyzer="char_wb", ngram_range=tuple(parameters.char_ngrams), **shared)

    def fit_transform(self, texts: list[str]) -> csr_matrix:
        return self._join(self.words.fit_transform(texts), self.chars.fit_transform(texts))

    def transform(self, texts: list[str]) -> csr_matrix:
        return self._join(self.words.transform(texts), self.chars.transform(texts))

    def _join(self, words: csr_matrix, chars: csr_matrix) -> csr_matrix:
        return hstack([words, chars * np.float32(self.char_weight)], format="csr")

    def names(self) -> list[str]:
        """Names of the columns; character n-grams are shown between bars."""
        words = list(self.words.get_feature_names_out())
        return words + [f"|{gram}|" for gram in self.chars.get_feature_names_out()]


@register_model("genre_classification.tfidf")
class TfidfClassifier:
    """One linear support vector machine for each class over `TfidfFeatures`; temperature-scaled softmax of margins."""

    registered_name: str

    def __init__(
        self, parameters: TfidfParameters, features: TfidfFeatures, weights: np.ndarray, bias: np.ndarray
    ) -> None:
        self.parameters, self.features, self.weights, self.bias = parameters, features, weights, bias
        self.temperature = 1.0

    @classmethod
    def fit(cls, frame: pd.DataFrame, n_classes: int, parameters: TfidfParameters, seed: int) -> Self:
        """Fit on the rows of ``frame``; classes without a row keep a score of minus infinity's stand-in, -1 margin."""
        features = TfidfFeatures(parameters)
        matrix = features.fit_transform(film_texts(frame))
        labels = frame["label"].to_numpy()
        weights = class_weights(labels, n_classes, parameters.balance)
        svm = LinearSVC(
            C=parameters.regularisation,
            class_weight=dict(enumerate(weights)),
            random_state=seed,
            max_iter=5000,
        )
        svm.fit(matrix, labels)
        coefficients = np.zeros((n_classes, matrix.shape[1]), dtype=np.float32)
        bias = np.full(n_classes, -1.0, dtype=np.float32)
        coefficients[svm.classes_], bias[svm.classes_] = rows_of_classes(svm.coef_, svm.intercept_)
        return cls(parameters, features, coefficients, bias)

    def scores(self, frame: pd.DataFrame) -> np.ndarray:
        """Margins (N, K)."""
        return np.asarray(
            self.features.transform(film_texts(frame)) @ self.weights.T + self.bias, dtype=np.float64
        )

    def calibrate(self, frame: pd.DataFrame) -> None:
        """Set the temperature on held-out rows."""
        self.temperature = fit_temperature(self.scores(frame), frame["label"].to_numpy())

    def predict_proba(self, frame: pd.DataFrame) -> np.ndarray:
        return softmax(self.scores(frame) / self.temperature, axis=1)

    def strongest_terms(self, label: int, count: int) -> list[tuple[str, float]]:
        """Terms with the largest weights of one class, words only."""
        n_words = len(self.features.words.vocabulary_)
        names = self.features.words.get_feature_names_out()
        order = np.argsort(-self.weights[label, :n_words])[:count]
        return [(str(names[i]), float(self.weights[label, i])) for i in order]

    def state(self) -> ModelState:
        blocks = {"words": self.features.words, "chars": self.features.chars}
        return ModelState(
            config={"parameters": self.parameters.model_dump(mode="json"), "temperature": self.temperature},
            arrays={
                "weights": self.weights,
                "bias": self.bias,
                **{f"idf_{k}": v.idf_ for k, v in blocks.items()},
            },
            blobs={k: json.dumps(v.get_feature_names_out().tolist()).encode() for k, v in blocks.items()},
        )

    @classmethod
    def from_state(cls, state: ModelState) -> Self:
        parameters = TfidfParameters.model_validate(state.config["parameters"])
        features = TfidfFeatures(parameters)
        for name, vectorizer in (("words", features.words), ("chars", features.chars)):
            vectorizer.vocabulary_ = {term: index for index, term in enumerate(json.loads(state.blobs[name]))}
            vectorizer.idf_ = state.arrays[f"idf_{name}"]
        model = cls(parameters, features, state.arrays["weights"], state.arrays["bias"])
        model.temperature = state.config["temperature"]
        return model
