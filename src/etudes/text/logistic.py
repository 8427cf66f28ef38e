"""Logistic regression in its dual form and its primal one, and Platt's scale for scores. numpy and scipy alone.

With few rows and many features the weights are best sought among combinations of the rows: w = X' a (Kimeldorf and Wahba 1971), so
that N numbers are found however many features there are, and features side by side are Gram matrices added up. With thousands of
rows the weights themselves are sought.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray
from scipy.linalg import cho_factor, cho_solve
from scipy.sparse import csr_matrix
from scipy.special import expit

FloatArray = NDArray[np.float64]
SWEEPS, TOLERANCE = 50, 1e-7
GRADIENT = 1e-4  # of the loss of all rows, at which the weights are said to be found
FLAT = 1e-9  # least curvature of a row that is taken to be certain


def fit_dual(
    gram: FloatArray, labels: NDArray[np.int64], penalties: Sequence[float]
) -> list[tuple[FloatArray, float]]:
    """The least sum of ln(1 + exp(-s_i f_i)) + penalty / 2 |w|^2 with f = X w + b, s = 2 y - 1, for each penalty.

    Newton's method on a and b (iteratively reweighted least squares): with p = sigmoid(f), v = p (1 - p) and z = f + (y - p) / v
    each step solves

        (K + penalty V^-1) a + b 1 = z,   1' a = 0,

    the second because the bias is free. A step that does not descend is halved.

    Args:
        gram: K = X X' (N, N).
        labels: (N,) 0 or 1, both there.
        penalties: 1 / C of scikit-learn; the largest is fitted first, and the next one starts from it.

    Returns:
        For each penalty a (N,), of which X' a are the weights, and b; in the order given.

    Raises:
        ValueError: other shapes, or a single class.
    """
    if gram.ndim != 2 or gram.shape != (len(labels), len(labels)) or np.ndim(labels) != 1:
        raise ValueError(f"gram must be (N, N) and labels (N,), found {gram.shape} and {np.shape(labels)}")
    if len(np.unique(labels)) != 2:
        raise ValueError("labels must hold both 0 and 1")
    ones, found = np.ones(len(labels)), {}
    a, b = np.zeros(len(labels)), float(np.log(labels.sum() / (1 - labels).sum()))
    for penalty in sorted(set(penalties), reverse=True):
        f = gram @ a + b
        loss = _loss(f, labels) + penalty / 2 * a @ (f - b)
        for _ in range(SWEEPS):
            p = expit(f)
            v = np.maximum(p * (1 - p), FLAT)
            system = gram.copy()
            system[np.diag_indices_from(system)] += penalty / v
            solved = cho_solve(
                cho_factor(system, lower=True, overwrite_a=True), np.c_[f + (labels - p) / v, ones]
            )
            new_b = solved[:, 0].sum() / solved[:, 1].sum()
            steps = (solved[:, 0] - new_b * solved[:, 1] - a, new_b - b)
            change = gram @ steps[0] + steps[1]
            share = 1.0
            while True:
                tried = (a + share * steps[0], b + share * steps[1], f + share * change)
                new = _loss(tried[2], labels) + penalty / 2 * tried[0] @ (tried[2] - tried[1])
                if new <= loss or share < 1e-3:
                    break
                share /= 2
            (a, b, f), loss = tried, new
            if share * np.abs(change).max() < TOLERANCE:
                break
        found[penalty] = (a, float(b))
    return [found[penalty] for penalty in penalties]


def fit_primal(
    x: FloatArray | csr_matrix, labels: NDArray[np.int64], penalties: Sequence[float]
) -> list[tuple[FloatArray, float]]:
    """The same least sum as `fit_dual`, by L-BFGS on the weights, for rows of any number.

    Args:
        x: features (N, D), sparse or dense.
        labels: (N,) 0 or 1, both there.
        penalties: 1 / C of scikit-learn; the largest is fitted first, and the next one starts from it.

    Returns:
        For each penalty the weights (D,) and b; in the order given.

    Raises:
        ValueError: other shapes, or a single class.
    """
    if np.ndim(labels) != 1 or x.shape[0] != len(labels):
        raise ValueError(f"x must be (N, D) and labels (N,), found {x.shape} and {np.shape(labels)}")
    if len(np.unique(labels)) != 2:
        raise ValueError("labels must hold both 0 and 1")
    from scipy.optimize import minimize

    signs, found = 2.0 * labels - 1, {}
    at = np.append(np.zeros(x.shape[1]), np.log(labels.sum() / (1 - labels).sum()))

    def loss_and_gradient(at: FloatArray, penalty: float) -> tuple[float, FloatArray]:
        w, b = at[:-1], at[-1]
        margin = signs * (x @ w + b)
        pull = -signs * expit(-margin)
        loss = np.logaddexp(0, -margin).sum() + penalty / 2 * w @ w
        return float(loss), np.append(x.T @ pull + penalty * w, pull.sum())

    for penalty in sorted(set(penalties), reverse=True):
        options = {"maxiter": 2000, "ftol": 1e-12, "gtol": GRADIENT}
        at = minimize(loss_and_gradient, at, args=(penalty,), jac=True, method="L-BFGS-B", options=options).x
        found[penalty] = (at[:-1].copy(), float(at[-1]))
    return [found[penalty] for penalty in penalties]


def _loss(f: FloatArray, labels: NDArray[np.int64]) -> float:
    return float(np.logaddexp(0, (1 - 2 * labels) * f).sum())


def platt_scale(scores: FloatArray, labels: NDArray[np.int64]) -> tuple[float, float]:
    """Slope and offset of P(1 | f) = sigmoid(slope f + offset) that fit held-out scores best (Platt 1999).

    The targets are (n_1 + 1) / (n_1 + 2) and 1 / (n_0 + 2) rather than 1 and 0, so that scores which part the classes
    do not ask for an infinite slope. The slope is never below 0: a scale may not turn an order round.

    Args:
        scores: (N,) log-odds, of rows that the model was not trained on.
        labels: (N,) 0 or 1.

    Raises:
        ValueError: shapes that are not (N,) or differ.
    """
    if np.ndim(scores) != 1 or np.shape(scores) != np.shape(labels):
        raise ValueError(f"scores and labels must be (N,), found {np.shape(scores)} and {np.shape(labels)}")
    from scipy.optimize import minimize

    positives, negatives = labels.sum(), (1 - labels).sum()
    targets = np.where(labels == 1, (positives + 1) / (positives + 2), 1 / (negatives + 2))
    size = max(float(np.abs(scores).max()), 1e-12)
    z = scores / size

    def loss_and_gradient(scale: FloatArray) -> tuple[float, FloatArray]:
        f = scale[0] * z + scale[1]
        error = expit(f) - targets
        return float((np.logaddexp(0, f) - targets * f).sum()), np.array([error @ z, error.sum()])

    best = minimize(
        loss_and_gradient, np.array([1.0, 0.0]), jac=True, method="L-BFGS-B", bounds=[(0, None), (None, None)]
    )
    return float(best.x[0]) / size, float(best.x[1])
