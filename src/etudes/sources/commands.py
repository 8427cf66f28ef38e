"""The commands ``data list`` and ``data fetch``; what they need is imported when they run."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

if TYPE_CHECKING:
    from etudes.sources.fetch import Fetched
    from etudes.sources.table import Source


def _raw(context: click.Context) -> Path:
    """The raw folder; kedro hands its commands the project as the context's object."""
    from etudes.sources.table import raw_folder

    return raw_folder(getattr(context.obj, "project_path", None))


def size_text(source: Source) -> str:
    """Bytes on disk of the needed files, in words; "over ..." where the size of some of them is unknown."""
    known = sum(file.bytes or 0 for file in source.needed)
    return _size(source.size) if source.size or not known else f"over {_size(known)}"


def _size(size: int | None) -> str:
    if size is None:
        return "unknown"
    value, unit = float(size), "B"
    for unit in ("B", "kB", "MB", "GB"):
        if value < 1000 or unit == "GB":
            break
        value /= 1000
    return f"{value:.0f} {unit}" if unit == "B" else f"{value:.1f} {unit}"


@click.group(name="data")
def data() -> None:
    """The raw data sets of the studies: see what is there, get what is missing."""


@data.command(name="list")
@click.pass_context
def list_(context: click.Context) -> None:
    """Show every data set: size on disk, licence, how to get it, and whether it is there."""
    from rich.console import Console
    from rich.table import Table

    from etudes.sources.table import load_sources, raw_folder_origin, status

    raw = _raw(context)
    table = Table("name", "title", "size", "licence", "how", "state", "where")
    for column in (0, 2, 4, 5):
        table.columns[column].no_wrap = True
    for column in (1, 3, 6):
        table.columns[column].overflow = "fold"
    for source in load_sources().values():
        found = status(source, raw)
        missing = ""
        if found.state == "partial":
            missing = f" ({len(found.missing)} of {sum(file.needed for file in found.files)} files missing)"
        where = source.source if found.state == "missing" else str(found.folder)
        cells = (
            source.name,
            source.title,
            size_text(source),
            source.licence,
            source.how,
            found.state + missing,
            where,
        )
        table.add_row(*(cell.replace("[", r"\[") for cell in cells))
    console = Console()
    # Into a pipe or a file rich would assume 80 columns and break every cell.
    (console if console.is_terminal else Console(width=200)).print(table)
    click.echo(f"raw folder: {raw} ({raw_folder_origin()})")


@data.command(name="fetch")
@click.argument("names", nargs=-1, required=True, metavar="NAME...")
@click.pass_context
def fetch_(context: click.Context, names: tuple[str, ...]) -> None:
    """Get the data sets NAME... into the raw folder; what is there already stays untouched.

    A download that broke off goes on where it stopped. A set that needs a login is not fetched: the command
    says what to do by hand.
    """
    from etudes.sources.fetch import FetchError, fetch
    from etudes.sources.table import UnknownSourceError, get_source, load_sources

    table = load_sources()
    try:
        # All names first: a typing error should not come up after an hour of download.
        sources = [get_source(name, table) for name in dict.fromkeys(names)]
    except UnknownSourceError as error:
        raise click.UsageError(str(error), ctx=context) from error
    raw, failures = _raw(context), []
    for source in sources:
        try:
            _report(source, fetch(source, raw))
        except FetchError as error:
            failures.append(str(error))
    if failures:
        raise click.ClickException("\n".join(failures))


def _report(source: Source, files: tuple[Fetched, ...]) -> None:
    click.echo(f"{source.name}: complete. Licence: {source.licence}. Cite: {source.citation}")
    for file in files:
        check = "checksum right"
        if not file.checked:
            check = "covered by its archive's checksum" if file.state == "extracted" else "size only"
        click.echo(f"  {file.state} {file.path} ({_size(file.size)}, {check})")
