"""Is one classifier better than another, and how sure is a mean over seeds?"""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import ArrayLike

from etudes.evaluation.bootstrap import check_level, quantile_interval, resample_weights
from etudes.evaluation.classification import Examples, weighted_metrics

COMPARED = ("accuracy", "macro_f1")


def paired_comparison(
    labels: ArrayLike,
    probabilities_a: ArrayLike,
    probabilities_b: ArrayLike,
    *,
    n_resamples: int = 1000,
    level: float = 0.95,
    seed: int = 0,
) -> dict[str, float]:
    """Difference a - b of two classifiers on the same examples, with intervals and McNemar's exact test.

    Both are measured on the same resamples, so what makes an example hard for both cancels in the difference.

    Args:
        labels: (N,) integers in 0..K-1.
        probabilities_a: (N, K) rows that sum to one.
        probabilities_b: (N, K), row i for the same example as row i of ``probabilities_a``.
        n_resamples, level, seed: as in `bootstrap_intervals`.

    Returns:
        ``accuracy_difference`` and ``macro_f1_difference`` (positive: a is better), each also with ``.low``
        and ``.high`` (percentile bootstrap); ``only_a_correct`` and ``only_b_correct``, the discordant
        counts; ``mcnemar_p``, two-sided exact binomial p-value that discordant examples fall to either side
        alike (McNemar: Psychometrika 12, 1947), 1 if there is none.

    Raises:
        ValueError: as `bootstrap_intervals`, or the two tables differ in shape.
    """
    a = Examples.check(labels, probabilities_a)
    b = Examples.check(labels, probabilities_b, n_classes=a.n_classes)
    check_level(level)
    observed = _differences(a, b, np.ones((1, len(a))))
    chunks = [_differences(a, b, weights) for weights in resample_weights(len(a), n_resamples, seed)]
    result: dict[str, float] = {}
    for name in COMPARED:
        key = f"{name}_difference"
        result[key] = float(observed[name][0])
        resampled = np.concatenate([chunk[name] for chunk in chunks])
        result[f"{key}.low"], result[f"{key}.high"] = quantile_interval(resampled, level)
    only_a = int(np.sum(a.correct & ~b.correct))
    only_b = int(np.sum(b.correct & ~a.correct))
    result["only_a_correct"], result["only_b_correct"] = float(only_a), float(only_b)
    result["mcnemar_p"] = _mcnemar(only_a, only_b)
    return result


def mean_interval(values: ArrayLike, level: float = 0.95, shared: float = 0.0) -> dict[str, float]:
    """Mean over seeds with Student's t-interval, for runs that are independent and roughly normal.

    Runs on repeated splits of the same rows are not independent, and their interval is too narrow by far. Nadeau and Bengio
    (Machine Learning 52, 2003) add the number of test rows over that of training rows to 1 / n: ``shared``.

    Args:
        values: (n,) finite numbers, one per seed, n >= 1.
        level: coverage aimed at, between 0 and 1.
        shared: test rows over training rows of a split, where runs are splits of the same rows; 0 for independent ones.

    Returns:
        ``mean`` and ``n``; from n = 2 on also ``std`` (sample standard deviation, divisor n - 1), ``low`` and
        ``high`` (mean ± t * std * sqrt(1 / n + shared), t with n - 1 degrees of freedom). One run says nothing of its
        spread, so for n = 1 these keys are absent rather than NaN.

    Raises:
        ValueError: not (n,), empty, not finite real numbers, ``level`` not within (0, 1), or ``shared`` below 0.
    """
    check_level(level)
    if not shared >= 0:
        raise ValueError(f"shared must be 0 or more, found {shared}")
    array = np.asarray(values)
    if array.ndim != 1 or array.size == 0:
        raise ValueError(f"values must have shape (n,) with n >= 1, found {array.shape}")
    if array.dtype.kind not in "fiu" or not np.isfinite(array).all():
        raise ValueError(f"values must be finite real numbers, found {array.tolist()}")
    n, mean = len(array), float(array.mean(dtype=np.float64))
    if n == 1:
        return {"mean": mean, "n": 1.0}
    from scipy.special import stdtrit  # the t quantile, without the slow import of scipy.stats

    std = float(array.std(ddof=1, dtype=np.float64))
    half = float(stdtrit(n - 1, (1 + level) / 2)) * std * math.sqrt(1 / n + shared)
    return {"mean": mean, "n": float(n), "std": std, "low": mean - half, "high": mean + half}


def _differences(a: Examples, b: Examples, weights: np.ndarray) -> dict[str, np.ndarray]:
    of_a, of_b = weighted_metrics(a, weights), weighted_metrics(b, weights)
    return {name: of_a[name] - of_b[name] for name in COMPARED}


def _mcnemar(only_a: int, only_b: int) -> float:
    if only_a + only_b == 0:
        return 1.0
    from scipy.stats import binomtest

    return float(binomtest(only_a, only_a + only_b, 0.5).pvalue)
