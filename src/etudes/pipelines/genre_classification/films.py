"""From raw lines to checked films: the format of the IMDb genre files and of their titles."""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import cache

import pandas as pd

from etudes.forms.files import read_text
from etudes.forms.raw import RawFile
from etudes.text.tokens import tokenize

SEPARATOR = " ::: "
FORMAT = "ID ::: TITLE ::: GENRE ::: DESCRIPTION"
SHOWN_PROBLEMS = 5
# The last bracket with a year decides: titles have brackets of their own. (2014/II) tells apart films of one year.
YEAR = re.compile(r"\s*\((\d{4}|\?{4})(?:/[IVXLCDM]+)?\)\s*(?:\{.*\})?\s*$")


@dataclass(frozen=True)
class Title:
    """A title without its year; ``series`` is true for quoted titles, which are television series."""

    name: str
    year: int | None
    series: bool


def parse_title(text: str) -> Title:
    """Read IMDb's title form: ``Name (1994)``, ``"Series" (2009)``, ``Name (2014/II)``, ``Name (????)``."""
    found = YEAR.search(text)
    year = int(found[1]) if found and found[1].isdigit() else None
    name = (text[: found.start()] if found else text).strip()
    series = len(name) > 1 and name.startswith('"') and name.endswith('"')
    return Title(name.strip('"').strip() if series else name, year, series)


def parse_films(raw: RawFile) -> pd.DataFrame:
    """Films of one file, with columns id, title, year, series, genre, plot.

    Blank lines are skipped; a plot may contain the separator, no other field may.

    Raises:
        ValueError: an empty file, a wrong encoding, a line with too few fields, an empty field, or an id that occurs
            twice; the message names file and lines.
    """
    problems: list[str] = []
    rows: list[tuple[int, str, str, str]] = []
    first_line: dict[int, int] = {}
    for number, line in enumerate(read_text(raw).split("\n"), start=1):
        if not line.strip():
            continue
        try:
            row = _parse_line(line)
            if row[0] in first_line:
                raise ValueError(f"the id {row[0]} occurs already in line {first_line[row[0]]}")
        except ValueError as error:
            problems.append(f"line {number}: {error}")
            continue
        first_line[row[0]] = number
        rows.append(row)
    if problems:
        more = f"\n  ... and {len(problems) - SHOWN_PROBLEMS} more" if len(problems) > SHOWN_PROBLEMS else ""
        shown = "\n  ".join(problems[:SHOWN_PROBLEMS])
        raise ValueError(
            f"{raw.name}: {len(problems)} lines cannot be read. Expected `{FORMAT}`, UTF-8.\n  {shown}{more}\n"
            "Mend the lines, or get the file again."
        )
    if not rows:
        raise ValueError(
            f"{raw.name}: the file holds no films. Expected lines `{FORMAT}`; get the file again."
        )
    return _frame(rows)


def _parse_line(line: str) -> tuple[int, str, str, str]:
    fields = [field.strip() for field in line.split(SEPARATOR, 3)]
    if len(fields) < 4:
        raise ValueError(f"{len(fields)} of 4 fields in {line[:60]!r}; is the separator `{SEPARATOR}`?")
    identifier, title, genre, plot = fields
    if not identifier.isdecimal():
        raise ValueError(f"the id {identifier[:20]!r} is no number")
    for name, value in (("title", title), ("genre", genre), ("plot", plot)):
        if not value:
            raise ValueError(f"the {name} is empty")
    return int(identifier), title, genre.lower(), plot


def _frame(rows: list[tuple[int, str, str, str]]) -> pd.DataFrame:
    identifiers, full_titles, genres, plots = zip(*rows, strict=True)
    titles = [parse_title(text) for text in full_titles]
    return pd.DataFrame(
        {
            "id": identifiers,
            "title": [title.name for title in titles],
            "year": pd.array([title.year for title in titles], dtype="Int32"),
            "series": [title.series for title in titles],
            "genre": genres,
            "plot": plots,
        }
    )


def describe_film(title: str, year: int | None, series: bool, plot: str) -> str:
    """A film as one text for models that read words: title, form, decade, plot."""
    decade = f"{year // 10 * 10}s" if year is not None else ""
    form = "series" if series else "film"
    return " ".join(part for part in (f"{title}.", f"{decade} {form}.".strip(), plot) if part)


def film_texts(frame: pd.DataFrame) -> list[str]:
    """`describe_film` of every row."""
    years = [None if pd.isna(year) else int(year) for year in frame["year"]]
    columns = zip(frame["title"], years, frame["series"], frame["plot"], strict=True)
    return [describe_film(title, year, bool(series), plot) for title, year, series, plot in columns]


def film_words(frame: pd.DataFrame) -> list[list[str]]:
    """Each film as lower-case content words: one word for its form, one for its decade, title, a mark, plot.

    Function words and single letters are left out: on a few thousand films they are only noise.
    """
    stop_words = _stop_words()
    documents = []
    for title, year, series, plot in zip(
        frame["title"], frame["year"], frame["series"], frame["plot"], strict=True
    ):
        form = "seriesform" if series else "filmform"
        decade = "undated" if pd.isna(year) else f"decade{int(year) // 10}"
        words = [*tokenize(title), "titleend", *tokenize(plot)]
        content = [word for word in words if len(word) > 1 and word not in stop_words]
        documents.append([form, decade, *content])
    return documents


@cache
def _stop_words() -> frozenset[str]:
    from sklearn.feature_extraction.text import ENGLISH_STOP_WORDS

    return frozenset(ENGLISH_STOP_WORDS)


def normalised_plot(plot: str) -> str:
    """A plot without case and white space, to find duplicates."""
    return re.sub(r"\W+", " ", plot.casefold()).strip()
