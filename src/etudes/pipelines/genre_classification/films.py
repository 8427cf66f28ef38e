"""From raw lines to checked films: the format of the IMDb genre files and of their titles."""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import cache
from typing import Any

import numpy as np
import pandas as pd

from etudes.cards import data_card, fingerprint
from etudes.forms.lines import read_lines
from etudes.forms.raw import RawFile
from etudes.splits import stratified, without_repeats
from etudes.text.tokens import tokenize
from etudes.training.parameters import DevSplitParameters

SEPARATOR = " ::: "
FORMAT = "ID ::: TITLE ::: GENRE ::: DESCRIPTION"
SEEN = ("title", "year", "series", "plot")  # what models see of a film
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
    seen: set[int] = set()

    def parse(line: str) -> tuple[int, str, str, str]:
        row = _parse_line(line)
        if row[0] in seen:
            raise ValueError(f"the id {row[0]} occurs already in an earlier line")
        seen.add(row[0])
        return row

    rows = [row for _, row in read_lines(raw, parse, f"`{FORMAT}`", "films")]
    films = described(pd.DataFrame(rows, columns=["id", "title", "genre", "plot"]))
    return films[["id", "title", "year", "series", "genre", "plot"]]


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


def described(films: pd.DataFrame) -> pd.DataFrame:
    """Films whose ``title`` is as IMDb writes it, with what it says as the columns ``title``, ``year``, ``series``."""
    titles = [parse_title(text) for text in films["title"]]
    years = pd.array([title.year for title in titles], dtype="Int32")
    names, series = [title.name for title in titles], [title.series for title in titles]
    return films.assign(title=names, year=years, series=series)


def film_texts(frame: pd.DataFrame) -> list[str]:
    """Each film as one text for models that read words: title, decade, form, plot."""
    texts = []
    for title, year, series, plot in zip(*(frame[name] for name in SEEN), strict=True):
        decade = "" if pd.isna(year) else f"{year // 10 * 10}s "
        texts.append(f"{title}. {decade}{'series' if series else 'film'}. {plot}".strip())
    return texts


def film_words(frame: pd.DataFrame) -> list[list[str]]:
    """Each film as lower-case content words: one word for its form, one for its decade, title, a mark, plot.

    Function words and single letters are left out: on a few thousand films they are only noise.
    """
    stop_words = _stop_words()
    documents = []
    for title, year, series, plot in zip(*(frame[name] for name in SEEN), strict=True):
        form = "seriesform" if series else "filmform"
        decade = "undated" if pd.isna(year) else f"decade{year // 10}"
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


def ingest(raw_train: RawFile, raw_test: RawFile) -> tuple[pd.DataFrame, pd.DataFrame, dict[str, Any]]:
    """Check both files and say where they come from.

    Raises:
        ValueError: unreadable lines, fewer than two genres, a genre with one row, or a genre that only test has.
    """
    train, test = parse_films(raw_train), parse_films(raw_test)
    counts = train["genre"].value_counts()
    if len(counts) < 2:
        raise ValueError(
            f"{raw_train.name}: all rows are of the genre '{counts.index[0]}'; expected at least two genres"
        )
    if counts.min() < 2:
        single = ", ".join(sorted(counts.index[counts < 2]))
        raise ValueError(
            f"{raw_train.name}: one row only of {single}; expected at least two, one to train on and one for dev. "
            "Add rows, or leave the genre out of both files."
        )
    unknown = sorted(set(test["genre"]) - set(counts.index))
    if unknown:
        first = test.index[test["genre"].isin(unknown)][0]
        raise ValueError(
            f"{raw_test.name}: unknown genre {', '.join(unknown)} (first at id {test['id'][first]}); expected only "
            f"genres of the training file: {', '.join(sorted(counts.index))}"
        )
    rows = {"train_rows": len(train), "test_rows": len(test)}
    return train, test, data_card([raw_train, raw_test], **rows, classes=len(counts))


def split(
    train_frame: pd.DataFrame, test_frame: pd.DataFrame, parameters: DevSplitParameters
) -> tuple[pd.DataFrame, pd.DataFrame, pd.DataFrame, dict[str, Any]]:
    """Drop duplicates from train and cut dev from it; test stays as it is.

    A training plot that also stands in test is dropped, and of equal training plots all but the first. Every class
    gives ``dev_fraction`` of its rows, at least one, to dev and keeps at least one.
    """
    rows, dropped = without_repeats(
        *([normalised_plot(plot) for plot in frame["plot"]] for frame in (train_frame, test_frame))
    )
    kept = train_frame[rows].reset_index(drop=True)
    classes = sorted(train_frame["genre"].unique())
    index = {genre: label for label, genre in enumerate(classes)}
    kept["label"] = kept["genre"].map(index).astype("int64")
    short = [genre for genre in classes if (kept["genre"] == genre).sum() < 2]
    if short:
        raise ValueError(
            f"{', '.join(short)}: fewer than two training rows are left once plots that also stand in test are "
            "dropped; expected at least two of each genre"
        )
    is_dev = stratified(kept["label"].to_numpy(), parameters.dev_fraction, parameters.seed)
    train, dev = (kept[rows].reset_index(drop=True) for rows in (~is_dev, is_dev))
    test = test_frame.assign(label=test_frame["genre"].map(index).astype("int64"))
    card = {
        "classes": classes,
        "unit": "films",
        "train_rows": len(train),
        "dev_rows": len(dev),
        "test_rows": len(test),
        **dropped,
        "dev_fingerprint": fingerprint(dev[["id", "title", "year", "genre", "plot"]]),
        "train_shares": (np.bincount(train["label"], minlength=len(classes)) / len(train)).tolist(),
    }
    return train, dev, test, card
