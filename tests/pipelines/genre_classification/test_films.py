"""The form of the IMDb files: titles, lines, and what is said of a line that cannot be read."""

from __future__ import annotations

from pathlib import Path

import pandas as pd
import pytest

from etudes.forms.raw import RawFile
from etudes.pipelines.genre_classification.films import (
    Title,
    film_texts,
    film_words,
    normalised_plot,
    parse_films,
    parse_title,
)
from etudes.samples.imdb_files import raw_file

EXPECTED = "Expected `ID ::: TITLE ::: GENRE ::: DESCRIPTION`"


def parse(content: str | bytes) -> pd.DataFrame:
    return parse_films(RawFile("films.txt", content.encode() if isinstance(content, str) else content))


def refusal(content: str | bytes) -> str:
    with pytest.raises(ValueError) as caught:
        parse(content)
    assert type(caught.value) is ValueError
    return str(caught.value)


@pytest.mark.parametrize(
    ("text", "title"),
    [
        ("Edgar's Lunch (1998)", Title("Edgar's Lunch", 1998, False)),
        ("The Gang (2014/I)", Title("The Gang", 2014, False)),
        ("The Gang (2014/XVIII)", Title("The Gang", 2014, False)),
        ("Akela (????)", Title("Akela", None, False)),
        ("Akela (????/II)", Title("Akela", None, False)),
        ('"La guerra de papá" (2009)', Title("La guerra de papá", 2009, True)),
        ('"Twin Peaks" (1990) {Pilot (#1.1)}', Title("Twin Peaks", 1990, True)),
        ('"Quiz" (2001) {Best of (1999)}', Title("Quiz", 2001, True)),
        ("System of Rice (SRI) (2010)", Title("System of Rice (SRI)", 2010, False)),
        ("1984 (1956)", Title("1984", 1956, False)),
        ("Blade (1973) Runner (1982)", Title("Blade (1973) Runner", 1982, False)),
        ("2001: A Space Odyssey", Title("2001: A Space Odyssey", None, False)),
        ("The (19999)", Title("The (19999)", None, False)),
        ('The "Real" Thing (1980)', Title('The "Real" Thing', 1980, False)),
        ("  Spaces   (1999)  ", Title("Spaces", 1999, False)),
        ('"', Title('"', None, False)),
        ("(1999)", Title("", 1999, False)),
        ("", Title("", None, False)),
    ],
)
def test_title_forms_of_imdb(text: str, title: Title) -> None:
    assert parse_title(text) == title


def test_columns_and_types_of_parsed_films() -> None:
    frame = parse(
        '7 ::: "Quiz" (2001) ::: Game-Show ::: Who wins?\n3 ::: Akela (????) ::: drama ::: A wolf.\n'
    )
    assert list(frame.columns) == ["id", "title", "year", "series", "genre", "plot"]
    assert frame["id"].tolist() == [7, 3]
    assert frame["genre"].tolist() == ["game-show", "drama"]
    assert frame["series"].tolist() == [True, False]
    assert frame["year"].dtype == "Int32"
    assert frame["year"][0] == 2001 and frame["year"].isna().tolist() == [False, True]


def test_a_plot_may_contain_the_separator() -> None:
    assert parse("1 ::: T ::: drama ::: One ::: two ::: three")["plot"].tolist() == ["One ::: two ::: three"]


@pytest.mark.parametrize(
    "content",
    [
        b"1 ::: T (1999) ::: drama ::: A.\n2 ::: U ::: crime ::: B.\n",
        b"\n1 ::: T (1999) ::: drama ::: A.\n\n   \n2 ::: U ::: crime ::: B.",
        b"1 ::: T (1999) ::: drama ::: A.\r\n\r\n2 ::: U ::: crime ::: B.\r\n",
        b"\xef\xbb\xbf1 ::: T (1999) ::: drama ::: A.\n2 ::: U ::: crime ::: B.\n",
        b" 1 ::: T (1999) :::  drama ::: A. \n2 ::: U ::: crime ::: B.\n",
    ],
    ids=["plain", "blank lines", "CRLF", "byte order mark", "spaces"],
)
def test_line_ends_blank_lines_and_byte_order_mark_change_nothing(content: bytes) -> None:
    frame = parse(content)
    assert frame["id"].tolist() == [1, 2]
    assert frame["title"].tolist() == ["T", "U"]
    assert frame["plot"].tolist() == ["A.", "B."]


