"""The methods without a network. Each answers with the logarithm of a salary; a margin around it holds nine of ten. numpy, scipy, trees of
scikit-learn."""

from __future__ import annotations

import math
from abc import ABC, abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd

from etudes.benches.regressors import Trees, errors
from etudes.models import register_model
from etudes.pipelines.salary_prediction.advertisements import DESCRIPTION, deal
from etudes.pipelines.salary_prediction.features import (
    Bag,
    FloatArray,
    IntArray,
    bags_of,
    side_by_side,
    singular_vectors,
)
from etudes.pipelines.salary_prediction.parameters import BoostingParameters, RidgeParameters, TermsParameters
from etudes.stored import Stored

SHARE = 0.5  # of the ridge regression in the combination


def mae(truth: FloatArray, answers: FloatArray) -> float:
    """mean |y_i - f_i| of (N,).

    Raises:
        ValueError: as `etudes.benches.regressors.errors`.
    """
    return float(np.abs(errors(truth, answers)).mean())


def conformal_margin(residuals: FloatArray, coverage: float) -> float:
    """The ceil((n + 1) coverage)-th smallest of n absolute residuals of rows that were held out.

    If a new row is exchangeable with these, f +- margin holds it with at least that probability (Vovk, Gammerman and Shafer 2005;
    Lei et al. 2018, section 2). Where n is too small for the coverage, the largest residual.

    Raises:
        ValueError: no residuals, or another shape than (n,).
    """
    if np.ndim(residuals) != 1 or not len(residuals):
        raise ValueError(f"residuals must be (n,) with n >= 1, found the shape {np.shape(residuals)}")
    rank = min(math.ceil((len(residuals) + 1) * coverage), len(residuals))
    return float(np.sort(np.abs(residuals))[rank - 1])


class Answering(ABC):
    """A model of log salaries with a margin."""

    margin: float

    @abstractmethod
    def predict(self, frame: pd.DataFrame) -> FloatArray:
        """ln of the salary in GBP a year (N,)."""


@register_model("salary_prediction.median")
@dataclass(kw_only=True)
class Median(Stored, Answering):
    """The median of the training rows, whatever is asked: no constant has a smaller mean absolute error."""

    log_salary: float
    margin: float = 0.0

    def predict(self, frame: pd.DataFrame) -> FloatArray:
        return np.full(len(frame), self.log_salary)


@register_model("salary_prediction.ridge")
@dataclass(kw_only=True)
class Ridge(Stored, Answering):
    """f = sum over bags of X_b w_b + bias."""

    bags: list[Bag]
    weights: FloatArray
    bias: float
    margin: float = 0.0

    def predict(self, frame: pd.DataFrame) -> FloatArray:
        return np.asarray(side_by_side(self.bags, frame) @ self.weights + self.bias)

    def strongest(self, view: str, count: int) -> list[tuple[str, float]]:
        """Terms of one view with the smallest and the largest weights, ``count`` of each."""
        start = 0
        for bag in self.bags:
            own = self.weights[start : start + len(bag.terms)] * bag.scale
            if bag.view == view:
                order = np.argsort(own, kind="stable")
                return [(bag.terms[k], float(own[k])) for k in (*order[:count], *order[::-1][:count])]
            start += len(bag.terms)
        return []


def dual_ridge(gram: FloatArray, targets: FloatArray, penalty: float) -> tuple[FloatArray, float]:
    """a (N,) and b with w = X'a the least of |y - X w - b|^2 + penalty |w|^2 for b = mean y.

    (K + penalty I) a = y - b (Saunders, Gammerman and Vovk 1998): a system of rows, not of a hundred thousand terms.

    Args:
        gram: K = X X' (N, N).
        targets: y (N,).
        penalty: above 0.

    Raises:
        ValueError: other shapes.
    """
    if gram.shape != (len(targets), len(targets)) or np.ndim(targets) != 1:
        raise ValueError(f"gram must be (N, N) and targets (N,), found {gram.shape} and {np.shape(targets)}")
    from scipy.linalg import solve

    bias = float(targets.mean())
    system = gram + penalty * np.eye(len(targets))
    return solve(system, targets - bias, assume_a="pos"), bias


