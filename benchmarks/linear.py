"""The study's TF-IDF classifier against scikit-learn called by hand."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pandas as pd
from scipy.sparse import hstack
from scipy.special import softmax
from sklearn.feature_extraction.text import CountVectorizer, TfidfVectorizer
from sklearn.linear_model import RidgeClassifier

from benchmarks.sample import load_sample
from benchmarks.table import Row, at_least
from benchmarks.timing import interleaved

REPEATS = 7


def by_hand(train: pd.DataFrame, test: pd.DataFrame, classes: int, parameters: Any) -> np.ndarray:
    """Class probabilities (N, K) of ``test`` after a fit on ``train``: the same features, penalty and weights."""
    shared = {
        "sublinear_tf": True,
        "min_df": parameters.min_documents,
        "strip_accents": "unicode",
        "dtype": np.float32,
    }
    words = TfidfVectorizer(ngram_range=(1, parameters.word_ngrams), stop_words="english", **shared)
    chars = TfidfVectorizer(analyzer="char_wb", ngram_range=parameters.char_ngrams, **shared)
    form = CountVectorizer(analyzer=str.split, dtype=np.float32)

    def features(frame: pd.DataFrame, turn: Callable[[CountVectorizer, list[str]], Any]) -> Any:
        texts = (frame["title"] + " " + frame["plot"]).tolist()
        decades = [
            "undated" if missing else f"{int(year) // 10 * 10}s"
            for year, missing in zip(frame["year"], frame["year"].isna(), strict=True)
        ]
        forms = np.where(frame["series"], "series", "film").tolist()
        form_texts = [f"{f} {d} {f}_{d}" for f, d in zip(forms, decades, strict=True)]
        last = turn(form, form_texts) * np.float32(parameters.form_weight / 3**0.5)
        return hstack([turn(words, texts), turn(chars, texts), last], format="csr")

    matrix = features(train, lambda block, texts: block.fit_transform(texts))
    labels = train["label"].to_numpy()
    weights = np.bincount(labels, minlength=classes).astype(float) ** -parameters.balance
    weights *= len(labels) / weights[labels].sum()
    ridge = RidgeClassifier(alpha=parameters.penalty, class_weight=dict(enumerate(weights)))
    ridge.fit(matrix, labels)
    scores = ridge.decision_function(features(test, lambda block, texts: block.transform(texts)))
    return softmax(np.asarray(scores, dtype=np.float64), axis=1)


def ours(train: pd.DataFrame, test: pd.DataFrame, classes: int, parameters: Any) -> np.ndarray:
    """Class probabilities of the study's classifier, at temperature 1 as by hand."""
    from etudes.pipelines.genre_classification.linear import TfidfClassifier

    return TfidfClassifier.fit(train, classes, parameters).predict_proba(test)


def tfidf_against_scikit_learn() -> list[Row]:
    """Texts per second of fit and prediction together."""
    sample = load_sample()
    arguments = (sample.train, sample.test, sample.classes, sample.parameters.tfidf)
    by_hand(*arguments)
    ours(*arguments)
    best = interleaved({"hand": lambda: by_hand(*arguments), "ours": lambda: ours(*arguments)}, REPEATS)
    texts = len(sample.train) + len(sample.test)
    note = f"tfidf fit and prediction against scikit-learn by hand (best of {REPEATS})"
    return [at_least(note, texts / best["ours"].wall, texts / best["hand"].wall, 0.95, "texts/s")]