@pytest.mark.parametrize(
    ("bad", "said"),
    [
        ("2 ::: Trunca", "2 of 4 fields in '2 ::: Trunca'; is the separator ` ::: `?"),
        ("2\tTitle\tdrama\tPlot", "1 of 4 fields"),
        ("2:::Title:::drama:::Plot", "1 of 4 fields"),
        ("two ::: T ::: drama ::: Plot", "the id 'two' is no number"),
        ("-2 ::: T ::: drama ::: Plot", "the id '-2' is no number"),
        ("² ::: T ::: drama ::: Plot", "the id '²' is no number"),
        (" ::: T ::: drama ::: Plot", "the id '' is no number"),
        ("2 :::  ::: drama ::: Plot", "the title is empty"),
        ("2 ::: T :::  ::: Plot", "the genre is empty"),
        ("2 ::: T ::: drama :::  ", "the plot is empty"),
        ("1 ::: T ::: drama ::: Plot", "the id 1 occurs already in an earlier line"),
    ],
)
def test_a_bad_line_is_named_with_file_fault_and_expected_form(bad: str, said: str) -> None:
    message = refusal(f"1 ::: T ::: drama ::: Plot\n\n{bad}\n3 ::: T ::: drama ::: Plot\n")
    assert message.startswith("films.txt: 1 line cannot be read")
    assert EXPECTED in message
    assert f"line 3: {said}" in message


def test_the_embedded_sample_is_read_whole() -> None:
    frame = parse_films(raw_file("train", 200, 50, seed=0))
    lines = raw_file("train", 200, 50, seed=0).content.decode().splitlines()
    assert len(frame) == len(lines) > 150
    assert frame["title"].str.contains("(", regex=False).sum() == 0
    assert 0 < frame["series"].sum() < len(frame)
    assert frame["year"].between(1900, 2030).sum() == frame["year"].notna().sum()


def test_texts_of_a_frame_are_those_of_its_rows() -> None:
    frame = parse('1 ::: "Quiz" (2001) ::: drama ::: Who?\n2 ::: Akela (????) ::: drama ::: A wolf.\n')
    assert film_texts(frame) == ["Quiz. 2000s series. Who?", "Akela. film. A wolf."]


def test_content_words_of_a_film_follow_its_form_and_decade() -> None:
    frame = parse(
        '1 ::: "The Quiz" (2001) ::: drama ::: Who wins, and WHY?\n2 ::: Akela (????) ::: drama ::: A wolf.'
    )
    assert film_words(frame) == [
        ["seriesform", "decade200", "quiz", "titleend", "wins"],
        ["filmform", "undated", "akela", "titleend", "wolf"],
    ]


def test_plots_are_the_same_whatever_their_case_space_and_marks() -> None:
    assert normalised_plot("  The WOLF\n returns—again!") == normalised_plot("the wolf returns again")
    assert normalised_plot("the wolf returns") != normalised_plot("the wolves return")


@pytest.mark.real_data
def test_the_public_files_are_read_whole(raw_data: Path) -> None:
    for name in ("train_data.txt", "test_data_solution.txt"):
        path = raw_data / "imdb_genres" / name
        frame = parse_films(RawFile(name, path.read_bytes()))
        assert len(frame) == sum(1 for line in path.open("rb") if line.strip())
        assert frame["genre"].nunique() > 1
        assert frame["year"].dropna().between(1870, 2040).all()
        # A bracket with a year that is left in a title is one that the parser missed.
        assert not frame["title"].str.contains(r"\((?:\d{4}|\?{4})(?:/[IVXLCDM]+)?\)$").any()
