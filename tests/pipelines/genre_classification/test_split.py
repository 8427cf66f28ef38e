"""Ingest and split: what they refuse, how train is cut, that no plot of test is in it."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pandas as pd
import pytest

from etudes.cards import fingerprint
from etudes.forms.raw import RawFile
from etudes.pipelines.genre_classification.films import ingest, normalised_plot, parse_films, split
from etudes.samples.imdb_files import raw_file

Row = tuple[int, str, str]


def raw(rows: list[Row], name: str = "train.txt", **facts: object) -> RawFile:
    lines = "".join(f"{number} ::: Title (1999) ::: {genre} ::: {plot}\n" for number, genre, plot in rows)
    return RawFile(name, lines.encode(), {"source": "own data", **facts})


def films(rows: list[Row]) -> pd.DataFrame:
    return parse_films(raw(rows))


GOOD = [(1, "crime", "a"), (2, "crime", "b"), (3, "sport", "c"), (4, "sport", "d")]


def test_ingest_gives_both_frames_and_says_where_they_come_from() -> None:
    train, test, card = ingest(
        raw(GOOD, embedded_sample=True),
        raw([(9, "sport", "z")], "test.txt", embedded_sample=True, ceiling={"n": 1.0}),
    )
    assert train["plot"].tolist() == ["a", "b", "c", "d"]
    assert test["id"].tolist() == [9]
    assert card["source"] == "own data" and card["embedded_sample"] is True
    assert (card["train_rows"], card["test_rows"], card["classes"]) == (4, 1, 2)
    assert card["ceiling"] == {"n": 1.0}


@pytest.mark.parametrize(
    ("train", "test", "said"),
    [
        (
            [(1, "crime", "a"), (2, "crime", "b")],
            [(9, "crime", "z")],
            "train.txt: all rows are of the genre 'crime'; expected at least two",
        ),
        (
            [*GOOD, (5, "war", "e"), (6, "food", "f")],
            [(9, "crime", "z")],
            "train.txt: one row only of food, war; expected at least two",
        ),
        (
            GOOD,
            [(9, "crime", "z"), (12, "opera", "y"), (13, "opera", "x")],
            r"test.txt: unknown genre opera \(first at id 12\); .*: crime, sport",
        ),
    ],
)
def test_ingest_refuses_genres_that_cannot_be_learned(train: list[Row], test: list[Row], said: str) -> None:
    with pytest.raises(ValueError, match=said):
        ingest(raw(train), raw(test, "test.txt"))


@pytest.fixture(scope="module")
def sample() -> tuple[pd.DataFrame, pd.DataFrame]:
    train, test, _ = ingest(raw_file("train", 400, 100, seed=0), raw_file("test", 400, 100, seed=0))
    repeated = train.iloc[[3, 8]].assign(id=[9001, 9002], plot=lambda rows: rows["plot"].str.upper() + " ")
    return pd.concat([train, repeated], ignore_index=True), test


@pytest.fixture
def cut(
    sample: tuple[pd.DataFrame, pd.DataFrame], settings: Callable[..., Any]
) -> tuple[pd.DataFrame, pd.DataFrame, pd.DataFrame, dict[str, Any]]:
    return split(*sample, settings("split"))


def test_no_plot_of_test_is_in_train_or_dev(sample: Any, cut: Any) -> None:
    train, dev, test, card = cut
    in_test = set(test["plot"].map(normalised_plot))
    assert sample[0]["plot"].map(normalised_plot).isin(in_test).any()  # else this test would hold of itself
    for part in (train, dev):
        assert not part["plot"].map(normalised_plot).isin(in_test).any()
    assert card["dropped_because_in_test"] == sample[0]["plot"].map(normalised_plot).isin(in_test).sum()


def test_repeated_plots_are_kept_once_the_first_of_them(cut: Any) -> None:
    train, dev, _, card = cut
    kept = pd.concat([train, dev])
    assert not kept["plot"].map(normalised_plot).duplicated().any()
    assert not kept["id"].isin([9001, 9002]).any()
    assert card["dropped_because_repeated"] == 2


def test_a_dropped_row_is_counted_for_one_reason_only(settings: Callable[..., Any]) -> None:
    train = films([*GOOD, (5, "sport", "C!"), (6, "sport", "z"), (7, "crime", "Z"), (8, "crime", "z")])
    *_, card = split(train, films([(9, "sport", "z")]), settings("split"))
    assert (card["dropped_because_in_test"], card["dropped_because_repeated"]) == (3, 1)
    assert card["train_rows"] + card["dev_rows"] == 4


def test_test_is_left_as_it_is_but_for_its_labels(sample: Any, cut: Any) -> None:
    train, _, test, card = cut
    pd.testing.assert_frame_equal(test.drop(columns="label"), sample[1])
    for part in (train, test):
        assert [card["classes"][label] for label in part["label"]] == part["genre"].tolist()


def test_the_counts_in_the_card_add_up(sample: Any, cut: Any) -> None:
    train, dev, test, card = cut
    assert (card["train_rows"], card["dev_rows"], card["test_rows"]) == (len(train), len(dev), len(test))
    dropped = card["dropped_because_in_test"] + card["dropped_because_repeated"]
    assert len(train) + len(dev) + dropped == len(sample[0])
    assert card["classes"] == sorted(set(sample[0]["genre"]))
    shares = [(train["genre"] == genre).mean() for genre in card["classes"]]
    np.testing.assert_allclose(card["train_shares"], shares)
    assert card["dev_fingerprint"] == fingerprint(dev[["id", "title", "year", "genre", "plot"]])


def test_a_class_that_only_repeats_test_is_refused_by_name(settings: Callable[..., Any]) -> None:
    train = films([*GOOD, (5, "war", "e"), (6, "war", "z")])
    with pytest.raises(ValueError, match="war: fewer than two training rows are left"):
        split(train, films([(9, "war", "Z!")]), settings("split"))
