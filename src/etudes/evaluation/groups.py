"""Groups of people side by side: how often they are given the better answer, and how often wrongly."""

from __future__ import annotations

import warnings
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from etudes.evaluation.bootstrap import resample_weights

FloatArray = NDArray[np.float64]
IntArray = NDArray[np.int64]
RATES = ("base_rate", "accuracy", "positive_rate", "tpr", "fpr", "calibration_gap")
RATE_COLUMNS = [f"{rate}{end}" for rate in RATES for end in ("", ".low", ".high")]
LEVEL = 0.95


def group_tables(
    test: pd.DataFrame,
    probabilities: Mapping[str, FloatArray],
    attributes: Sequence[str],
    n_resamples: int,
    smallest: int,
    seed: int = 0,
) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Rates of every group of some attributes, and their distance to the largest group, with bootstrap intervals.

    Args:
        test: test rows with ``label`` (0/1) and the attributes.
        probabilities: P(1) (N,) of each variant; the answer is 1 above one half.
        attributes: columns of ``test`` that name the groups.
        n_resamples: resamples within each group, so that its size stays.
        smallest: groups of fewer people are left out.
        seed: of the resamples.

    Returns:
        The rates: ``variant``, ``attribute``, ``group``, ``people``, and each of `RATES` with ``.low`` and ``.high``:
        ``base_rate`` is the share of ones, ``positive_rate`` that of the answers, ``tpr`` and ``fpr`` among those who
        are and are not one (missing where there are none), ``calibration_gap`` the mean probability less the base
        rate. And the gaps: ``variant``, ``attribute``, ``group``, ``reference``, ``rate``, ``gap``, ``low``, ``high``.
    """
    rates: list[dict[str, Any]] = []
    gaps: list[dict[str, Any]] = []
    for attribute in attributes:
        counts = test[attribute].value_counts()
        groups = [str(group) for group in counts.index[counts >= smallest]]
        found = []
        for number, group in enumerate(groups):
            rows = (test[attribute] == group).to_numpy()
            labels = test["label"].to_numpy()[rows]
            columns = np.stack([_columns(labels, p[rows]) for p in probabilities.values()], axis=1)
            found.append(_resampled(columns, n_resamples, seed + number))
        for group, (point, resampled) in zip(groups, found, strict=True):
            for place, name in enumerate(probabilities):
                head = {"variant": name, "attribute": attribute, "group": group}
                values = np.stack([point[place], *_ends(resampled[:, place])], axis=1).ravel()
                rates.append(
                    {**head, "people": counts[group], **dict(zip(RATE_COLUMNS, values, strict=True))}
                )
                if group == groups[0]:
                    continue
                gap = point[place] - found[0][0][place]
                low, high = _ends(resampled[:, place] - found[0][1][:, place])
                for r, rate in enumerate(RATES):
                    ends = {"gap": gap[r], "low": low[r], "high": high[r]}
                    gaps.append({**head, "reference": groups[0], "rate": rate, **ends})
    keys = ["variant", "attribute", "group"]
    return (
        pd.DataFrame(rates, columns=[*keys, "people", *RATE_COLUMNS]),
        pd.DataFrame(gaps, columns=[*keys, "reference", "rate", "gap", "low", "high"]),
    )


def _columns(labels: IntArray, positive: FloatArray) -> FloatArray:
    """What the rates are sums of (n, 6): one, truth, answer, both, answer but not truth, probability."""
    truth, answer = labels.astype(np.float64), (positive > 0.5).astype(np.float64)
    return np.column_stack(
        [np.ones(len(labels)), truth, answer, answer * truth, answer * (1 - truth), positive]
    )


def _resampled(columns: FloatArray, n_resamples: int, seed: int) -> tuple[FloatArray, FloatArray]:
    """Rates (V, 6) of columns (n, V, 6), and those of the resamples (B, V, 6)."""
    flat = columns.reshape(len(columns), -1)
    sums = np.concatenate([weights @ flat for weights in resample_weights(len(flat), n_resamples, seed)])
    return _rates(columns.sum(axis=0)), _rates(sums.reshape(-1, *columns.shape[1:]))


def _rates(sums: FloatArray) -> FloatArray:
    """`RATES` (..., 6) from the sums of `_columns` (..., 6)."""
    people, truth, answer, hits, false, probability = np.moveaxis(sums, -1, 0)
    with np.errstate(invalid="ignore", divide="ignore"):  # a group without ones has no tpr
        rates = [
            truth / people,
            (people - truth - answer + 2 * hits) / people,
            answer / people,
            hits / truth,
            false / (people - truth),
            (probability - truth) / people,
        ]
    return np.stack(rates, axis=-1)


def _ends(values: FloatArray) -> FloatArray:
    """Low and high (2, 6) of resampled rates (B, 6); a resample in which one is missing says nothing of it."""
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", "All-NaN slice")  # of a rate that no resample has
        return np.nanquantile(values, [(1 - LEVEL) / 2, (1 + LEVEL) / 2], axis=0)
