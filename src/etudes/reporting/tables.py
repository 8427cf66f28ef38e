"""Tables of a report, above all the opening one: every variant, the trivial baseline, the numbers of others."""

from __future__ import annotations

import math
import numbers
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

from etudes.metrics import (
    Measured,
    Metric,
    ReferenceLike,
    as_metric,
    check_variants,
    measured,
)

Kind = Literal["plain", "baseline", "reference"]
INTERVAL = re.compile(r"([+-]?[\d.,]+) (\[[+-]?[\d.,]+, [+-]?[\d.,]+\])$")


@dataclass(frozen=True)
class Cell:
    """A cell: its text, a second part in smaller type, whether it is the best of its column, whether a number."""

    text: str
    small: str = ""
    best: bool = False
    number: bool = False


@dataclass(frozen=True)
class Row:
    """A row: its head (the cell that names it) with a tag, the other cells, and a remark on a line of its own."""

    head: str
    cells: tuple[Cell, ...]
    tag: str = ""
    remark: str = ""
    kind: Kind = "plain"


@dataclass(frozen=True)
class Heading:
    """The head of a column; ``arrow`` is shown and ``spoken`` read out in its place."""

    text: str
    small: str = ""
    number: bool = False
    primary: bool = False
    arrow: str = ""
    spoken: str = ""


@dataclass(frozen=True)
class Table:
    """A table as the page renders it. The first heading stands over the heads of the rows."""

    caption: str
    headings: tuple[Heading, ...]
    rows: tuple[Row, ...]
    note: str = ""


def lead_table(
    metrics: Mapping[str, float],
    variants: Sequence[str],
    columns: Sequence[str | Metric],
    baseline: str | None = None,
    references: Sequence[ReferenceLike] = (),
    primary: str = "",
    *,
    caption: str = "Every variant on the test split",
    interval: str = "95 % interval",
) -> Table:
    """The opening table: variants by metrics, best by the primary metric on top, then the numbers of others.

    Args:
        metrics: flat ``variant.metric`` values, with ``.low`` and ``.high`` where there is an interval.
        variants: all variants of the study; those without any value in the columns (skipped ones) are left out.
        columns: metrics in the order of the columns, known names or `Metric`.
        baseline: the trivial variant; its row is marked.
        references: one row each below the variants, with source, like-for-like and note.
        primary: name of the metric that sorts the rows; the first column if empty.
        caption: caption of the table.
        interval: what the brackets are, for the note below the table.

    Returns:
        The table. The best variant of every column (by the metric's direction, ties included) is marked.

    Raises:
        ValueError: no columns, a metric twice or unknown, ``primary`` or a reference's metric is no column.
    """
    shown = [as_metric(column) for column in columns]
    names = [metric.name for metric in shown]
    primary = primary or (names[0] if names else "")
    _check_columns(names, primary, references)
    values = {
        variant: {name: measured(metrics, variant, name) for name in names}
        for variant in check_variants(variants)
    }
    values = {variant: found for variant, found in values.items() if any(found.values())}
    best = {metric.name: _best(values, metric) for metric in shown}
    key = shown[names.index(primary)]
    rows = [
        Row(
            variant,
            (*(_measured_cell(values[variant][m.name], m, best[m.name]) for m in shown), Cell("")),
            tag="trivial baseline" if variant == baseline else "",
            kind="baseline" if variant == baseline else "plain",
        )
        for variant in _sorted(values, key)
    ]
    rows += [_reference_row(reference, shown) for reference in references]
    if not references:
        rows = [Row(row.head, row.cells[:-1], row.tag, row.remark, row.kind) for row in rows]
    headings = [Heading("variant")]
    headings += [Heading(m.text, m.unit, True, m.name == primary, m.arrow, m.direction) for m in shown]
    headings += [Heading("like for like")] if references else []
    intervals = any(m is not None and m.low is not None for found in values.values() for m in found.values())
    note = "Bold: best variant of the column; ↑ higher is better, ↓ lower is better." + (
        f" Brackets: {interval}." if intervals else ""
    )
    note += " Like for like: same data, same split, same metric." if references else ""
    return Table(caption, tuple(headings), tuple(rows), note)


