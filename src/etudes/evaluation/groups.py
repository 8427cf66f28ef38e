"""Groups of people side by side: how often they are given the better answer, and how often wrongly."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from etudes.evaluation.bootstrap import resample_weights

FloatArray = NDArray[np.float64]
IntArray = NDArray[np.int64]
RATES = ("base_rate", "accuracy", "positive_rate", "tpr", "fpr", "calibration_gap")
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
    names = list(probabilities)
    for attribute in attributes:
        counts = test[attribute].value_counts()
        groups = [str(group) for group in counts.index[counts >= smallest]]
        found = {}
        for number, group in enumerate(groups):
            rows = (test[attribute] == group).to_numpy()
            labels = test["label"].to_numpy()[rows]
            columns = np.stack([_columns(labels, probabilities[name][rows]) for name in names], axis=1)
            found[group] = _resampled(columns, n_resamples, seed + number)
        for group, (point, resampled) in found.items():
            for place, name in enumerate(names):
                row = {
                    "variant": name,
                    "attribute": attribute,
                    "group": group,
                    "people": int(counts[group]),
                }
                rates.append(row | _with_ends(point[place], resampled[:, place]))
                if group == groups[0]:
                    continue
                reference, reference_resampled = found[groups[0]]
                difference = resampled[:, place] - reference_resampled[:, place]
                for r, rate in enumerate(RATES):
                    low, high = _ends(difference[:, r])
                    gap = float(point[place, r] - reference[place, r])
                    head = {key: row[key] for key in ("variant", "attribute", "group")}
                    gaps.append(
                        {**head, "reference": groups[0], "rate": rate, "gap": gap, "low": low, "high": high}
                    )
    rate_columns = [f"{rate}{end}" for rate in RATES for end in ("", ".low", ".high")]
    return (
        pd.DataFrame(rates, columns=["variant", "attribute", "group", "people", *rate_columns]),
        pd.DataFrame(
            gaps, columns=["variant", "attribute", "group", "reference", "rate", "gap", "low", "high"]
        ),
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


def _with_ends(point: FloatArray, resampled: FloatArray) -> dict[str, float]:
    row = {}
    for r, rate in enumerate(RATES):
        row[rate] = float(point[r])
        row[f"{rate}.low"], row[f"{rate}.high"] = _ends(resampled[:, r])
    return row


def _ends(values: FloatArray) -> tuple[float, float]:
    there = values[np.isfinite(values)]
    if not len(there):
        return np.nan, np.nan
    low, high = np.quantile(there, [(1 - LEVEL) / 2, (1 + LEVEL) / 2])
    return float(low), float(high)
