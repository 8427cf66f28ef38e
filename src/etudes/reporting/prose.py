"""Markdown of a page as HTML: headings below the page's own, links to the web or into the page, no markup from data."""

from __future__ import annotations

from functools import cache
from typing import TYPE_CHECKING

from markupsafe import Markup

if TYPE_CHECKING:
    from markdown_it import MarkdownIt


@cache
def _reader() -> MarkdownIt:
    from markdown_it import MarkdownIt

    # HTML in a text stays text, and a picture would be loaded from elsewhere: the page's policy forbids both.
    return MarkdownIt("commonmark", {"html": False}).disable(["image", "autolink"])


def paragraphs(text: str) -> Markup:
    """A text in Markdown as HTML; HTML in it is shown, not followed."""
    return Markup(_reader().render(text.strip()).strip())
