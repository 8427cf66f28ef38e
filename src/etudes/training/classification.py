"""What classifiers of all kinds need beside their method: class weights, rows of two classes, a temperature."""

from __future__ import annotations

import numpy as np
from scipy.optimize import minimize_scalar
from scipy.special import log_softmax


def class_weights(labels: np.ndarray, n_classes: int, balance: float) -> np.ndarray:
    """Weights n_k^-balance of the classes, scaled so that the mean over examples is 1; shape (n_classes,).

    ``balance`` = 0 weighs all examples alike, 1 all classes alike. A class without examples gets 0.
    """
    counts = np.bincount(labels, minlength=n_classes).astype(float)
    weights = np.where(counts > 0, np.maximum(counts, 1.0) ** -balance, 0.0)
    return weights * counts.sum() / (weights * counts).sum()


def rows_of_classes(coefficients: np.ndarray, intercepts: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """One row for each class (K, F) and (K,), from scikit-learn, which of two classes keeps only the second's row."""
    coefficients, intercepts = np.atleast_2d(coefficients), np.atleast_1d(intercepts)
    if len(coefficients) > 1:
        return coefficients, intercepts
    return np.concatenate([-coefficients, coefficients]), np.concatenate([-intercepts, intercepts])


def fit_temperature(scores: np.ndarray, labels: np.ndarray) -> float:
    """The temperature T that minimises the log-loss of softmax(scores / T) on held-out rows (Guo et al. 2017).

    Args:
        scores: (N, K) decision values.
        labels: (N,) class indices.
    """

    def log_loss(log_temperature: float) -> float:
        log_probabilities = log_softmax(scores / np.exp(log_temperature), axis=1)
        return -float(log_probabilities[np.arange(len(labels)), labels].mean())

    return float(np.exp(minimize_scalar(log_loss, bounds=(-5.0, 5.0), method="bounded").x))
