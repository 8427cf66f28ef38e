"""A study's README as HTML, in sections.

HTML in the Markdown is text, links that would leave the site become text, pictures become their words, and nothing
carries an inline style, which the page's policy forbids.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

from markdown_it import MarkdownIt
from markdown_it.token import Token
from markupsafe import Markup, escape

OUTSIDE = re.compile(r"^(https?://|mailto:)", re.IGNORECASE)
COMMENT = re.compile(r"^[ \t]*<!--.*?-->[ \t]*$\n?", re.MULTILINE | re.DOTALL)
NUMBER = re.compile(r"^(-|–|[-−+]?\d[\d.,]*( ?%)?( ± [\d.,]+| \[[-−]?[\d.,]+, [-−]?[\d.,]+\])?)$")
FENCE = re.compile(r"^(```|~~~).*?^\1[ \t]*$", re.MULTILINE | re.DOTALL)


@dataclass(frozen=True)
class Section:
    """A second-level heading and what follows it; the text before the first one has neither title nor anchor."""

    title: str
    anchor: str
    html: Markup


def sections(text: str, resolve: Callable[[str], str | None], taken: Sequence[str] = ()) -> list[Section]:
    """The README without its title, cut at its second-level headings; the introduction comes first, if any.

    Args:
        text: Markdown.
        resolve: gives the address of a relative link inside the site, or None where there is none.
        taken: anchors that the page uses itself.
    """
    md = MarkdownIt("commonmark", {"html": False}).enable("table")
    md.add_render_rule("table_open", _table_open)
    md.add_render_rule("table_close", _table_close)
    md.add_render_rule("fence", _code)
    md.add_render_rule("code_block", _code)
    tokens = md.parse(_without_comments(text))
    anchors = _name_headings(tokens, set(taken))
    _tidy(tokens, lambda href: _target(href, anchors, resolve))
    _align_numbers(tokens)

    found: list[Section] = []
    title, anchor, start = "", "", 0
    cuts = [i for i, t in enumerate(tokens) if t.type == "heading_open" and t.tag in ("h1", "h2")]
    for cut in [*cuts, len(tokens)]:
        html = Markup(md.renderer.render(tokens[start:cut], md.options, {}))
        if title or html.strip():
            found.append(Section(title, anchor, html))
        if cut < len(tokens):
            # The first-level heading is the page's own title; what follows it is the introduction.
            first = tokens[cut].tag == "h1"
            title = "" if first else _plain(tokens[cut + 1])
            anchor = "" if first else str(tokens[cut].attrs["id"])
            start = cut + 3
    return found


def _without_comments(text: str) -> str:
    """The text without comments on lines of their own, which mark where tables are filled in; code keeps its own."""
    parts, end = [], 0
    for fence in FENCE.finditer(text):
        parts += [COMMENT.sub("", text[end : fence.start()]), fence[0]]
        end = fence.end()
    return "".join([*parts, COMMENT.sub("", text[end:])])


def _name_headings(tokens: Sequence[Token], taken: set[str]) -> dict[str, str]:
    """Give every heading an id of its own; returns them by the anchor a README would link to."""
    anchors: dict[str, str] = {}
    for opening, inline in pairwise(tokens):
        if opening.type != "heading_open":
            continue
        slug = re.sub(r"[^\w\- ]", "", _plain(inline).lower()).strip().replace(" ", "-") or "section"
        name, number = slug, 1
        while name in taken:
            number += 1
            name = f"{slug}-{number}"
        taken.add(name)
        anchors.setdefault(slug, name)
        opening.attrs["id"] = name
    return anchors


def _plain(inline: Token) -> str:
    return "".join(child.content for child in inline.children or ())


def _target(href: str, anchors: dict[str, str], resolve: Callable[[str], str | None]) -> str | None:
    if OUTSIDE.match(href):
        return href
    if href.startswith("#"):
        return f"#{anchors[href[1:]]}" if href[1:] in anchors else None
    return resolve(href)


def _tidy(tokens: Sequence[Token], target: Callable[[str], str | None]) -> None:
    """Resolve or drop links, pictures to words, the first cell of each row to its heading."""
    cell = ""
    for previous, token in zip([None, *tokens], tokens, strict=False):
        if token.type == "inline":
            token.children = _links(token.children or [], target)
        elif token.type in ("th_open", "td_open"):
            token.attrs.pop("style", None)
            if token.type == "th_open":
                token.attrs["scope"] = "col"
            elif previous is not None and previous.type == "tr_open":
                token.tag = "th"
                token.attrs["scope"] = "row"
            cell = token.tag
        elif token.type in ("th_close", "td_close"):
            token.tag = cell


def _align_numbers(tokens: Sequence[Token]) -> None:
    """Mark the columns of every table that hold numbers alone, so that they stand below each other."""
    columns: list[list[tuple[Token, str]]] = []
    place = 0
    for index, token in enumerate(tokens):
        if token.type == "table_open":
            columns = []
        elif token.type == "tr_open":
            place = 0
        elif token.type in ("th_open", "td_open"):
            columns += [[]] if place == len(columns) else []
            columns[place].append((token, _plain(tokens[index + 1])))
            place += 1
        elif token.type == "table_close":
            for column in columns[1:]:
                if len(column) > 1 and all(NUMBER.match(text) for _, text in column[1:]):
                    for cell, _ in column:
                        cell.attrs["class"] = "number"


def _links(children: Sequence[Token], target: Callable[[str], str | None]) -> list[Token]:
    kept: list[Token] = []
    open_links: list[bool] = []
    for child in children:
        if child.type == "link_open":
            found = target(str(child.attrs["href"]))
            open_links.append(found is not None)
            if found is None:
                continue
            child.attrs["href"] = found
            if OUTSIDE.match(found):
                child.attrs["rel"] = "noopener noreferrer"
        elif child.type == "link_close" and not open_links.pop():
            continue
        elif child.type == "image":
            kept.append(Token("text", "", 0, content=child.content or "picture"))
            continue
        kept.append(child)
    return kept


def _table_open(*_: Any) -> str:
    return '<div class="scroll" tabindex="0" role="region" aria-label="Table">\n<table>\n'


def _table_close(*_: Any) -> str:
    return "</table>\n</div>\n"


def _code(_renderer: Any, tokens: Sequence[Token], index: int, *_: Any) -> str:
    return f'<pre tabindex="0"><code>{escape(tokens[index].content)}</code></pre>\n'
