"""Numbers of several seeds as one: their values, mean and spread, and an interval over seeds and test rows.

A summary holds ``mean``, ``n`` and, from two seeds on, ``std``; ``low`` and ``high`` where there is an interval
(`etudes.evaluation.seeds`); ``values``, one a seed; and ``tests``, the interval of each seed's test rows, where the metric
has one. Records of before lack ``values`` and ``tests`` and have ``test_error`` instead: how far these intervals reach
below and above, in the mean.
"""

from __future__ import annotations

import math
import statistics
from collections.abc import Mapping, Sequence
from typing import Any

from etudes.evaluation.seeds import (
    Errors,
    rows_error,
    seeds_and_rows_interval,
    seeds_and_rows_p_value,
)
from etudes.metrics import Metric, metric_of
from etudes.study import RecordedTable

Summary = dict[str, Any]
Ends = tuple[float, float]


def summarise(values: Sequence[float], tests: Sequence[Ends] | None, metric: Metric | None) -> Summary:
    """A summary of one number a seed; ``tests`` are the intervals of their test rows, ``metric`` knows its bounds."""
    summary: Summary = {"mean": statistics.fmean(values), "n": len(values), "values": list(values)}
    if len(values) > 1:
        summary["std"] = statistics.stdev(values)
    if tests is not None:
        summary["tests"] = [list(ends) for ends in tests]
    return _with_interval(summary, metric)


def _with_interval(summary: Summary, metric: Metric | None) -> Summary:
    ends = seeds_and_rows_interval(
        summary["mean"],
        summary.get("std", 0.0),
        summary["n"],
        _error(summary),
        metric.bounds if metric else (-math.inf, math.inf),
    )
    kept = {key: value for key, value in summary.items() if key not in ("low", "high")}
    return kept if ends is None else kept | {"low": ends[0], "high": ends[1]}


def p_value(summary: Summary) -> float:
    """Of a difference that is 0, from the seeds and the test rows of its summary."""
    return seeds_and_rows_p_value(summary["mean"], summary.get("std", 0.0), summary["n"], _error(summary))


def _error(summary: Summary) -> Errors | None:
    if "tests" in summary:
        return rows_error(summary["values"], summary["tests"])
    return tuple(summary["test_error"]) if "test_error" in summary else None


def _added(
    summary: Summary | None, value: float, ends: Ends | None, place: int, metric: Metric | None
) -> Summary:
    """A summary with one value more, at a place among its seeds."""
    if summary is None:
        return summarise([value], None if ends is None else [ends], metric)
    if "values" in summary:
        values = [*summary["values"][:place], value, *summary["values"][place:]]
        tests = summary.get("tests")
        if tests is not None and ends is not None:
            return summarise(values, [*tests[:place], ends, *tests[place:]], metric)
        return summarise(values, None, metric)
    n, mean, std = summary["n"], summary["mean"], summary.get("std", 0.0)
    squares = (n - 1) * std**2 + n / (n + 1) * (value - mean) ** 2
    merged: Summary = {"mean": mean + (value - mean) / (n + 1), "n": n + 1, "std": math.sqrt(squares / n)}
    if "test_error" in summary and ends is not None:
        new = rows_error([value], [ends])
        pairs = zip(summary["test_error"], new, strict=True)
        merged["test_error"] = [math.sqrt((n * old**2 + more**2) / (n + 1)) for old, more in pairs]
    return _with_interval(merged, metric)


def summarise_metrics(runs: Sequence[Mapping[str, float]]) -> dict[str, Summary]:
    """Summaries of flat metrics, one mapping a seed, with ``.low`` and ``.high`` where test rows give an interval."""
    found = {}
    for name in runs[0]:
        if name.endswith((".low", ".high")):
            continue
        tests = [ends for run in runs if (ends := _ends(run, name)) is not None]
        values = [run[name] for run in runs]
        found[name] = summarise(
            values, tests if len(tests) == len(runs) else None, metric_of(name.split(".", 1)[-1])
        )
    return found


def with_value(name: str, summary: Summary, metrics: Mapping[str, float], place: int) -> Summary:
    """The summary of a flat metric with the value of a further seed."""
    return _added(summary, metrics[name], _ends(metrics, name), place, metric_of(name.split(".", 1)[-1]))


def _ends(metrics: Mapping[str, float], name: str) -> Ends | None:
    low, high = metrics.get(f"{name}.low"), metrics.get(f"{name}.high")
    return None if low is None or high is None else (low, high)