def learn_ridge(
    rows: pd.DataFrame, views: dict[str, float], terms: TermsParameters, ridge: RidgeParameters, seed: int
) -> tuple[Ridge, FloatArray, float]:
    """Ridge regression of log salaries, the penalty with the smallest error in GBP of held-out training rows.

    Terms and document frequencies are those of all training rows; no label enters them. Near-duplicates are held out together.

    Returns:
        The model, the answers (R,) to the training rows by models that did not see their labels, and the penalty.
    """
    bags, y = bags_of(rows, views, terms), np.log(rows["salary"].to_numpy())
    x = side_by_side(bags, rows)
    gram = (x @ x.T).toarray()
    fold = deal(rows["group"].to_numpy(), ridge.folds, seed)
    held = {penalty: crossed(gram, y, fold, penalty) for penalty in ridge.penalties}
    penalty = min(held, key=lambda p: mae(np.exp(y), np.exp(held[p])))
    a, bias = dual_ridge(gram, y, penalty)
    return Ridge(bags=bags, weights=x.T @ a, bias=bias), held[penalty], penalty


def crossed(gram: FloatArray, y: FloatArray, fold: IntArray, penalty: float) -> FloatArray:
    """Answers (N,) to each fold by ridge regression on the others."""
    held = np.empty(len(y))
    for k in range(fold.max() + 1):
        out, kept = fold == k, fold != k
        a, bias = dual_ridge(gram[np.ix_(kept, kept)], y[kept], penalty)
        held[out] = gram[np.ix_(out, kept)] @ a + bias
    return held


@register_model("salary_prediction.boosting")
@dataclass(kw_only=True)
class Boosting(Stored, Answering):
    """Boosted trees on singular vectors of terms and the length of the text; with ``ridge`` they see its answer too, and the mean of both
    is answered."""

    bags: list[Bag]
    vectors: dict[str, FloatArray]
    trees: Trees
    ridge: Ridge | None = None
    margin: float = 0.0

    def predict(self, frame: pd.DataFrame) -> FloatArray:
        dense = dense_features(self.bags, self.vectors, frame)
        if self.ridge is None:
            return self.trees.predict(dense)
        linear = self.ridge.predict(frame)
        return SHARE * linear + (1 - SHARE) * self.trees.predict(np.c_[dense, linear])


def dense_features(bags: Sequence[Bag], vectors: dict[str, FloatArray], frame: pd.DataFrame) -> FloatArray:
    """(N, D): coordinates of each view, and ln of the characters of the description."""
    length = np.log1p(frame[DESCRIPTION].str.len().to_numpy(dtype=np.float64))
    return np.column_stack([*(bag.matrix(frame) @ vectors[bag.view] for bag in bags), length])


def learn_boosting(
    rows: pd.DataFrame,
    terms: TermsParameters,
    ridge: RidgeParameters,
    boosting: BoostingParameters,
    seed: int,
    upon: tuple[Ridge, FloatArray] | None = None,
) -> tuple[Boosting, FloatArray]:
    """Boosted trees; ``upon`` is a ridge regression with its held-out answers, which the trees learn to correct (Wolpert 1992).

    Trees learn from held-out answers, not from fitted ones, which are too good. The held-out answers that are given back come from
    trees without the fold; the ridge answers of other rows had its labels, as in all stacking of two levels.

    Returns:
        The model, and the held-out answers (R,).
    """
    y = np.log(rows["salary"].to_numpy())
    sizes = {"title": boosting.title, "words": boosting.description, "categories": boosting.categories}
    bags = bags_of(rows, dict.fromkeys(sizes, 1.0), terms)
    vectors = {bag.view: singular_vectors(bag.matrix(rows), sizes[bag.view]) for bag in bags}
    x = dense_features(bags, vectors, rows)
    linear = None if upon is None else upon[1]
    if linear is not None:
        x = np.c_[x, linear]
    fold, held = deal(rows["group"].to_numpy(), ridge.folds, seed), np.empty(len(y))
    for k in range(ridge.folds):
        out = fold == k
        held[out] = Trees.grow(x[~out], y[~out], boosting.trees, boosting, seed).predict(x[out])
    if linear is not None:
        held = SHARE * linear + (1 - SHARE) * held
    grown = Trees.grow(x, y, boosting.trees, boosting, seed)
    return Boosting(bags=bags, vectors=vectors, trees=grown, ridge=None if upon is None else upon[0]), held


def dev_scores(rows: pd.DataFrame, held: FloatArray) -> dict[str, Any]:
    """The mean absolute error (GBP) of held-out log answers to dev rows."""
    is_dev = rows["is_dev"].to_numpy()
    return {"salary_mae": mae(rows["salary"].to_numpy()[is_dev], np.exp(held[is_dev]))}
