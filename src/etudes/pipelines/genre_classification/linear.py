"""TF-IDF with a linear classifier."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import Any, Self

import numpy as np
import pandas as pd
from scipy.sparse import csr_matrix, hstack
from scipy.special import softmax
from sklearn.feature_extraction.text import CountVectorizer, TfidfVectorizer

from etudes.benches.classifiers import on_dev
from etudes.benches.parameters import ScoringParameters
from etudes.evaluation import paired_comparison, with_intervals
from etudes.models import ModelState, register_model
from etudes.pipelines.genre_classification.parameters import TfidfParameters
from etudes.stored import Stored
from etudes.training.classification import class_weights, fit_temperature, rows_of_classes

FORM_WORDS = 3
SCORES = ("accuracy", "macro_f1")


def form_words(frame: pd.DataFrame) -> list[str]:
    """Form and decade of each film as words: ``series 1980s series_1980s``."""
    texts = []
    for year, series in zip(frame["year"], frame["series"], strict=True):
        decade = "undated" if pd.isna(year) else f"{int(year) // 10 * 10}s"
        form = "series" if series else "film"
        texts.append(f"{form} {decade} {form}_{decade}")
    return texts


@register_model("genre_classification.tfidf_features")
class TfidfFeatures:
    """Three blocks of features with unit length each: words, characters inside words, form and decade."""

    registered_name: str

    def __init__(self, parameters: TfidfParameters) -> None:
        self.parameters = parameters
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

    def fit_transform(self, frame: pd.DataFrame) -> csr_matrix:
        """Learn the terms of the films and return their features, sparse (N, terms)."""
        return self._features(frame, "fit_transform")

    def transform(self, frame: pd.DataFrame) -> csr_matrix:
        """Features of other films, sparse (N, terms)."""
        return self._features(frame, "transform")

    def _features(self, frame: pd.DataFrame, how: str) -> csr_matrix:
        text = [f"{title} {plot}" for title, plot in zip(frame["title"], frame["plot"], strict=True)]
        texts = {"words": text, "chars": text, "form": form_words(frame)}
        matrices = {name: getattr(block, how)(texts[name]) for name, block in self.blocks.items()}
        matrices["form"] = matrices["form"] * (self.form_weight / np.float32(FORM_WORDS) ** 0.5)
        return hstack(list(matrices.values()), format="csr")

    def state(self) -> ModelState:
        terms = {name: block.get_feature_names_out().tolist() for name, block in self.blocks.items()}
        return ModelState(
            {"parameters": self.parameters.model_dump(mode="json")},
            {f"idf_{name}": self.blocks[name].idf_ for name in ("words", "chars")},
            {name: json.dumps(found).encode() for name, found in terms.items()},
        )

    @classmethod
    def from_state(cls, state: ModelState) -> Self:
        features = cls(TfidfParameters.model_validate(state.config["parameters"]))
        for name, block in features.blocks.items():
            terms = json.loads(state.blobs[name])
            if isinstance(block, TfidfVectorizer):
                block.vocabulary_ = {term: index for index, term in enumerate(terms)}
                block.idf_ = state.arrays[f"idf_{name}"]
            else:
                block.fit(terms)  # there is nothing to it but its terms
        return features


@register_model("genre_classification.tfidf")
@dataclass
class TfidfClassifier(Stored):
    """Ridge regression on -1/+1 targets, one for each class, over `TfidfFeatures` (Rifkin and Klautau 2004);
    temperature-scaled softmax of its scores."""

    features: TfidfFeatures
    weights: np.ndarray
    bias: np.ndarray
    temperature: float = 1.0

    @classmethod
    def fit(cls, frame: pd.DataFrame, classes: int, parameters: TfidfParameters) -> Self:
        """On labelled films, at temperature 1."""
        # Half a second that an answer to a user need not cost.
        from sklearn.linear_model import RidgeClassifier

        features = TfidfFeatures(parameters)
        matrix, labels = features.fit_transform(frame), frame["label"].to_numpy()
        balanced = dict(enumerate(class_weights(labels, classes, parameters.balance)))
        ridge = RidgeClassifier(alpha=parameters.penalty, class_weight=balanced).fit(matrix, labels)
        weights, bias = rows_of_classes(ridge.coef_, ridge.intercept_)
        return cls(features, weights.astype(np.float32), bias.astype(np.float32))

    def scores(self, frame: pd.DataFrame) -> np.ndarray:
        """Scores (N, K)."""
        return np.asarray(self.features.transform(frame) @ self.weights.T + self.bias, dtype=np.float64)

    def predict_proba(self, frame: pd.DataFrame) -> np.ndarray:
        return softmax(self.scores(frame) / self.temperature, axis=1)

    def strongest_terms(self, label: int, count: int) -> list[tuple[str, float]]:
        """Terms with the largest weights of one class, words only."""
        names = self.features.blocks["words"].get_feature_names_out()
        order = np.argsort(-self.weights[label, : len(names)])[:count]
        return [(str(names[i]), float(self.weights[label, i])) for i in order]


def train_tfidf(
    train_split: pd.DataFrame,
    dev_split: pd.DataFrame,
    split_card: dict[str, Any],
    parameters: TfidfParameters,
) -> tuple[TfidfClassifier, dict[str, Any]]:
    """Fit on films with labels, every class at least one; temperature from dev."""
    model = TfidfClassifier.fit(train_split, len(split_card["classes"]), parameters)
    model.temperature = fit_temperature(model.scores(dev_split), dev_split["label"].to_numpy())
    return model, on_dev(model, dev_split)


def compare_weights(
    train_split: pd.DataFrame,
    test_split: pd.DataFrame,
    split_card: dict[str, Any],
    models: dict[str, Any],
    evaluation: ScoringParameters,
) -> pd.DataFrame:
    """What class weights n^-strength give and cost: ``tfidf`` beside itself without any and with every class alike.

    Scored on test because nothing is chosen from it: ``tfidf.balance`` was chosen inside train.

    Returns:
        A row for each strength, 0, that of ``tfidf`` and 1: ``accuracy`` and ``macro_f1``, and what each is above that
        without weights, with ``.low`` and ``.high`` (paired bootstrap for the differences). Empty where ``tfidf`` was left
        out.
    """
    names = [*SCORES, *(f"{score}_difference" for score in SCORES)]
    columns = ["strength", *(f"{name}{end}" for name in names for end in ("", ".low", ".high"))]
    if "tfidf" not in models:
        return pd.DataFrame(columns=columns)
    labels, count, own = test_split["label"].to_numpy(), evaluation.resamples, models["tfidf"]
    rows, without = [], None
    for strength in sorted({0.0, own.features.parameters.balance, 1.0}):
        fitted = own
        if strength != own.features.parameters.balance:
            settings = own.features.parameters.model_copy(update={"balance": strength})
            fitted = TfidfClassifier.fit(train_split, len(split_card["classes"]), settings)
        found = fitted.predict_proba(test_split)
        without = found if without is None else without
        scores = with_intervals("tfidf", labels, found, n_resamples=count)
        compared = paired_comparison(labels, found, without, n_resamples=count)
        rows.append(
            {"strength": strength, **{k.removeprefix("tfidf."): v for k, v in scores.items()}, **compared}
        )
    return pd.DataFrame(rows, columns=columns)
