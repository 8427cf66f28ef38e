"""The table of raw data sets as Markdown: licences, sizes, citations, how to get each."""

from __future__ import annotations

import html

from etudes.sources.commands import size_text
from etudes.sources.table import Source, load_sources
from etudes.study import load_studies


def data_sets() -> str:
    """One row a data set, and below it a section for each with its page, its citation and how to get it."""
    users: dict[str, list[str]] = {}
    for study in load_studies():
        for name in study.data:
            users.setdefault(name, []).append(study.name)
    sources = list(load_sources().values())
    lines = ["| data set | size on disk | licence | how to get it | studies |", "|---|---|---|---|---|"]
    for source in sources:
        anchor = source.name.replace("/", "")
        studies = ", ".join(f"`{name}`" for name in users.get(source.name, [])) or "-"
        how = "by hand" if source.how == "manual" else f"`kedro data fetch {source.name}`"
        cells = (f"[{source.name}](#{anchor})", size_text(source), _plain(source.licence), how, studies)
        lines.append("| " + " | ".join(cells) + " |")
    return "\n\n".join(["\n".join(lines), *map(_section, sources)])


def _section(source: Source) -> str:
    if source.how == "manual":
        files = ", ".join(
            f"`{name}`" for name in dict.fromkeys(file.archive or file.name for file in source.needed)
        )
        how = f"{_plain(source.instructions)} Put {files} into `data/01_raw/{source.name}`."
    else:
        how = f"`kedro data fetch {source.name}`"
    return (
        f"## {source.name}\n\n{_plain(source.title)}. Page: <{source.source}>\n\n"
        f"- Licence: {_plain(source.licence)}\n- Cite: {_plain(source.citation)}\n- How to get it: {how}"
    )


def _plain(text: str) -> str:
    """Text that Markdown and HTML leave as it is."""
    escaped = html.escape(text, quote=False).replace("|", "\\|")
    return "".join(f"\\{char}" if char in "*_[]`" else char for char in escaped)
