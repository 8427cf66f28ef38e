"""Which labels of a data set are wrong? Confident learning, from probabilities by models that did not know the label.

Northcutt, Jiang and Chuang, *Confident Learning*, JAIR 70, 2021 (arXiv:1911.00068). N examples of K classes.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

FloatArray = NDArray[np.float64]
IntArray = NDArray[np.int64]
NONE = -1


def held_out_probabilities(
    answers: Callable[[IntArray, IntArray], FloatArray], folds: IntArray, classes: int
) -> FloatArray:
    """Probabilities (N, K) of each example by a model of the other folds.

    Args:
        answers: (rows to learn from, rows to answer) -> probabilities of the latter.
        folds: (N,) the fold of each example.
        classes: K.
    """
    found = np.empty((len(folds), classes))
    for fold in np.unique(folds):
        found[folds == fold] = answers(np.flatnonzero(folds != fold), np.flatnonzero(folds == fold))
    return found


def confident_classes(labels: IntArray, held_out: FloatArray) -> IntArray:
    """The class (N,) that each example confidently belongs to, `NONE` where it is none.

    Equation 1 of the paper: t_j is the mean of p_j over the examples labelled j; an example belongs to the most probable of the
    classes with p_j >= t_j.

    Args:
        labels: (N,) in 0..K-1, each class there.
        held_out: (N, K), by models that did not know the label.

    Raises:
        ValueError: shapes that differ, or a class without examples, which has no threshold.
    """
    if labels.ndim != 1 or held_out.ndim != 2 or len(labels) != len(held_out):
        raise ValueError(
            f"expected labels (N,) and probabilities (N, K), found {labels.shape} and {held_out.shape}"
        )
    counts = np.bincount(labels, minlength=held_out.shape[1])
    if len(counts) > held_out.shape[1] or not counts.all():
        raise ValueError(
            f"expected each of {held_out.shape[1]} classes among the labels, found the counts {counts}"
        )
    thresholds = np.array([held_out[labels == j, j].mean() for j in range(len(counts))])
    eligible = np.where(held_out >= thresholds, held_out, -np.inf)
    return np.where(np.isfinite(eligible).any(axis=1), eligible.argmax(axis=1), NONE)


def suspects(labels: IntArray, held_out: FloatArray) -> NDArray[np.bool_]:
    """Which examples (N,) confidently belong to another class than their label says: off the diagonal of the confident joint."""
    found = confident_classes(labels, held_out)
    return (found != NONE) & (found != labels)


def planted(labels: IntArray, share: float, classes: int, seed: int) -> tuple[IntArray, NDArray[np.bool_]]:
    """Labels (N,) of which a share were exchanged for another class, drawn evenly; and which.

    With these a rule that finds wrong labels has a truth to be measured by.
    """
    generator = np.random.default_rng(seed)
    wrong = np.zeros(len(labels), bool)
    wrong[generator.permutation(len(labels))[: round(share * len(labels))]] = True
    other = (labels + generator.integers(1, classes, len(labels))) % classes
    return np.where(wrong, other, labels), wrong
