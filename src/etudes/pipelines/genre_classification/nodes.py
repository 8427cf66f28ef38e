"""The stages ingest, preprocess, train and evaluate. Pure functions: what goes in decides what comes out."""

from __future__ import annotations

import hashlib
import time
from typing import Any

import numpy as np
import pandas as pd

from etudes.evaluation import classification_metrics, paired_comparison, per_class_table, with_intervals
from etudes.forms.raw import RawFile
from etudes.pipelines.genre_classification.films import normalised_plot, parse_films
from etudes.pipelines.genre_classification.parameters import (
    BiLSTMParameters,
    CombinationParameters,
    Doc2VecParameters,
    EncoderParameters,
    EncoderProbeParameters,
    EvaluationParameters,
    SpacyParameters,
    SplitParameters,
    TfidfParameters,
)
from etudes.study import selected
from etudes.text.vectors import WordVectors
from etudes.training.parameters import RunParameters

Frame = pd.DataFrame
Trained = tuple[Any, dict[str, Any]]


def ingest(raw_train: RawFile, raw_test: RawFile) -> tuple[Frame, Frame, dict[str, Any]]:
    """Check both files and say where they come from.

    Raises:
        ValueError: unreadable lines, fewer than two genres, a genre with one row, or a genre that only test has.
    """
    train, test = parse_films(raw_train), parse_films(raw_test)
    counts = train["genre"].value_counts()
    if len(counts) < 2:
        raise ValueError(
            f"{raw_train.name}: all rows are of the genre '{counts.index[0]}'; expected at least two genres"
        )
    if counts.min() < 2:
        single = ", ".join(sorted(counts.index[counts < 2]))
        raise ValueError(
            f"{raw_train.name}: one row only of {single}; expected at least two, one to train on and one for dev. "
            "Add rows, or leave the genre out of both files."
        )
    unknown = sorted(set(test["genre"]) - set(counts.index))
    if unknown:
        first = test.index[test["genre"].isin(unknown)][0]
        raise ValueError(
            f"{raw_test.name}: unknown genre {', '.join(unknown)} (first at id {test['id'][first]}); expected only "
            f"genres of the training file: {', '.join(sorted(counts.index))}"
        )
    digest = hashlib.sha256(raw_train.content + b"\0" + raw_test.content).hexdigest()
    card = {
        "source": raw_train.facts.get("source", "own data"),
        "embedded_sample": raw_train.embedded_sample,
        "files": [raw_train.short_name, raw_test.short_name],
        "fingerprint": digest[:32],
        "train_rows": len(train),
        "test_rows": len(test),
        "classes": len(counts),
        **{key: value for key, value in raw_test.facts.items() if key not in ("embedded_sample", "source")},
    }
    return train, test, card


def split(
    train_frame: Frame, test_frame: Frame, parameters: SplitParameters
) -> tuple[Frame, Frame, Frame, dict[str, Any]]:
    """Drop duplicates from train and cut dev from it; test stays as it is.

    A training plot that also stands in test is dropped, and of equal training plots all but the first. Every class
    gives ``dev_fraction`` of its rows, at least one, to dev and keeps at least one.
    """
    plots = train_frame["plot"].map(normalised_plot)
    in_test = plots.isin(set(test_frame["plot"].map(normalised_plot)))
    repeated = plots.duplicated() & ~in_test
    kept = train_frame[~in_test & ~repeated].reset_index(drop=True)
    classes = sorted(train_frame["genre"].unique())
    index = {genre: label for label, genre in enumerate(classes)}
    kept["label"] = kept["genre"].map(index).astype("int64")
    short = [genre for genre in classes if (kept["genre"] == genre).sum() < 2]
    if short:
        raise ValueError(
            f"{', '.join(short)}: fewer than two training rows are left once plots that also stand in test are "
            "dropped; expected at least two of each genre"
        )
    is_dev = stratified_dev(kept["label"].to_numpy(), parameters.dev_fraction, parameters.seed)
    train, dev = kept[~is_dev].reset_index(drop=True), kept[is_dev].reset_index(drop=True)
    test = test_frame.assign(label=test_frame["genre"].map(index).astype("int64"))
    card = {
        "classes": classes,
        "train_rows": len(train),
        "dev_rows": len(dev),
        "test_rows": len(test),
        "dropped_because_in_test": int(in_test.sum()),
        "dropped_because_repeated": int(repeated.sum()),
        "dev_fingerprint": frame_fingerprint(dev),
        "train_shares": (np.bincount(train["label"], minlength=len(classes)) / len(train)).tolist(),
    }
    return train, dev, test, card


