"""One self-contained HTML page: texts, tables, figures and examples, in the order in which they were added.

The page loads nothing: style, script, data and plotly itself, compressed, are inside, and a content security policy lets
only those scripts run. Every text is escaped; `Report.html` alone takes markup, from code and never from data.
"""

from __future__ import annotations

import base64
import hashlib
import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any, Self

from markupsafe import Markup

from etudes.reporting.bundle import plotly_for
from etudes.reporting.prose import paragraphs
from etudes.reporting.tables import Table, format_value, frame_table

if TYPE_CHECKING:
    import plotly.graph_objects as go

TEMPLATES = Path(__file__).parent / "templates"
EXAMPLE_KEYS = ("text", "truth", "predicted", "probability")
LONG_TEXT = 320  # characters after which an example is collapsed
SHORT_COMMIT = 10  # characters
TITLELESS_TOP = 30  # pixels above a figure whose title the page prints; plotly's buttons need them
RUN = "<!-- run -->"  # in the template; no text of a page can hold it unescaped
# Traces drawn with WebGL build functions from text at run time, which the policy forbids unless it must.
WEBGL = re.compile(r"gl$|3d$|^(splom|parcoords|surface|cone|streamtube|isosurface|volume)$")


@dataclass(frozen=True)
class Block:
    """A piece of the page; ``kind`` chooses how the template prints it."""

    kind: str
    content: dict[str, Any] = field(default_factory=dict)


class Report:
    """Builder of a report page; every method returns the report, so that calls can be chained.

    Args:
        title: headline.
        summary: a paragraph or two below it, as in `text`.
        badges: short marks in the headline that a reader must not miss, such as ``embedded sample``.
        facts: names and values printed below the summary (data, sizes, versions).
        fingerprints: names and values that are folded away below them.
    """

    def __init__(
        self,
        title: str,
        summary: str,
        badges: Sequence[str] = (),
        facts: Mapping[str, Any] | None = None,
        fingerprints: Mapping[str, Any] | None = None,
    ) -> None:
        if isinstance(badges, str):
            raise ValueError(f"badges must be a list of texts, found the text '{badges}'")
        self.title = title
        self.summary = summary
        self.badges = list(badges)
        self.facts, self.fingerprints = dict(facts or {}), dict(fingerprints or {})
        self._blocks: list[Block] = []
        self._sections: list[str] = []
        self._figures = 0
        self._traces: set[str] = set()

    def section(self, title: str, lead: str = "") -> Self:
        """Start a section; ``lead`` is its first paragraph, as in `text`."""
        self._sections.append(title)
        return self._add("section", id=len(self._sections), title=title, lead=paragraphs(lead))

    def text(self, text: str) -> Self:
        """A text in Markdown; HTML in it is shown as text."""
        return self._add("markup", markup=paragraphs(text))

    def html(self, markup: str) -> Self:
        """Markup as it is. Only for markup written in code: nothing is escaped. Scripts in it do not run."""
        return self._add("markup", markup=Markup(markup))

    def table(
        self,
        table: Any,
        caption: str = "",
        note: str = "",
        columns: Sequence[str] | None = None,
        digits: int = 3,
    ) -> Self:
        """Add a `Table`, or a DataFrame or list of dicts, whose first column names the rows.

        Args:
            table: what to show; of a ready `Table` the other arguments are ignored.
            caption: needed for all but a ready `Table`.
            note: small text below the table.
            columns: columns to show, in order.
            digits: significant digits of floats.

        Raises:
            ValueError: no caption, or a column that is missing.
        """
        if not isinstance(table, Table):
            if not caption:
                raise ValueError("a table needs a caption")
            table = frame_table(table, caption, note, columns, digits)
        return self._add("table", table=table)

    def figure(self, fig: go.Figure, caption: str, note: str = "") -> Self:
        """Add a plotly figure, drawn when it is scrolled into view.

        Its title becomes a heading, its drop-down menus become lists of the page (usable by keyboard and in both
        themes). ``layout.meta["min_width"]`` is the width in pixels below which it scrolls in its box.

        Args:
            fig: the figure; left as it is.
            caption: what is to be seen, printed below and read by screen readers.
            note: small text after the caption, such as how to read the figure.
        """
        data = json.loads(fig.to_json())
        layout = data.setdefault("layout", {})
        title = _heading(layout)
        meta = layout.get("meta")
        self._figures += 1
        self._traces |= {trace.get("type", "scatter") for trace in data["data"]}
        return self._add(
            "figure",
            number=self._figures,
            title=title,
            label=f"{title}. {caption}" if title else caption,
            caption=caption,
            note=note,
            height=int(layout.get("height") or 450),
            min_width=int(meta.get("min_width", 0)) if isinstance(meta, dict) else 0,
            level=3 if self._sections else 2,
            json=_script_json({"data": data["data"], "layout": layout}),
        )

    def image(self, png: bytes, caption: str, alt: str, note: str = "") -> Self:
        """Add a PNG picture; ``alt`` says in words what it shows.

        Raises:
            ValueError: the bytes are no PNG, or ``alt`` is empty.
        """
        if not png.startswith(b"\x89PNG\r\n\x1a\n") or not alt:
            raise ValueError("a picture must be PNG bytes and have an alternative text")
        source = f"data:image/png;base64,{base64.b64encode(png).decode()}"
        self._figures += 1
        return self._add("image", number=self._figures, source=source, caption=caption, alt=alt, note=note)

    def examples(self, rows: Sequence[Mapping[str, Any]], caption: str = "Confident mistakes") -> Self:
        """Cards of single predictions; a long text is collapsed.

        Args:
            rows: dicts with ``text``, ``truth``, ``predicted`` and ``probability`` (0..1, of the predicted
                class); further keys are printed as they are.
            caption: heading of the cards.

        Raises:
            ValueError: a row lacks a key, or a probability is none.
        """
        cards = [_card(row, index) for index, row in enumerate(rows)]
        return self._add("examples", cards=cards, caption=caption, level=3 if self._sections else 2)

    def render(self) -> str:
        """The whole page as HTML."""
        from jinja2 import Environment, FileSystemLoader, StrictUndefined

        environment = Environment(
            loader=FileSystemLoader(TEMPLATES),
            autoescape=True,  # the extension .j2 would switch it off
            undefined=StrictUndefined,
            trim_blocks=True,
            lstrip_blocks=True,
        )
        script, theme = f"{_asset('plotly.js')}\n{_asset('report.js')}", _asset("theme.js")
        drawn = any(block.kind == "figure" for block in self._blocks)
        plotly = plotly_for(self._traces) if drawn else None
        digests = [*map(_digest, (theme, script)), *([plotly.digest] if plotly else [])]
        return environment.get_template("report.html.j2").render(
            title=self.title,
            summary=paragraphs(self.summary),
            badges=self.badges,
            facts={name: format_value(value) for name, value in self.facts.items()},
            fingerprints=self.fingerprints,
            sections=self._sections,
            blocks=self._blocks,
            run=Markup(RUN),
            policy=_policy(digests, any(map(WEBGL.search, self._traces))),
            style=Markup(_asset("report.css")),
            script=Markup(script),
            theme=Markup(theme),
            plotly=plotly.packed if plotly else "",
        )

    def _add(self, kind: str, **content: Any) -> Self:
        self._blocks.append(Block(kind, content))
        return self


