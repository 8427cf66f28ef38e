"""The one table that the benchmarks print."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

HEADINGS = ("what", "ours", "peer or bare", "ratio", "asked", "ok?")
MARKS = {True: "yes", False: "NO", None: "-"}


@dataclass(frozen=True)
class Row:
    """One comparison. ``ok`` is None where nothing is asked."""

    what: str
    ours: str
    peer: str = ""
    ratio: str = ""
    asked: str = ""
    ok: bool | None = None

    def cells(self) -> tuple[str, ...]:
        return (self.what, self.ours, self.peer, self.ratio, self.asked, MARKS[self.ok])


def at_most(what: str, ours: float, peer: float, limit: float, unit: str = "s") -> Row:
    """A cost: ``ours / peer`` must not exceed ``limit``."""
    ratio = ours / peer
    return Row(
        what, _number(ours, unit), _number(peer, unit), f"{ratio:.2f}x", f"<= {limit:g}x", ratio <= limit
    )


def at_least(what: str, ours: float, peer: float, limit: float, unit: str) -> Row:
    """A speed: ``ours / peer`` must reach ``limit``."""
    ratio = ours / peer
    return Row(
        what, _number(ours, unit), _number(peer, unit), f"{ratio:.3f}x", f">= {limit:g}x", ratio >= limit
    )


def _number(value: float, unit: str) -> str:
    return f"{value:,.0f} {unit}" if value >= 100 else f"{value:.2f} {unit}"


def render(rows: Sequence[Row]) -> str:
    """The rows as a Markdown table with aligned columns."""
    lines = [HEADINGS, *(row.cells() for row in rows)]
    widths = [max(len(line[column]) for line in lines) for column in range(len(HEADINGS))]
    texts = [
        " | ".join(cell.ljust(width) for cell, width in zip(line, widths, strict=True)) for line in lines
    ]
    rule = "-|-".join("-" * width for width in widths)
    return "\n".join(f"| {text} |" for text in (texts[0], rule, *texts[1:]))
