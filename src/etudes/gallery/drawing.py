"""The picture of a study that has none of its own, as inline SVG in the colours of the page.

With a record: a dot for every variant, the trivial baseline hollow, a reference that is like for like a dashed line. A dot plot needs no
zero, so it serves returns and losses as well as shares. Without a record: the shape of the graph.
"""

from __future__ import annotations

import math
from typing import Any

from etudes.gallery.model import Entry

WIDTH, HEIGHT = 320, 190
ROWS = 8
LEFT, RIGHT, TOP, BOTTOM = 124, 304, 30, 152
LABEL = 16  # characters of a variant's name


def score_plot(entry: Entry) -> dict[str, Any]:
    """Geometry of the dot plot: its rows (best on top), ticks and the reference, in the units of the view box.

    At most `ROWS` variants are drawn, the baseline always among them.
    """
    record, metric = entry.record, entry.metric
    if record is None:
        raise ValueError(f"{entry.study.name} has no record to draw")
    baseline = entry.study.baseline
    reference = entry.reference if entry.reference and entry.reference.like_for_like else None
    order = sorted(record.scores, key=lambda v: record.scores[v].mean, reverse=entry.study.maximise)
    shown = order[:ROWS]
    if baseline in order and baseline not in shown:
        shown = [*order[: ROWS - 1], baseline]
    values = [
        value
        for variant in shown
        for score in (record.scores[variant],)
        for value in (score.mean, score.low, score.high)
        if value is not None
    ]
    low, high = _range([*values, *([reference.value] if reference else [])])
    step = (BOTTOM - TOP) / len(shown)

    def across(value: float) -> float:
        return round(LEFT + (value - low) / (high - low) * (RIGHT - LEFT), 1)

    rows = [
        {
            "name": variant if len(variant) <= LABEL else f"{variant[: LABEL - 1]}…",
            "y": round(TOP + (index + 0.5) * step, 1),
            "x": across(score.mean),
            "whisker": None
            if score.low is None or score.high is None
            else (across(score.low), across(score.high)),
            "kind": "best" if variant == entry.best else "baseline" if variant == baseline else "plain",
        }
        for index, variant in enumerate(shown)
        for score in (record.scores[variant],)
    ]
    ticks, digits = _ticks(low, high)
    return {
        "width": WIDTH,
        "height": HEIGHT,
        "left": LEFT,
        "right": RIGHT,
        "top": TOP,
        "bottom": BOTTOM,
        "rows": rows,
        "ticks": [
            {"x": across(tick), "text": f"{tick + 0.0:.{digits}f}".replace("-", "−")} for tick in ticks
        ],
        "reference": None if reference is None else across(reference.value),
        "metric": metric.text,
        "label": entry.headline,
    }


def shape(entry: Entry) -> dict[str, Any]:
    """Geometry of the small graph: five stages in a row, the variants above one another in the third."""
    middle = (TOP + BOTTOM) / 2
    xs = [44, 102, 160, 218, 276]
    count = len(entry.study.variants)
    step = min(18.0, (BOTTOM - TOP) / max(count - 1, 1))
    ys = [round(middle + (i - (count - 1) / 2) * step, 1) for i in range(count)]
    return {
        "width": WIDTH,
        "height": HEIGHT,
        "middle": middle,
        "xs": xs,
        "ys": ys,
        "radius": round(min(5.5, step * 0.36), 1) if count > 1 else 5.5,
        "label": f"Not recorded yet. {count} variants: {', '.join(entry.study.variants)}.",
    }


def _range(values: list[float]) -> tuple[float, float]:
    low, high = min(values), max(values)
    room = (high - low) * 0.06 or abs(high) * 0.1 or 1.0
    return low - room, high + room


def _ticks(low: float, high: float, aim: int = 4) -> tuple[list[float], int]:
    """Round numbers between two others, about ``aim`` of them, and the digits they need after the point."""
    rough = (high - low) / aim
    power = 10.0 ** math.floor(math.log10(rough))
    step = next(factor * power for factor in (1, 2, 5, 10) if factor * power >= rough)
    ticks = [round(i * step, 10) for i in range(math.ceil(low / step), math.floor(high / step) + 1)]
    return ticks, max(0, -math.floor(math.log10(step)))
