"""The generative models: p(x | y) from counts and moments, and by Bayes' rule the same form as logistic regression.

Both give log p(y=1 | x) / p(y=0 | x) = w . x + b: they differ from logistic regression in how w and b are found, not in
what they can say.
"""

from __future__ import annotations

import numpy as np

from etudes.pipelines.income_classification.linear import FloatArray, IntArray, Linear


def fit_gaussian(matrix: FloatArray, labels: IntArray, penalty: float) -> Linear:
    """Two Gaussians with one covariance (linear discriminant analysis; Hastie et al., ESL, 2009, section 4.3).

    With shares pi_k, means mu_k and the covariance Sigma within the classes, Bayes' rule gives

        w = Sigma^-1 (mu_1 - mu_0),   b = log(pi_1 / pi_0) - 1/2 (mu_1 + mu_0) . w.

    The prior is worth ``penalty`` people whose answers say nothing of their income: mean 0 and covariance I in both
    classes, in the classes' shares. With N_k rows of mean m_k in class k, the moments with them are

        mu_k  = N / (N + penalty) m_k
        Sigma = (sum_k scatter_k + penalty I + sum_k N_k penalty / (N + penalty) m_k m_k') / (N + penalty).

    Some of it is needed: one-hot columns of few people, or of two answers that go together, leave Sigma singular or
    nearly so.

    Args:
        matrix: (N, P) rows, standardised where ``penalty`` is above 0: the prior has its mean and its scale.
        labels: (N,) 0 or 1, both present.
        penalty: 0 or more, people.

    Raises:
        ValueError: Sigma is singular.
    """
    n, width = matrix.shape
    counts = np.bincount(labels, minlength=2).astype(np.float64)
    found = np.stack([matrix[labels == k].mean(axis=0) for k in (0, 1)])
    residual = matrix - found[labels]
    between = (found * (counts * penalty / (n + penalty))[:, None]).T @ found
    covariance = (residual.T @ residual + penalty * np.eye(width) + between) / (n + penalty)
    means = found * n / (n + penalty)
    weights = _solve(covariance, means[1] - means[0], penalty)
    bias = np.log(counts[1] / counts[0]) - 0.5 * (means[0] + means[1]) @ weights
    return Linear(weights, float(bias))


def _solve(covariance: FloatArray, difference: FloatArray, penalty: float) -> FloatArray:
    from scipy.linalg import LinAlgError, cho_factor, cho_solve

    # Rounding can hide a singular matrix from the factorisation: its squared pivots are then of the size of rounding.
    try:
        factor = cho_factor(covariance, lower=True)
        pivots = np.diag(factor[0]) ** 2
        if pivots.min() > 1e-12 * np.diag(covariance).max():
            return cho_solve(factor, difference)
    except LinAlgError:
        pass
    rank = np.linalg.matrix_rank(covariance, tol=1e-10, hermitian=True)
    raise ValueError(
        f"gaussian: the covariance of {len(covariance)} columns has rank {rank} with penalty = {penalty:g}, so that it "
        "has no inverse. Expected a penalty above 0 where columns are constant or follow from others."
    )


def fit_naive_bayes(
    matrix: FloatArray, labels: IntArray, penalty: float, blocks: list[slice], n_numbers: int
) -> Linear:
    """Naive Bayes: given the class, the blocks are independent of one another (Ng and Jordan 2002).

    Level l of a block with L levels has p(l | k) = (n_kl + penalty pi_k / L) / (n_k + penalty pi_k): the prior is worth
    ``penalty`` people whose answers say nothing of their income, spread evenly over the levels, in the classes' shares
    pi_k. The log-odds of a level count from those of the reference,

        w_l = log p(l | 1) / p(l | 0) - log p(ref | 1) / p(ref | 0).

    Numbers get no weight, for their bins are among the blocks: a column that counts twice would break the
    independence by construction.

    Args:
        matrix: (N, P) before standardisation: numbers first, then the 0/1 columns of the blocks, references left out.
        labels: (N,) 0 or 1, both present.
        penalty: 0 or more, people. At 0 a level without people of a class is weighed as if it had a millionth of one.
        blocks: the columns of each block.
        n_numbers: how many columns at the front are numbers.

    Returns:
        Weights of the matrix as it was given.
    """
    counts = np.array([(labels == 0).sum(), (labels == 1).sum()], dtype=np.float64)
    seen = np.stack([matrix[labels == k].sum(axis=0) for k in (0, 1)])
    weights = np.zeros(matrix.shape[1])
    bias = float(np.log(counts[1] / counts[0]))
    prior = np.maximum(penalty, 1e-6) * counts / counts.sum()
    for part in blocks:
        if part.start < n_numbers:
            raise ValueError(f"the block {part} overlaps the {n_numbers} numbers; expected blocks after them")
        reference = counts - seen[:, part].sum(axis=1)
        of_levels = np.concatenate([reference[:, None], seen[:, part]], axis=1)
        smoothed = np.log(of_levels + prior[:, None] / of_levels.shape[1]) - np.log(counts + prior)[:, None]
        log_ratio = smoothed[1] - smoothed[0]
        weights[part] = log_ratio[1:] - log_ratio[0]
        bias += float(log_ratio[0])
    return Linear(weights, bias)
