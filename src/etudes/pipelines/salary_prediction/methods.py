"""The methods without a network. Each answers with the logarithm of a salary; a margin around it holds nine of ten. Solvers and trees are
scikit-learn's."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass
from functools import partial

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from etudes.benches.regressors import Trees, mae, out_of_fold
from etudes.models import register_model
from etudes.pipelines.salary_prediction.advertisements import DESCRIPTION
from etudes.pipelines.salary_prediction.features import Views
from etudes.pipelines.salary_prediction.parameters import BoostingParameters, RidgeParameters, TermsParameters
from etudes.splits import dealt
from etudes.stored import Stored
from etudes.text.bags import singular_vectors

FloatArray = NDArray[np.float64]
Rows = NDArray[np.bool_]
SHARE = 0.5  # of the ridge regression in the combination


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
    """f = X w + bias of `Views` side by side."""

    views: Views
    weights: FloatArray
    bias: float
    margin: float = 0.0

    def predict(self, frame: pd.DataFrame) -> FloatArray:
        return np.asarray(self.views.matrix(frame) @ self.weights + self.bias)


def fit_ridge(gram: FloatArray, targets: FloatArray, penalty: float) -> tuple[FloatArray, float]:
    """a (N,) and b with w = X'a the least of |y - X w - b|^2 + penalty |w|^2 for b = mean y.

    (K + penalty I) a = y - b (Saunders, Gammerman and Vovk 1998): a system of rows, not of a hundred thousand terms.

    Args:
        gram: K = X X' (N, N).
        targets: y (N,).
        penalty: above 0.
    """
    from sklearn.kernel_ridge import KernelRidge

    bias = float(targets.mean())
    return KernelRidge(alpha=penalty, kernel="precomputed").fit(gram, targets - bias).dual_coef_, bias


def ridge_answers(gram: FloatArray, targets: FloatArray, penalty: float, kept: Rows, out: Rows) -> FloatArray:
    """Answers to some rows by ridge regression on others; both are masks (N,) of the rows of the Gram matrix (N, N)."""
    a, bias = fit_ridge(gram[np.ix_(kept, kept)], targets[kept], penalty)
    return gram[np.ix_(out, kept)] @ a + bias


def learn_ridge(
    rows: pd.DataFrame,
    squares: Mapping[str, float],
    terms: TermsParameters,
    ridge: RidgeParameters,
    seed: int,
) -> tuple[Ridge, FloatArray, float]:
    """Ridge regression of log salaries, the penalty with the smallest error in GBP of held-out training rows.

    Terms and document frequencies are those of all training rows; no label enters them. Near-duplicates are held out together.

    Returns:
        The model, the answers (R,) to the training rows by models that did not see their labels, and the penalty.
    """
    views, y = Views.fit(rows, squares, terms), np.log(rows["salary"].to_numpy())
    x = views.matrix(rows)
    gram = (x @ x.T).toarray()
    fold = dealt(rows["group"].to_numpy(), ridge.folds, seed)
    held = {p: out_of_fold(fold, partial(ridge_answers, gram, y, p)) for p in ridge.penalties}
    penalty = min(held, key=lambda p: mae(np.exp(y), np.exp(held[p])))
    a, bias = fit_ridge(gram, y, penalty)
    return Ridge(views=views, weights=x.T @ a, bias=bias), held[penalty], penalty


@register_model("salary_prediction.boosting")
@dataclass(kw_only=True)
class Boosting(Stored, Answering):
    """Boosted trees on singular vectors of terms and the length of the text; with ``ridge`` they see its answer too, and the mean of both
    is answered."""

    views: Views
    vectors: dict[str, FloatArray]
    trees: Trees
    ridge: Ridge | None = None
    margin: float = 0.0

    def predict(self, frame: pd.DataFrame) -> FloatArray:
        dense = dense_features(self.views, self.vectors, frame)
        if self.ridge is None:
            return self.trees.predict(dense)
        linear = self.ridge.predict(frame)
        return SHARE * linear + (1 - SHARE) * self.trees.predict(np.c_[dense, linear])


def dense_features(views: Views, vectors: Mapping[str, FloatArray], frame: pd.DataFrame) -> FloatArray:
    """(N, D): coordinates of each view, and ln of one more than the characters of the description."""
    length = np.log1p(frame[DESCRIPTION].str.len().to_numpy(dtype=np.float64))
    parts = (matrix @ vectors[view] for view, matrix in views.matrices(frame).items())
    return np.column_stack([*parts, length])


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
    views = Views.fit(rows, dict.fromkeys(sizes, 1.0), terms)
    vectors = {view: singular_vectors(x, sizes[view]) for view, x in views.matrices(rows).items()}
    x = dense_features(views, vectors, rows)
    linear, answer = upon or (None, None)
    if answer is not None:
        x = np.c_[x, answer]

    def grown(kept: Rows) -> Trees:
        return Trees.grow(x[kept], y[kept], boosting.trees, boosting, seed)

    fold = dealt(rows["group"].to_numpy(), ridge.folds, seed)
    held = out_of_fold(fold, lambda kept, out: grown(kept).predict(x[out]))
    if answer is not None:
        held = SHARE * answer + (1 - SHARE) * held
    return Boosting(views=views, vectors=vectors, trees=grown(fold >= 0), ridge=linear), held