def stratified_dev(labels: np.ndarray, fraction: float, seed: int) -> np.ndarray:
    """Which rows go to dev (N,), bool: of each class round(fraction * n), at least one and at most n - 1."""
    generator = np.random.default_rng(seed)
    is_dev = np.zeros(len(labels), dtype=bool)
    for label in np.unique(labels):
        rows = np.flatnonzero(labels == label)
        count = min(max(1, round(fraction * len(rows))), len(rows) - 1)
        is_dev[generator.permutation(rows)[:count]] = True
    return is_dev


def frame_fingerprint(frame: Frame) -> str:
    """Fingerprint of ids, titles, years, genres and plots, in order."""
    text = frame[["id", "title", "year", "genre", "plot"]].to_csv(index=False)
    return hashlib.sha256(text.encode()).hexdigest()[:32]


def _n_classes(card: dict[str, Any]) -> int:
    return len(card["classes"])


def _history(model: Any, dev: Frame, epochs: list[dict[str, float]]) -> dict[str, Any]:
    metrics = classification_metrics(dev["label"].to_numpy(), model.predict_proba(dev))
    return {"dev": metrics, "epochs": epochs}


def train_majority(train_split: Frame, dev_split: Frame, split_card: dict[str, Any]) -> Trained:
    """The trivial baseline."""
    from etudes.pipelines.genre_classification.linear import Majority

    model = Majority.fit(train_split["label"].to_numpy(), _n_classes(split_card))
    return model, _history(model, dev_split, [])


def train_tfidf(
    train_split: Frame,
    dev_split: Frame,
    split_card: dict[str, Any],
    parameters: TfidfParameters,
) -> Trained:
    """TF-IDF of words and characters, linear classifier, temperature from dev."""
    from etudes.pipelines.genre_classification.linear import TfidfClassifier

    model = TfidfClassifier.fit(train_split, _n_classes(split_card), parameters)
    model.calibrate(dev_split)
    return model, _history(model, dev_split, [])


def train_doc2vec(
    train_split: Frame,
    dev_split: Frame,
    split_card: dict[str, Any],
    parameters: Doc2VecParameters,
    run: RunParameters,
) -> Trained:
    """Paragraph vectors and a small network."""
    from etudes.pipelines.genre_classification.doc2vec import Doc2VecClassifier

    model, epochs = Doc2VecClassifier.fit(train_split, dev_split, _n_classes(split_card), parameters, run)
    return model, _history(model, dev_split, epochs)


def train_bilstm(
    train_split: Frame,
    dev_split: Frame,
    split_card: dict[str, Any],
    vectors: WordVectors,
    parameters: BiLSTMParameters,
    run: RunParameters,
) -> Trained:
    """Bidirectional LSTM, with pretrained word vectors if the parameters ask for them."""
    from etudes.pipelines.genre_classification.bilstm import BiLSTMClassifier

    model, epochs = BiLSTMClassifier.fit(
        train_split, dev_split, _n_classes(split_card), parameters, run, vectors
    )
    return model, _history(model, dev_split, epochs)


def train_spacy(
    train_split: Frame,
    dev_split: Frame,
    split_card: dict[str, Any],
    parameters: SpacyParameters,
    run: RunParameters,
) -> Trained:
    """spaCy's text categoriser."""
    from etudes.pipelines.genre_classification.spacy_textcat import SpacyClassifier

    model, epochs = SpacyClassifier.fit(train_split, dev_split, _n_classes(split_card), parameters, run)
    return model, _history(model, dev_split, epochs)


def train_encoder_probe(
    train_split: Frame,
    dev_split: Frame,
    split_card: dict[str, Any],
    parameters: EncoderProbeParameters,
    run: RunParameters,
) -> Trained:
    """Logistic regression on a frozen sentence encoder."""
    from etudes.pipelines.genre_classification.encoder import EncoderProbe

    model = EncoderProbe.fit(train_split, dev_split, _n_classes(split_card), parameters, run)
    return model, _history(model, dev_split, [])