def average_table(
    entry: RecordedTable, tables: Sequence[Sequence[Mapping[str, Any]]]
) -> list[dict[str, Any]]:
    """Rows of the same keys in all seeds as one row: keys as they are, values as summaries.

    Raises:
        RuntimeError: a table lacks one of the columns that the study asks to record, or a key occurs twice.
    """
    result: dict[tuple[Any, ...], dict[str, Any]] = {}
    for place, rows in enumerate(tables):
        seen = set()
        for row in rows:
            key = row_key(entry, row)
            if key in seen:
                raise RuntimeError(f"table {entry.name}: {', '.join(entry.keys)} do not tell its rows apart")
            seen.add(key)
            found = result.setdefault(
                key, dict(zip(entry.keys, key, strict=True)) | dict.fromkeys(entry.values)
            )
            _add_row(entry, found, row, place)
    return list(result.values())


def merge_table(
    entry: RecordedTable, recorded: Sequence[dict[str, Any]], rows: Sequence[Mapping[str, Any]], place: int
) -> list[dict[str, Any]]:
    """A recorded table with the rows of a further seed."""
    result = {tuple(row[name] for name in entry.keys): dict(row) for row in recorded}
    for row in rows:
        key = row_key(entry, row)
        found = result.setdefault(key, dict(zip(entry.keys, key, strict=True)) | dict.fromkeys(entry.values))
        _add_row(entry, found, row, place)
    return list(result.values())


def row_key(entry: RecordedTable, row: Mapping[str, Any]) -> tuple[Any, ...]:
    """What tells a row of a recorded table from the others.

    Raises:
        RuntimeError: the row lacks one of the columns that the study asks to record.
    """
    missing = [name for name in (*entry.keys, *entry.values) if name not in row]
    if missing:
        there = ", ".join(map(str, row))
        raise RuntimeError(f"table {entry.name} has no column {', '.join(missing)}; it has {there}")
    return tuple(row[name] for name in entry.keys)


def _add_row(entry: RecordedTable, found: dict[str, Any], row: Mapping[str, Any], place: int) -> None:
    for index, name in enumerate(entry.values):
        value = row[name]
        if math.isnan(value):  # a gap is not a number
            continue
        ends = _row_ends(row, name, first=index == 0)
        found[name] = _added(found[name], float(value), ends, place, table_metric(entry, row, name))


def _row_ends(row: Mapping[str, Any], name: str, first: bool) -> Ends | None:
    """The interval of a value in a row of a table: ``elbo.low``, ``fitted_low`` of ``fitted_success``, or ``low`` of the first."""
    group = name.rpartition("_")[0]
    for start in (f"{name}.", *([f"{group}_"] * bool(group)), *([""] * first)):
        low, high = row.get(f"{start}low"), row.get(f"{start}high")
        if low is not None and high is not None:
            return None if math.isnan(low) or math.isnan(high) else (float(low), float(high))
    return None


def table_metric(entry: RecordedTable, row: Mapping[str, Any], column: str) -> Metric | None:
    """The known metric behind a value of a recorded table, as the table says by a key of the row, or by its column.

    A difference of two values of a metric is none: it may be below 0.
    """
    from etudes.metrics import KNOWN

    named = [
        entry.metrics[name] for name in (column, *(row[key] for key in entry.keys)) if name in entry.metrics
    ]
    if column not in entry.metrics and "difference" in column.split("_"):
        return None
    return KNOWN.get(named[0] if named else str(row.get("metric", column)))


def mean_resources(values: Sequence[Any]) -> Any:
    """Element-wise mean of equally shaped nested dicts of numbers."""
    first = values[0]
    if isinstance(first, Mapping):
        return {key: mean_resources([value[key] for value in values]) for key in first}
    return statistics.fmean(values)


def merge_resources(mean: Any, new: Any, n: int) -> Any:
    """The element-wise mean of ``n`` nested dicts with one more."""
    if isinstance(mean, Mapping):
        return {key: merge_resources(mean[key], new[key], n) for key in mean}
    return (n * mean + new) / (n + 1)


def rounded(value: Any) -> Any:
    """Nested dicts and lists with floats of five decimals."""
    if isinstance(value, dict):
        return {key: rounded(item) for key, item in value.items()}
    if isinstance(value, list):
        return [rounded(item) for item in value]
    return round(value, 5) if isinstance(value, float) else value
