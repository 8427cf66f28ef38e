"""Scores on repeated splits of the same rows: means, paired differences, verdicts that count how many were asked.

A table of scores has a row for each split and whatever else tells them apart, and the column `SHARED`: test rows over training
rows of the split, without which the intervals would be too narrow (`etudes.evaluation.mean_interval`).
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence

import pandas as pd

from etudes.evaluation import mean_interval
from etudes.metrics import KNOWN

SHARED = "shared"
SPLIT = "split"
VERDICTS = ("better", "worse", "likely better", "likely worse", "open")


def summarise(
    scores: pd.DataFrame,
    keys: Sequence[str],
    columns: Sequence[str],
    metrics: Mapping[str, str] | None = None,
) -> pd.DataFrame:
    """Means over splits for each entry of the keys: ``<column>``, ``<column>.low``, ``<column>.high``, and how many ``splits``.

    The interval of a known metric is cut where the metric ends; ``metrics`` names those of columns that are called otherwise.
    """
    found = []
    for key, part in scores.groupby(list(keys), sort=False):
        row = dict(zip(keys, key, strict=True))
        for column in columns:
            ends = mean_interval(part[column].to_numpy(float), shared=part[SHARED].iloc[0])
            metric = KNOWN.get((metrics or {}).get(column, column))
            least, most = metric.bounds if metric else (-math.inf, math.inf)
            row[column] = ends["mean"]
            row[f"{column}.low"] = max(least, ends.get("low", math.nan))
            row[f"{column}.high"] = min(most, ends.get("high", math.nan))
        found.append(row | {"splits": len(part)})
    names = [f"{column}{end}" for column in columns for end in ("", ".low", ".high")]
    return pd.DataFrame(found, columns=[*keys, *names, "splits"])


def gains(
    scores: pd.DataFrame, method: str, keys: Sequence[str], value: str = "accuracy", level: float = 0.95
) -> pd.DataFrame:
    """What a method has more than each other ``variant`` of the same splits, with intervals and verdicts.

    So many intervals would miss 0 by chance somewhere. ``better`` and ``worse`` are of the interval at 1 - (1 - level) / m, for
    the m entries of the keys in which the method meets that variant (Bonferroni); ``likely`` where the interval at ``level``
    misses 0, which has not been corrected; ``open`` where it holds 0.

    Args:
        scores: with ``variant``, at least two splits of each.
        method: the variant in question.
        keys: what else a score is of, such as a table and a number of labels.
        value: the score.
        level: coverage aimed at.

    Returns:
        The keys, ``against``, ``gain``, ``low``, ``high``, ``verdict``; empty where the method is not among the variants.
    """
    wide = scores.pivot_table(
        index=[*keys, SPLIT, SHARED], columns="variant", values=value, sort=False
    ).reset_index()
    found = []
    for against in wide.columns.drop([*keys, SPLIT, SHARED, method]) if method in wide else ():
        groups = list(wide.groupby(list(keys), sort=False))
        for key, part in groups:
            difference, shared = (part[method] - part[against]).to_numpy(), part[SHARED].iloc[0]
            ends = mean_interval(difference, level, shared)
            sure = mean_interval(difference, 1 - (1 - level) / len(groups), shared)
            found.append([*key, against, ends["mean"], ends["low"], ends["high"], _verdict(ends, sure)])
    return pd.DataFrame(found, columns=[*keys, "against", "gain", "low", "high", "verdict"])


def gains_over(
    scores: pd.DataFrame, against: Sequence[str], keys: Sequence[str], value: str = "accuracy"
) -> pd.DataFrame:
    """What every variant has more than each of some (`gains`); verdicts count all variants and all entries of the keys.

    Returns:
        The keys, ``method``, ``against``, ``gain``, ``low``, ``high``, ``verdict``.
    """
    found = [gains(scores.iloc[:0].assign(method=""), "own", [*keys, "method"])]
    for other in against:
        theirs = scores[scores["variant"] == other]
        pairs = [
            pd.concat([own.assign(variant="own"), theirs]).assign(method=name)
            for name, own in scores.groupby("variant", sort=False)
            if name != other
        ]
        if len(theirs) and pairs:
            found.append(gains(pd.concat(pairs), "own", [*keys, "method"], value))
    return pd.concat(found[1:] or found, ignore_index=True)


def _verdict(ends: Mapping[str, float], sure: Mapping[str, float]) -> str:
    for words, interval in ((VERDICTS[:2], sure), (VERDICTS[2:4], ends)):
        if interval["low"] > 0 or interval["high"] < 0:
            return words[interval["high"] < 0]
    return VERDICTS[-1]


def verdicts(gained: pd.DataFrame, of: str) -> pd.DataFrame:
    """For each table and opponent of `gains` the entries of the key ``of`` with each verdict: ``better at`` ..., in words."""
    rows = [
        {"against": against, "table": table}
        | {f"{v} at": " ".join(map(str, part.loc[part["verdict"] == v, of])) or "–" for v in VERDICTS}
        for (against, table), part in gained.groupby(["against", "table"], sort=False)
    ]
    return pd.DataFrame(rows, columns=["against", "table", *(f"{v} at" for v in VERDICTS)])