def train_encoder(
    train_split: Frame,
    dev_split: Frame,
    split_card: dict[str, Any],
    parameters: EncoderParameters,
    run: RunParameters,
) -> Trained:
    """The sentence encoder, fine-tuned."""
    from etudes.pipelines.genre_classification.encoder import EncoderClassifier

    model, epochs = EncoderClassifier.fit(train_split, dev_split, _n_classes(split_card), parameters, run)
    return model, _history(model, dev_split, epochs)


def combine(
    dev_split: Frame,
    split_card: dict[str, Any],
    parameters: CombinationParameters,
    run: RunParameters,
    **models: Any,
) -> Trained:
    """Weigh the trained members on dev; the dev score is cross-fitted, so that it compares with the others'."""
    from etudes.pipelines.genre_classification.combination import Combination

    members: dict[str, Any] = {n: m for n, m in selected(models).items() if n in parameters.members}
    prior = np.array(split_card["train_shares"])
    model, dev = Combination.fit(members, dev_split, prior, parameters.prior_shift, run.seed)
    return model, {
        "dev": dev,
        "epochs": [],
        "weights": dict(zip(model.members, model.weights.tolist(), strict=True)),
    }


def evaluate(
    test_split: Frame, split_card: dict[str, Any], parameters: EvaluationParameters, **models: Any
) -> tuple[dict[str, float], Frame, Frame, dict[str, Any], dict[str, Any]]:
    """Score every trained variant on test, which no other stage sees.

    Returns:
        metrics (flat, with bootstrap intervals), predictions (one row per variant and film, with the probability of
        every class), the per-class table, the paired comparison of the two best variants, and inference costs.
    """
    labels, classes = test_split["label"].to_numpy(), split_card["classes"]
    metrics: dict[str, float] = {}
    probabilities: dict[str, np.ndarray] = {}
    costs: dict[str, Any] = {}
    for name, model in selected(models).items():
        start = time.perf_counter()
        # The combination's members answered already; their time is part of its cost all the same.
        members = list(getattr(model, "members", ()))
        known = {member: probabilities[member] for member in members if member in probabilities}
        probabilities[name] = model.predict_proba(test_split, **({"known": known} if known else {}))
        seconds = time.perf_counter() - start + sum(costs[member]["inference_seconds"] for member in known)
        costs[name] = {
            "inference_seconds": round(seconds, 4),
            "texts_per_second": round(len(labels) / seconds, 1),
        }
        metrics |= with_intervals(
            name, labels, probabilities[name], n_resamples=parameters.resamples, bins=parameters.bins
        )
    tables = [per_class_table(labels, p, classes).assign(variant=name) for name, p in probabilities.items()]
    per_class = pd.concat(tables, ignore_index=True)
    predictions = pd.concat([_predictions(test_split, name, p, classes) for name, p in probabilities.items()])
    return (
        metrics,
        predictions.reset_index(drop=True),
        per_class,
        _compare_best(metrics, labels, probabilities),
        costs,
    )


def _predictions(test: Frame, variant: str, probabilities: np.ndarray, classes: list[str]) -> Frame:
    columns = {f"p_{genre}": probabilities[:, k].astype(np.float32) for k, genre in enumerate(classes)}
    return pd.DataFrame(
        {
            "variant": variant,
            "id": test["id"],
            "truth": test["genre"],
            "predicted": [classes[k] for k in probabilities.argmax(1)],
            "confidence": probabilities.max(1),
            **columns,
        }
    )


def _compare_best(
    metrics: dict[str, float], labels: np.ndarray, probabilities: dict[str, np.ndarray]
) -> dict[str, Any]:
    """Paired comparison of the two variants with the best accuracy; empty when there is only one."""
    ranked = sorted(probabilities, key=lambda name: -metrics[f"{name}.accuracy"])[:2]
    if len(ranked) < 2:
        return {}
    first, second = ranked
    return {
        "first": first,
        "second": second,
        **paired_comparison(labels, probabilities[first], probabilities[second]),
    }