def frame_table(
    frame: Any, caption: str, note: str = "", columns: Sequence[str] | None = None, digits: int = 3
) -> Table:
    """A table from a DataFrame or a list of dicts.

    Args:
        frame: rows; the first column names the row.
        caption: caption of the table.
        note: small text below.
        columns: columns to show, in order; all of the frame (of the first dict) if not given.
        digits: significant digits of floats.

    Raises:
        ValueError: a column is missing, or no columns at all.
    """
    records = frame.to_dict("records") if hasattr(frame, "to_dict") else [dict(row) for row in frame]
    there = list(frame.columns) if hasattr(frame, "columns") else list(records[0]) if records else []
    names = list(there if columns is None else columns)
    missing = [str(name) for name in names if name not in there and records]
    if missing or not names:
        raise ValueError(
            f"table '{caption}' lacks the columns {', '.join(missing) or '(it has none at all)'}"
        )
    absent = [f"row {i}" for i, row in enumerate(records) if any(name not in row for name in names)]
    if absent:
        raise ValueError(
            f"table '{caption}': {', '.join(absent[:5])} lack some of {', '.join(map(str, names))}"
        )
    numeric = {name: bool(records) and all(_is_number(row[name]) for row in records) for name in names}
    texts = {name: format_column([row[name] for row in records], digits) for name in names}
    for name in names[1:]:
        numeric[name] |= bool(records) and all(text == "–" or INTERVAL.match(text) for text in texts[name])
    rows = tuple(
        Row(texts[names[0]][i], tuple(_cell(texts[n][i], numeric[n]) for n in names[1:]))
        for i in range(len(records))
    )
    headings = tuple(Heading(str(name).replace("_", " "), number=numeric[name]) for name in names)
    return Table(caption, headings, rows, note)


def _cell(text: str, number: bool) -> Cell:
    """A cell; of a number with its interval, the interval below it as in the opening table."""
    found = INTERVAL.match(text)
    return Cell(found[1], found[2], number=True) if found is not None else Cell(text, number=number)


def format_value(value: Any, digits: int = 4) -> str:
    """A value as text: yes and no, thousands apart, floats to ``digits`` significant digits, a dash for nothing."""
    if value is None or (isinstance(value, float) and math.isnan(value)) or _is_missing(value):
        return "–"
    if isinstance(value, bool) or type(value).__name__ in ("bool_", "bool"):
        return "yes" if value else "no"
    if isinstance(value, numbers.Integral):
        return f"{int(value):,}"
    if isinstance(value, numbers.Real):
        number = float(value)
        plain = number != 0 and (abs(number) >= 10**digits or abs(number) < 1e-4)
        return f"{number:,.0f}" if plain and 1 <= abs(number) < 1e9 else f"{number:.{digits}g}"
    return str(value)


def format_column(values: Sequence[Any], digits: int = 3) -> list[str]:
    """Values of a column as texts: floats share the decimals that give the largest of them ``digits`` figures.

    So points stand below each other; where a small value would be rounded to nothing, each is formatted alone.
    """
    floats = [abs(float(v)) for v in values if isinstance(v, float) and math.isfinite(v)]
    if not floats or not all(_is_number(v) for v in values):
        return [format_value(value, digits) for value in values]
    decimals = max(0, digits - 1 - math.floor(math.log10(max(floats) or 1.0)))
    if decimals > 6 or any(0 < value < 0.5 * 10**-decimals for value in floats):
        return [format_value(value, digits) for value in values]
    return [f"{round(v, decimals) + 0.0:,.{decimals}f}" if math.isfinite(v) else "–" for v in values]


def _check_columns(names: Sequence[str], primary: str, references: Iterable[ReferenceLike]) -> None:
    if not names or len(set(names)) != len(names):
        raise ValueError(
            f"columns must be different metrics, at least one, found {', '.join(names) or 'none'}"
        )
    if primary not in names:
        raise ValueError(f"primary = '{primary}', expected one of the columns {', '.join(names)}")
    for reference in references:
        if reference.metric not in names:
            raise ValueError(
                f"the reference '{reference.name}' measures '{reference.metric}', which is no column"
            )


def _sorted(values: Mapping[str, Mapping[str, Measured | None]], key: Metric) -> list[str]:
    def place(variant: str) -> tuple[bool, float]:
        found = values[variant][key.name]
        if found is None:
            return True, 0.0
        return False, -key.merit(found.value)

    return sorted(values, key=place)


def _best(values: Mapping[str, Mapping[str, Measured | None]], metric: Metric) -> float | None:
    there = [found.value for row in values.values() if (found := row[metric.name]) is not None]
    if not there:
        return None
    return max(there, key=metric.merit)


def _measured_cell(found: Measured | None, metric: Metric, best: float | None) -> Cell:
    if found is None:
        return Cell("–", number=True)
    small = ""
    if found.low is not None and found.high is not None:
        small = f"[{metric.format(found.low)}, {metric.format(found.high)}]"
    return Cell(metric.format(found.value), small, best=found.value == best, number=True)


def _reference_row(reference: ReferenceLike, shown: Sequence[Metric]) -> Row:
    cells = [
        Cell(m.format(reference.value) if m.name == reference.metric else "", number=True) for m in shown
    ]
    remarks = "; ".join(filter(None, (reference.note, f"source: {reference.source}")))
    like = Cell("yes" if reference.like_for_like else reference.likeness)
    return Row(reference.name, (*cells, like), "reference", remarks, kind="reference")


def _is_number(value: Any) -> bool:
    return isinstance(value, numbers.Real) and not isinstance(value, bool)


def _is_missing(value: Any) -> bool:
    return type(value).__name__ in ("NAType", "NaTType")
