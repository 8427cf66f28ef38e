"""The stages ingest, preprocess, train and evaluate. Pure functions: what goes in decides what comes out."""

from __future__ import annotations

import hashlib
import time
from typing import Any

import numpy as np
import pandas as pd

from etudes.evaluation import (
    classification_metrics,
    paired_comparison,
    ranking_intervals,
    roc_auc,
    with_intervals,
)
from etudes.evaluation.bootstrap import quantile_interval, resample_weights
from etudes.forms.raw import RawFile
from etudes.pipelines.income_classification.parameters import (
    BoostingParameters,
    EvaluationParameters,
    FeatureParameters,
    GenerativeParameters,
    LearningCurveParameters,
    LogisticParameters,
    SplitParameters,
)
from etudes.pipelines.income_classification.people import COLUMNS, LABELS, parse_people
from etudes.study import selected
from etudes.training.parameters import RunParameters
from etudes.training.seeds import derive_seed

Frame = pd.DataFrame
Trained = tuple[Any, dict[str, Any]]
LINEAR = ("naive_bayes", "gaussian", "logistic")
# fnlwgt says how many Americans a row stands for: it tells rows apart, not people.
ANSWERS = [name for name in COLUMNS if name != "fnlwgt"]


def ingest(raw_train: RawFile, raw_test: RawFile) -> tuple[Frame, Frame, dict[str, Any]]:
    """Check both files and say where they come from.

    Raises:
        ValueError: unreadable lines, or too few people of a class: two in the training file, one in the test file.
    """
    train, test = parse_people(raw_train), parse_people(raw_test)
    for raw, frame, least in ((raw_train, train, 2), (raw_test, test, 1)):
        counts = {label: int((frame["income"] == label).sum()) for label in LABELS}
        short = [label for label, count in counts.items() if count < least]
        if short:
            found = " and ".join(f"{count} of {label}" for label, count in counts.items())
            raise ValueError(
                f"{raw.name}: found {found}; expected at least {least} of each. Add people, or get the file again."
            )
    digest = hashlib.sha256(raw_train.content + b"\0" + raw_test.content).hexdigest()
    card = {
        "source": raw_train.facts.get("source", "own data"),
        "embedded_sample": raw_train.embedded_sample,
        "files": [raw_train.short_name, raw_test.short_name],
        "fingerprint": digest[:32],
        "train_rows": len(train),
        "test_rows": len(test),
        "train_positives": int((train["income"] == LABELS[1]).sum()),
        "test_positives": int((test["income"] == LABELS[1]).sum()),
        "classes": len(LABELS),
        **{key: value for key, value in raw_test.facts.items() if key not in ("embedded_sample", "source")},
    }
    return train, test, card


