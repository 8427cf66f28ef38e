"""The stages ingest, preprocess, train and evaluate. Pure functions: what goes in decides what comes out."""

from __future__ import annotations

import hashlib
from typing import Any

import numpy as np
import pandas as pd

from etudes.forms.raw import RawFile
from etudes.evaluation import classification_metrics, with_intervals
from etudes.pipelines.{{ cookiecutter.pipeline_name }}.methods import (
    MostFrequent,
    NearestCentroid,
)
from etudes.pipelines.{{ cookiecutter.pipeline_name }}.parameters import (
    CentroidParameters,
    EvaluationParameters,
    SplitParameters,
)
from etudes.pipelines.{{ cookiecutter.pipeline_name }}.table import (
    LABEL,
    measurements_of,
    parse_table,
)
from etudes.study import selected

Frame = pd.DataFrame
Trained = tuple[Any, dict[str, Any]]
FEWEST_ROWS = 3  # of a class: one for each of train, dev and test


def ingest(raw_file: RawFile) -> tuple[Frame, dict[str, Any]]:
    """Check the table and say where it comes from.

    Raises:
        ValueError: rows that cannot be read, or a single class.
    """
    frame = parse_table(raw_file)
    classes = sorted(frame[LABEL].unique())
    if len(classes) < 2:
        raise ValueError(
            f"{raw_file.name}: all rows have the label '{classes[0]}'; expected two or more classes"
        )
    card = {
        "source": raw_file.facts.get("source", "own data"),
        "embedded_sample": raw_file.embedded_sample,
        "files": [raw_file.short_name],
        "fingerprint": hashlib.sha256(raw_file.content).hexdigest()[:32],
        "rows": len(frame),
        "classes": len(classes),
        "measurements": len(measurements_of(frame)),
    }
    return frame, card


def split(checked_frame: Frame, parameters: SplitParameters) -> tuple[Frame, Frame, Frame, dict[str, Any]]:
    """Cut the table into train, dev and test, each with the same share of every class.

    Rows that are equal in measurements and label are kept once, so that none is trained on and tested on. ``target`` is
    the class as a number, the place of its name among the sorted ``classes`` of the card.

    Raises:
        ValueError: a class with fewer than three different rows.
    """
    measurements = measurements_of(checked_frame)
    frame = checked_frame.drop_duplicates(subset=[*measurements, LABEL]).reset_index(drop=True)
    counts = frame[LABEL].value_counts()
    if counts.min() < FEWEST_ROWS:
        raise ValueError(
            f"The class '{counts.idxmin()}' has {counts.min()} different rows; expected at least {FEWEST_ROWS}, one for "
            "each of train, dev and test. Add rows, or leave the class out."
        )
    classes = sorted(counts.index)
    frame = frame.assign(target=frame[LABEL].map({name: k for k, name in enumerate(classes)}).astype("int64"))
    part = _parts(frame["target"].to_numpy(), parameters)
    train, dev, test = (frame[part == name].reset_index(drop=True) for name in ("train", "dev", "test"))
    card = {
        "classes": classes,
        "measurements": measurements,
        "unit": "rows",
        "train_rows": len(train),
        "dev_rows": len(dev),
        "test_rows": len(test),
        "equal_rows_left_out": len(checked_frame) - len(frame),
        "dev_fingerprint": hashlib.sha256(dev.to_csv(index=False).encode()).hexdigest()[:32],
        "train_medians": train[measurements].median().tolist(),
    }
    return train, dev, test, card


def _parts(target: np.ndarray, parameters: SplitParameters) -> np.ndarray:
    """``train``, ``dev`` or ``test`` for each of the rows (N,): of every class its share, and at least one each."""
    generator = np.random.default_rng(parameters.seed)
    part = np.full(len(target), "train")
    for k in np.unique(target):
        rows = generator.permutation(np.flatnonzero(target == k))
        n_test = min(max(1, round(parameters.test_fraction * len(rows))), len(rows) - 2)
        n_dev = min(max(1, round(parameters.dev_fraction * len(rows))), len(rows) - n_test - 1)
        part[rows[:n_test]] = "test"
        part[rows[n_test : n_test + n_dev]] = "dev"
    return part


def _matrix(frame: Frame, card: dict[str, Any]) -> np.ndarray:
    """The measurements (N, D), in the order of the card."""
    return frame[card["measurements"]].to_numpy(dtype=np.float64)


def _history(model: Any, dev: Frame, card: dict[str, Any]) -> dict[str, Any]:
    """The dev scores; a method that learns in epochs adds a row of numbers for each."""
    scores = classification_metrics(dev["target"].to_numpy(), model.predict_proba(_matrix(dev, card)))
    return {"dev": scores, "epochs": []}


def train_most_frequent(train_split: Frame, dev_split: Frame, split_card: dict[str, Any]) -> Trained:
    """The trivial baseline."""
    model = MostFrequent.fit(train_split["target"].to_numpy(), len(split_card["classes"]))
    return model, _history(model, dev_split, split_card)


def train_nearest_centroid(
    train_split: Frame, dev_split: Frame, split_card: dict[str, Any], parameters: CentroidParameters
) -> Trained:
    """The nearest centroid."""
    matrix, target = _matrix(train_split, split_card), train_split["target"].to_numpy()
    model = NearestCentroid.fit(matrix, target, len(split_card["classes"]), parameters.standardise)
    return model, _history(model, dev_split, split_card)


def evaluate(
    test_split: Frame, split_card: dict[str, Any], parameters: EvaluationParameters, **models: Any
) -> tuple[dict[str, float], Frame]:
    """Score every trained variant on test.

    Returns:
        metrics (flat, with bootstrap intervals) and predictions (one row for each variant and row of test).
    """
    target, matrix = test_split["target"].to_numpy(), _matrix(test_split, split_card)
    classes = np.array(split_card["classes"])
    metrics: dict[str, float] = {}
    predictions = []
    for name, model in selected(models).items():
        probabilities = model.predict_proba(matrix)
        metrics |= with_intervals(
            name, target, probabilities, n_resamples=parameters.resamples, bins=parameters.bins
        )
        predictions.append(
            pd.DataFrame(
                {
                    "variant": name,
                    "id": test_split["id"],
                    "truth": test_split[LABEL],
                    "predicted": classes[probabilities.argmax(axis=1)],
                    "confidence": probabilities.max(axis=1),
                }
            )
        )
    return metrics, pd.concat(predictions, ignore_index=True)