def _heading(layout: dict[str, Any]) -> str:
    """Take the title out of a layout, as plain text: in the page it is a heading, which wraps on a phone."""
    title = layout.pop("title", None)
    text = str(title.get("text") or "") if isinstance(title, dict) else str(title or "")
    if not text:
        return ""
    layout.setdefault("margin", {})["t"] = TITLELESS_TOP
    return Markup(re.sub(r"<br\s*/?>", " ", text)).striptags()


def _script_json(value: Any) -> Markup:
    """JSON for a script element: no ``<``, so neither ``</script>`` nor ``<!--`` can end or change it."""
    text = json.dumps(value, separators=(",", ":"), ensure_ascii=True)
    return Markup(text.replace("<", "\\u003c").replace(">", "\\u003e").replace("&", "\\u0026"))


def _card(row: Mapping[str, Any], index: int) -> dict[str, Any]:
    missing = [key for key in EXAMPLE_KEYS if key not in row]
    if missing:
        raise ValueError(f"example {index} lacks {', '.join(missing)}")
    probability = float(row["probability"])
    if not 0 <= probability <= 1:
        raise ValueError(f"example {index}: probability = {probability}, expected a number in 0..1")
    text = str(row["text"])
    start = text[:LONG_TEXT].rsplit(" ", 1)[0] if len(text) > LONG_TEXT else ""
    return {
        "text": text,
        "start": start,
        "truth": str(row["truth"]),
        "predicted": str(row["predicted"]),
        "probability": f"{probability:.1%}",
        "more": {str(key): format_value(value) for key, value in row.items() if key not in EXAMPLE_KEYS},
    }


@cache
def _asset(name: str) -> str:
    return (TEMPLATES / name).read_text(encoding="utf-8").strip()


def stamped(page: str, ended: datetime, commit: str | None, run_id: str) -> str:
    """The page with the run that it is of below its headline; a page itself is made of the results alone.

    Args:
        page: as `Report.render` gives it.
        ended: when it was written.
        commit: of the code, if it is known.
        run_id: of the tracker.
    """
    when = ended.astimezone(UTC)
    parts = [
        Markup('<time datetime="{}">{}</time>').format(
            when.isoformat(timespec="seconds"), f"{when:%Y-%m-%d %H:%M} UTC"
        )
    ]
    if commit:
        parts.append(Markup('commit <code title="{}">{}</code>').format(commit, commit[:SHORT_COMMIT]))
    parts.append(Markup("MLflow run <code>{}</code>").format(run_id))
    return page.replace(RUN, Markup('<p class="run">{}</p>').format(Markup(" · ").join(parts)), 1)


def _digest(script: str) -> str:
    return base64.b64encode(hashlib.sha256(script.encode()).digest()).decode()


def _policy(digests: Sequence[str], webgl: bool) -> str:
    """Content security policy of the page: no network, no script but those with these digests."""
    allowed = " ".join(f"'sha256-{digest}'" for digest in digests)
    return (
        f"default-src 'none'; script-src {allowed}{' ' + chr(39) + 'unsafe-eval' + chr(39) if webgl else ''};"
        " style-src 'unsafe-inline'; img-src data: blob:; base-uri 'none'; form-action 'none'"
    )
