"""Does the generative model win with little data? The question of Ng and Jordan (2002), as a learning curve.

Three methods with one form, log-odds linear in the same columns, learn from growing parts of train. All choose their
penalty by the same cross-validation in the part they learn from, out of the same list, and a penalty means the same to
all: a prior worth so many people.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from itertools import pairwise
from typing import Any

import numpy as np
import pandas as pd

from etudes.evaluation import mean_interval
from etudes.pipelines.income_classification.features import Features, moments
from etudes.pipelines.income_classification.generative import fit_gaussian, fit_naive_bayes
from etudes.pipelines.income_classification.linear import FloatArray, IntArray, Linear, Set, log_loss
from etudes.pipelines.income_classification.logistic import optima
from etudes.pipelines.income_classification.parameters import LearningCurveParameters
from etudes.splits import spread

GENERATIVE = ("gaussian", "naive_bayes")
DISCRIMINATIVE = "logistic"
METHODS = (*GENERATIVE, DISCRIMINATIVE)
METRICS = ("accuracy", "log_loss")
COLUMNS = ("kind", "name", "metric", "size", "draws", "mean", "low", "high")
NEWTON_TOLERANCE = 1e-6  # of the gradient: far below what a sampling error of the curve could show

Path = Callable[[FloatArray, IntArray, list[float]], list[Linear]]


def part_sizes(rows: int, smallest: int, growth: float) -> list[int]:
    """Sizes in a geometric series from ``smallest`` to ``rows``, the factor as near to ``growth`` as fits; or none."""
    if rows < smallest:
        return []
    steps = max(1, round(np.log(rows / smallest) / np.log(growth)))
    return sorted({round(smallest * (rows / smallest) ** (step / steps)) for step in range(steps + 1)})


def paths(features: Features) -> dict[str, Path]:
    """For each method: a model (of the matrix as it is given) for each of several penalties."""
    parts = features.slices(), len(features.numbers)
    return {
        "gaussian": lambda x, y, penalties: [fit_gaussian(x, y, penalty) for penalty in penalties],
        "naive_bayes": lambda x, y, penalties: [fit_naive_bayes(x, y, p, *parts) for p in penalties],
        "logistic": partial(optima, tolerance=NEWTON_TOLERANCE),
    }


def choose_penalty(
    path: Path, matrix: FloatArray, labels: IntArray, penalties: list[float], folds: int
) -> float:
    """The penalty with the smallest log-loss in stratified cross-validation; of equals the strongest.

    The rows come in a random order (`spread`), so that every ``folds``-th row of a class is a fold.
    """
    if len(penalties) == 1:
        return penalties[0]
    fold = pd.Series(labels).groupby(labels).cumcount().to_numpy() % folds
    losses = np.zeros(len(penalties))
    for k in range(folds):
        held = fold == k
        models = path(matrix[~held], labels[~held], penalties)
        losses += [held.sum() * log_loss(model.log_odds(matrix[held]), labels[held]) for model in models]
    return max(penalty for penalty, loss in zip(penalties, losses, strict=True) if loss == losses.min())


def fit_part(
    method: str, path: Path, raw: FloatArray, labels: IntArray, parameters: LearningCurveParameters
) -> tuple[Linear, float]:
    """One method on one part of train: a model of the unstandardised matrix, and the penalty that was chosen.

    Means and standard deviations are those of the part: a small sample does not know them any better. Which levels and
    bins there are, which knows no income, is the same for all parts.
    """
    mean, scale = moments(raw)
    counts = method == "naive_bayes"  # levels, which standardising would hide
    matrix = raw if counts else (raw - mean) / scale
    penalty = choose_penalty(path, matrix, labels, parameters.penalties, parameters.folds)
    (model,) = path(matrix, labels, [penalty])
    return model if counts else model.standardised(-mean / scale, 1 / scale), penalty


def learning_curve(
    features: Features,
    train: Set,
    test: Set,
    methods: list[str],
    parameters: LearningCurveParameters,
    seed: int,
) -> pd.DataFrame:
    """Scores on test of each method, size and draw.

    Args:
        features: says which columns of the matrices are numbers and blocks of levels.
        train: unstandardised matrix (N, P) and labels (N,).
        test: the same of the people who score.
        methods: some of `METHODS`.
        parameters: sizes, draws, penalties.
        seed: of the draws.

    Returns:
        Columns ``method``, ``size``, ``draw``, ``penalty``, ``accuracy``, ``log_loss`` (nats). All of train is drawn
        once. Sizes with fewer than ``folds`` people of a class are left out.
    """
    raw, labels = train
    fits = paths(features)
    rows: list[tuple[Any, ...]] = []
    for draw in range(parameters.draws):
        order = spread(labels, np.random.default_rng([seed, draw]), first=0.5)
        for size in part_sizes(len(labels), parameters.smallest, parameters.growth):
            part = order[:size]
            enough = np.bincount(labels[part], minlength=2).min() >= parameters.folds
            if not enough or (size == len(labels) and draw > 0):
                continue
            for method in methods:
                model, penalty = fit_part(method, fits[method], raw[part], labels[part], parameters)
                odds = model.log_odds(test[0])
                accuracy = float(((odds > 0) == test[1]).mean())
                rows.append((method, size, draw, penalty, accuracy, log_loss(odds, test[1])))
    return pd.DataFrame(rows, columns=["method", "size", "draw", "penalty", *METRICS])


def summarise(rows: pd.DataFrame) -> pd.DataFrame:
    """Mean and 95 % t-interval over draws, of the methods and of their paired differences.

    Returns:
        ``kind`` (``score`` or ``advantage``), ``name`` (a method, or a generative one whose advantage over logistic
        regression it is: positive where the generative one is better), ``metric``, ``size``, ``draws``, ``mean``,
        ``low``, ``high``; no interval where there is one draw.
    """
    found: list[dict[str, Any]] = []
    for metric in METRICS:
        table = rows.pivot_table(index=["size", "draw"], columns="method", values=metric)
        better = 1 if metric == "accuracy" else -1
        series = [("score", method, table[method]) for method in METHODS if method in table]
        if DISCRIMINATIVE in table:
            gain = better * table.sub(table[DISCRIMINATIVE], axis="index")
            series += [("advantage", method, gain[method]) for method in GENERATIVE if method in table]
        for kind, name, values in series:
            for size, of_size in values.groupby(level="size"):
                row = {"kind": kind, "name": name, "metric": metric, "size": size, "draws": len(of_size)}
                found.append(row | mean_interval(of_size.to_numpy()))
    return pd.DataFrame(found, columns=list(COLUMNS))


def advantages(table: pd.DataFrame) -> pd.DataFrame:
    """The mean advantages of `summarise` side by side: ``people``, and ``<method>_<metric>`` for each generative method.

    Positive where the generative method is better than logistic regression; missing where a method was left out.
    """
    rows = table[table["kind"] == "advantage"]
    named = rows.assign(column=rows["name"] + "_" + rows["metric"])
    wide = named.pivot_table(index="size", columns="column", values="mean")
    columns = [f"{method}_{metric}" for metric in METRICS for method in GENERATIVE]
    return wide.reindex(columns=columns).rename_axis(index="people", columns=None).reset_index()


def crossing(sizes: list[int], advantages: list[float]) -> float | None:
    """The size at which an advantage that was above zero is lost, between two sizes on a logarithmic axis; or None."""
    pairs = list(zip(sizes, advantages, strict=True))
    for (a, high), (b, low) in pairwise(pairs):
        if high > 0 >= low:
            return float(a * (b / a) ** (high / (high - low)))
    return None


def verdicts(table: pd.DataFrame) -> pd.DataFrame:
    """For each generative method and metric where it is certainly better and worse than logistic regression.

    Returns:
        ``method``, ``metric``, ``claim holds`` (whether it is certainly better at the smallest size), ``better at`` and
        ``worse at`` (sizes whose interval lies on one side of zero), ``lead lost at`` (people, where the means cross).
    """
    found = []
    for (name, metric), part in table[table["kind"] == "advantage"].groupby(["name", "metric"], sort=False):
        better, worse = (part["size"][rows].tolist() for rows in (part["low"] > 0, part["high"] < 0))
        crossed = crossing(part["size"].tolist(), part["mean"].tolist())
        holds = "yes" if part["size"].min() in better else "no"
        told = (" ".join(map(str, sizes)) or "–" for sizes in (better, worse))
        lost = "–" if crossed is None else f"{crossed:.0f}"
        found.append([name, str(metric).replace("_", "-"), holds, *told, lost])
    return pd.DataFrame(
        found, columns=["method", "metric", "claim holds", "better at", "worse at", "lead lost at"]
    )
