"""The dual logistic regression and Platt's scale against scikit-learn and against a search."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.sparse import csr_matrix
from scipy.special import expit

from etudes.text.logistic import fit_dual, fit_primal, platt_scale


def rows(n: int = 60, d: int = 200, seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(seed)
    x = rng.normal(size=(n, d)) / np.sqrt(d)
    return x, (x[:, 0] * 6 + rng.normal(size=n) > 0.3).astype(np.int64)


def test_the_dual_has_the_weights_of_the_primal() -> None:
    from sklearn.linear_model import LogisticRegression

    x, labels = rows()
    penalties = [0.05, 3.0, 0.5]
    for penalty, (a, bias) in zip(penalties, fit_dual(x @ x.T, labels, penalties), strict=True):
        theirs = LogisticRegression(C=1 / penalty, tol=1e-10, max_iter=10_000).fit(x, labels)
        np.testing.assert_allclose(x.T @ a, theirs.coef_[0], atol=1e-5)
        assert bias == pytest.approx(theirs.intercept_[0], abs=1e-5)


def test_the_primal_is_the_dual_for_sparse_and_dense_rows() -> None:
    x, labels = rows()
    penalties = [0.05, 3.0, 0.5]
    dual = fit_dual(x @ x.T, labels, penalties)
    for given in (x, csr_matrix(x)):
        for (a, bias), (w, own) in zip(dual, fit_primal(given, labels, penalties), strict=True):
            np.testing.assert_allclose(w, x.T @ a, atol=1e-3)
            assert own == pytest.approx(bias, abs=1e-3)


def test_rows_that_can_be_parted_exactly_keep_finite_weights() -> None:
    x = np.array([[1.0, 0.0], [2.0, 0.1], [-1.0, 0.0], [-2.0, 0.1]])
    ((a, bias),) = fit_dual(x @ x.T, np.array([1, 1, 0, 0]), [1e-4])
    f = x @ (x.T @ a) + bias
    assert np.isfinite(f).all() and (f[:2] > 2).all() and (f[2:] < -2).all()


def test_other_shapes_and_a_single_class_are_refused() -> None:
    x, labels = rows(10)
    with pytest.raises(ValueError, match=r"gram must be \(N, N\)"):
        fit_dual(x, labels, [1.0])
    with pytest.raises(ValueError, match=r"gram must be \(N, N\)"):
        fit_dual(x @ x.T, labels[:, None], [1.0])
    with pytest.raises(ValueError, match="both 0 and 1"):
        fit_dual(x @ x.T, np.ones(10, dtype=np.int64), [1.0])
    with pytest.raises(ValueError, match=r"x must be \(N, D\)"):
        fit_primal(x, labels[:5], [1.0])
    with pytest.raises(ValueError, match="both 0 and 1"):
        fit_primal(x, np.zeros(10, dtype=np.int64), [1.0])
    with pytest.raises(ValueError, match=r"must be \(N,\)"):
        platt_scale(np.zeros((10, 1)), labels)


@pytest.mark.parametrize("size", [0.01, 1.0, 500.0])
def test_the_scale_is_the_best_that_a_search_finds(size: float) -> None:
    rng = np.random.default_rng(1)
    scores = rng.normal(size=400)
    labels = (rng.random(400) < expit(2.5 * scores - 0.7)).astype(np.int64)
    targets = np.where(labels == 1, (labels.sum() + 1) / (labels.sum() + 2), 1 / ((1 - labels).sum() + 2))

    def loss(slope: float, offset: float) -> float:
        f = slope * scores + offset
        return float((np.logaddexp(0, f) - targets * f).sum())

    slope, offset = platt_scale(scores * size, labels)
    grid = [loss(s, o) for s in np.linspace(1, 4, 61) for o in np.linspace(-2, 1, 61)]
    assert loss(slope * size, offset) <= min(grid) + 1e-6


def test_a_scale_never_turns_the_order_round() -> None:
    scores = np.linspace(-1, 1, 20)
    slope, _ = platt_scale(scores, (scores < 0).astype(np.int64))
    assert slope == 0