def split(
    train_frame: Frame, test_frame: Frame, parameters: SplitParameters
) -> tuple[Frame, Frame, Frame, dict[str, Any]]:
    """Cut dev from train, stratified; nobody is dropped, equal people are counted.

    Two people may well give equal answers to 13 questions, and in a census both of them count. ``twin`` says of a test
    row that a training row has the same answers (``fnlwgt`` and the income aside), so that the scores of the others can
    stand beside those of all.
    """
    train_frame, test = (
        frame.assign(label=(frame["income"] == LABELS[1]).astype("int64"))
        for frame in (train_frame, test_frame)
    )
    is_dev = stratified_dev(train_frame["label"].to_numpy(), parameters.dev_fraction, parameters.seed)
    train, dev = (train_frame[rows].reset_index(drop=True) for rows in (~is_dev, is_dev))
    of_train = pd.MultiIndex.from_frame(train_frame[ANSWERS])
    test = test.assign(twin=pd.MultiIndex.from_frame(test[ANSWERS]).isin(of_train))
    whole = [*COLUMNS, "label"]
    card = {
        "classes": list(LABELS),
        "unit": "people",
        "train_rows": len(train),
        "dev_rows": len(dev),
        "test_rows": len(test),
        "test_with_equal_answers_in_train": int(test["twin"].sum()),
        "test_rows_that_stand_in_train": int(
            pd.MultiIndex.from_frame(test[whole]).isin(pd.MultiIndex.from_frame(train_frame[whole])).sum()
        ),
        "repeated_rows_in_train": int(train_frame.duplicated(subset=whole).sum()),
        "dev_fingerprint": frame_fingerprint(dev),
        "train_shares": (np.bincount(train["label"], minlength=2) / len(train)).tolist(),
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
    """Fingerprint of ids, answers and incomes, in order."""
    text = frame[["id", *COLUMNS, "income"]].to_csv(index=False)
    return hashlib.sha256(text.encode()).hexdigest()[:32]


def _history(model: Any, dev: Frame, history: dict[str, Any]) -> dict[str, Any]:
    labels, probabilities = dev["label"].to_numpy(), model.predict_proba(dev)
    metrics = classification_metrics(labels, probabilities)
    metrics |= {"roc_auc": roc_auc(probabilities[:, 1], labels), "brier": brier(labels, probabilities[:, 1])}
    return {"dev": metrics, "epochs": [], **history}


def brier(labels: np.ndarray, positive: np.ndarray) -> float:
    """Mean of (p_i - y_i)^2 (Brier 1950, the form for two classes), from labels (N,) and P(y = 1) (N,).

    Raises:
        ValueError: shapes that are not (N,) or differ.
    """
    return float(squared_errors(labels, positive).mean())


def squared_errors(labels: np.ndarray, positive: np.ndarray) -> np.ndarray:
    """(p_i - y_i)^2 (N,); errors as `brier`."""
    if np.ndim(positive) != 1 or np.shape(labels) != np.shape(positive):
        raise ValueError(
            f"labels and probabilities must both have the shape (N,), found {np.shape(labels)} and {np.shape(positive)}"
        )
    return np.square(positive - labels)


def train_majority(train_split: Frame, dev_split: Frame) -> Trained:
    """The trivial baseline."""
    from etudes.pipelines.income_classification.classifiers import Majority

    model = Majority.fit(train_split["label"].to_numpy())
    return model, _history(model, dev_split, {})


def train_naive_bayes(
    train_split: Frame, dev_split: Frame, features: FeatureParameters, parameters: GenerativeParameters
) -> Trained:
    """Naive Bayes over levels."""
    from etudes.pipelines.income_classification.classifiers import NaiveBayes

    model, history = NaiveBayes.fit(train_split, dev_split, features, parameters)
    return model, _history(model, dev_split, history)


def train_gaussian(
    train_split: Frame, dev_split: Frame, features: FeatureParameters, parameters: GenerativeParameters
) -> Trained:
    """Gaussians with one covariance."""
    from etudes.pipelines.income_classification.classifiers import Gaussian

    model, history = Gaussian.fit(train_split, dev_split, features, parameters)
    return model, _history(model, dev_split, history)


def train_logistic(
    train_split: Frame,
    dev_split: Frame,
    features: FeatureParameters,
    parameters: LogisticParameters,
    run: RunParameters,
) -> Trained:
    """Logistic regression by mini-batch gradient descent."""
    from etudes.pipelines.income_classification.classifiers import Logistic

    model, history = Logistic.fit(train_split, dev_split, features, parameters, run.seed, run.resume)
    return model, _history(model, dev_split, history)


def train_boosting(
    train_split: Frame,
    dev_split: Frame,
    features: FeatureParameters,
    parameters: BoostingParameters,
    run: RunParameters,
) -> Trained:
    """Gradient-boosted trees."""
    from etudes.pipelines.income_classification.boosting import Boosting

    seed = derive_seed(run.seed, "boosting")
    model, history = Boosting.fit(train_split, dev_split, features, parameters, seed)
    return model, _history(model, dev_split, history)


def evaluate(
    test_split: Frame, parameters: EvaluationParameters, **models: Any
) -> tuple[dict[str, float], Frame, Frame, Frame, dict[str, Any], dict[str, Any]]:
    """Score every trained variant on test.

    Returns:
        metrics (flat, with bootstrap intervals), predictions (one row per variant and person), rates of groups and
        their gaps, the paired comparison of the two best variants, and inference costs.
    """
    labels = test_split["label"].to_numpy()
    new = ~test_split["twin"].to_numpy()
    metrics: dict[str, float] = {}
    probabilities: dict[str, np.ndarray] = {}
    costs: dict[str, Any] = {}
    for name, model in selected(models).items():
        start = time.perf_counter()
        probabilities[name] = model.predict_proba(test_split)
        seconds = time.perf_counter() - start
        costs[name] = {
            "inference_seconds": round(seconds, 4),
            "people_per_second": round(len(labels) / seconds, 1),
        }
        metrics |= score(name, labels, probabilities[name], parameters)
        if new.any():
            right = probabilities[name][new].argmax(1) == labels[new]
            metrics[f"{name}.accuracy_without_twins"] = float(right.mean())
    positive = {name: table[:, 1] for name, table in probabilities.items()}
    groups, gaps = _groups(test_split, positive, parameters)
    predictions = [_predictions(test_split, name, p) for name, p in positive.items()]
    comparison = _compare_best(metrics, labels, probabilities, parameters)
    return metrics, pd.concat(predictions, ignore_index=True), groups, gaps, comparison, costs


def score(
    name: str, labels: np.ndarray, probabilities: np.ndarray, parameters: EvaluationParameters
) -> dict[str, float]:
    """Accuracy, macro F1, log-loss, calibration error, Brier score and area under the ROC curve, with intervals."""
    flat = with_intervals(name, labels, probabilities, n_resamples=parameters.resamples, bins=parameters.bins)
    flat = {key: value for key, value in flat.items() if "top3" not in key}  # of two classes
    errors = squared_errors(labels, probabilities[:, 1])
    chunks = [
        weights @ errors / len(errors)
        for weights in resample_weights(len(errors), parameters.resamples, seed=0)
    ]
    flat[f"{name}.brier"] = float(errors.mean())
    ends = {"brier": quantile_interval(np.concatenate(chunks), 0.95)}
    flat[f"{name}.roc_auc"] = roc_auc(probabilities[:, 1], labels)
    ends["roc_auc"] = ranking_intervals(probabilities[:, 1], labels, parameters.resamples)["roc_auc"]
    for metric, (low, high) in ends.items():
        flat[f"{name}.{metric}.low"], flat[f"{name}.{metric}.high"] = low, high
    return flat


def _predictions(test: Frame, variant: str, positive: np.ndarray) -> Frame:
    return pd.DataFrame(
        {
            "variant": variant,
            "id": test["id"],
            "truth": test["income"],
            "predicted": [LABELS[int(p > 0.5)] for p in positive],
            "confidence": np.maximum(positive, 1 - positive),
            "p_above": positive,
        }
    )


def _groups(
    test: Frame, positive: dict[str, np.ndarray], parameters: EvaluationParameters
) -> tuple[Frame, Frame]:
    from etudes.pipelines.income_classification.fairness import group_tables

    return group_tables(test, positive, parameters.resamples, parameters.smallest_group)


def _compare_best(
    metrics: dict[str, float],
    labels: np.ndarray,
    probabilities: dict[str, np.ndarray],
    parameters: EvaluationParameters,
) -> dict[str, Any]:
    """Paired comparison of the two variants with the best accuracy; empty when there is only one."""
    ranked = sorted(probabilities, key=lambda name: -metrics[f"{name}.accuracy"])[:2]
    if len(ranked) < 2:
        return {}
    first, second = ranked
    tables = probabilities[first], probabilities[second]
    return {
        "first": first,
        "second": second,
        **paired_comparison(labels, *tables, n_resamples=parameters.resamples),
    }


def compare_on_little_data(
    train_split: Frame,
    test_split: Frame,
    features: FeatureParameters,
    parameters: LearningCurveParameters,
    run: RunParameters,
    **models: Any,
) -> tuple[Frame, Frame, dict[str, Any]]:
    """The learning curve of the linear variants that were trained; see `curve`.

    It is scored on test because nothing is chosen from it, and test is the largest set that no method has seen.
    """
    from etudes.pipelines.income_classification import curve
    from etudes.pipelines.income_classification.features import Features

    layout = Features.fit(train_split, features)
    sets = [(layout.raw(frame), frame["label"].to_numpy()) for frame in (train_split, test_split)]
    methods = [name for name in curve.METHODS if name in selected(models)]
    seed = derive_seed(run.seed, "learning_curve")
    rows = curve.learning_curve(layout, sets[0], sets[1], methods, parameters, seed)
    table = curve.summarise(rows)
    card = {"verdicts": curve.verdicts(table), "penalties": curve.chosen_penalties(rows)}
    return table, curve.advantages(table), card


def tabulate(**inputs: Any) -> tuple[Frame, Frame, Frame]:
    """Effects of the linear variants, their paths over penalties, and the weights along that of logistic regression."""
    models = selected({name: inputs[f"{name}_model"] for name in LINEAR})
    histories = {name: inputs[f"{name}_history"] for name in LINEAR}
    head = ["variant", "penalty", "chosen", "train_log_loss", "dev_log_loss", "dev_accuracy", "norm"]
    rows = [
        {"variant": name, "chosen": histories[name]["penalty"], **row}
        for name in models
        for row in histories[name]["path"]
    ]
    weights = histories["logistic"].get("path_effects", [])
    return (
        _effects(models),
        pd.DataFrame(rows, columns=head),
        pd.DataFrame(weights, columns=["penalty", "feature", "weight"]),
    )


def _effects(models: dict[str, Any]) -> Frame:
    """One row a column of the matrix, with the effect (nats per unit) in each linear variant."""
    keys = ["feature", "source", "unit"]
    table = pd.DataFrame(columns=keys)
    for name, model in models.items():
        effects = model.effects().rename(columns={"effect": name, "error": f"{name}.error"})
        effects = effects.dropna(axis="columns", how="all")
        table = effects if table.empty else table.merge(effects, on=keys, how="outer", sort=False)
    return table
