"""A logarithmic opinion pool of the other variants, weighted on dev.

log p(k | film) = sum_m w_m log p_m(k | film) - shift * log p(k) + constant, with weights w_m >= 0 that minimise the
log-loss on dev (Heskes 1998). ``shift`` takes part of the class prior out, which trades a little accuracy for the
rare classes.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
from scipy.special import log_softmax, softmax

from etudes.evaluation.classification import classification_metrics
from etudes.models import register_model
from etudes.pipelines.genre_classification.parameters import CombinationParameters
from etudes.stored import Stored
from etudes.training.parameters import RunParameters
from etudes.training.seeds import derive_seed

FLOOR = 1e-6


def log_probabilities(probabilities: np.ndarray) -> np.ndarray:
    """Logarithms with a floor, so that one member's zero is no veto."""
    return np.log(np.maximum(probabilities, FLOOR))


def fit_weights(logs: np.ndarray, labels: np.ndarray) -> np.ndarray:
    """Non-negative weights (members,) that minimise the log-loss of the pool.

    Args:
        logs: log-probabilities (members, N, K).
        labels: (N,) class indices.
    """
    from scipy.optimize import minimize  # answering needs none of it, and it takes half a second

    rows = np.arange(len(labels))

    def loss_and_gradient(weights: np.ndarray) -> tuple[float, np.ndarray]:
        pooled = np.tensordot(weights, logs, axes=1)
        log_p = log_softmax(pooled, axis=1)
        expected = np.einsum("nk,mnk->m", np.exp(log_p), logs)
        gradient = (expected - logs[:, rows, labels].sum(1)) / len(labels)
        return -float(log_p[rows, labels].mean()), gradient

    start = np.full(len(logs), 1.0 / len(logs))
    found = minimize(loss_and_gradient, start, jac=True, bounds=[(0.0, None)] * len(logs), method="L-BFGS-B")
    return found.x


def cross_fitted(
    logs: np.ndarray, labels: np.ndarray, prior: np.ndarray, shift: float, seed: int, folds: int = 5
) -> np.ndarray:
    """Pooled probabilities (N, K) of each dev row with weights fitted on the other folds: an unbiased dev score."""
    fold = np.random.default_rng(seed).permutation(len(labels)) % folds
    result = np.empty(logs.shape[1:])
    for k in range(folds):
        weights = fit_weights(logs[:, fold != k], labels[fold != k])
        result[fold == k] = pool(logs[:, fold == k], weights, prior, shift)
    return result


def pool(logs: np.ndarray, weights: np.ndarray, prior: np.ndarray, shift: float) -> np.ndarray:
    """Pooled probabilities (N, K) of log-probabilities (members, N, K)."""
    return softmax(np.tensordot(weights, logs, axes=1) - shift * np.log(np.maximum(prior, FLOOR)), axis=1)


@register_model("genre_classification.combination")
@dataclass
class Combination(Stored):
    """The pool with its members."""

    members: dict[str, Any]
    weights: np.ndarray
    prior: np.ndarray
    shift: float

    def predict_proba(self, frame: pd.DataFrame, known: Mapping[str, np.ndarray] | None = None) -> np.ndarray:
        """Pooled probabilities (N, K); ``known`` holds members' answers to these films that are at hand already."""
        known = known or {}
        answers = [known[n] if n in known else m.predict_proba(frame) for n, m in self.members.items()]
        logs = np.stack([log_probabilities(answer) for answer in answers])
        return pool(logs, self.weights, self.prior, self.shift)


def train_combination(
    dev_split: pd.DataFrame,
    split_card: dict[str, Any],
    members: dict[str, Any],
    parameters: CombinationParameters,
    run: RunParameters,
) -> tuple[Combination, dict[str, Any]]:
    """Weigh the trained members on dev; the dev score is cross-fitted, so that it compares with the others'.

    Raises:
        ValueError: no member was trained.
    """
    members = {name: model for name, model in members.items() if name in parameters.members}
    if not members:
        raise ValueError("combination: none of its members was trained; add some to `variants`")
    prior, shift = np.array(split_card["train_shares"]), parameters.prior_shift
    logs = np.stack([log_probabilities(member.predict_proba(dev_split)) for member in members.values()])
    labels = dev_split["label"].to_numpy()
    held_out = cross_fitted(logs, labels, prior, shift, derive_seed(run.seed, "combination"))
    weights = fit_weights(logs, labels)
    # A member that the pool does not use need not be carried along, stored and asked.
    kept = weights > 1e-3
    if not kept.any():  # all are worse than a guess; the pool then is one
        kept[:] = True
    used = {name: member for (name, member), keep in zip(members.items(), kept, strict=True) if keep}
    model = Combination(used, weights[kept], prior, shift)
    told = dict(zip(used, model.weights.tolist(), strict=True))
    return model, {"dev": classification_metrics(labels, held_out), "epochs": [], "weights": told}
