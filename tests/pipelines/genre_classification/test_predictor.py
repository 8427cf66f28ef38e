"""The model that answers a user: raw input in, a genre out, in any process."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from etudes.pipelines.genre_classification.predictor import GenrePredictor

GENRES = ["crime", "food", "sport"]
CARD = {"variant": "tfidf", "embedded_sample": True, "dev_score": 0.5}


@pytest.fixture(scope="module")
def predictor(toy_films: Callable[..., pd.DataFrame], fit_tfidf: Callable[..., Any]) -> GenrePredictor:
    train = toy_films(90, seed=0)
    train["label"] = train["genre"].map(GENRES.index)
    return GenrePredictor(fit_tfidf(train, train), CARD, genres=GENRES)


class Recorder:
    """A model that keeps the films it is asked about."""

    registered_name = "recorder"

    def predict_proba(self, frame: pd.DataFrame) -> np.ndarray:
        self.frame = frame
        return np.full((len(frame), 3), 1 / 3)


def test_title_and_plot_get_a_genre_with_its_probability(predictor: GenrePredictor) -> None:
    answer = predictor.predict(
        pd.DataFrame(
            {
                "title": ["Night (1998)", "Day"],
                "plot": ["The inspector finds the corpse of a suspect.", "A chef bakes pastry in the oven."],
            }
        )
    )
    assert answer["genre"].tolist() == ["crime", "food"]
    for _, row in answer.iterrows():
        assert set(row["probabilities"]) == set(GENRES)
        assert sum(row["probabilities"].values()) == pytest.approx(1)
        assert row["probability"] == max(row["probabilities"].values()) == row["probabilities"][row["genre"]]


def test_a_plot_alone_is_enough(predictor: GenrePredictor) -> None:
    answer = predictor.predict(pd.DataFrame({"plot": ["The striker scores a goal in the league."]}))
    assert answer["genre"].tolist() == ["sport"]


@pytest.mark.parametrize("title", ["", None, float("nan")])
def test_a_title_that_is_missing_is_as_no_title(predictor: GenrePredictor, title: Any) -> None:
    plot = "The striker scores a goal in the league."
    with_title = predictor.predict(pd.DataFrame({"title": pd.Series([title], dtype=object), "plot": [plot]}))
    without = predictor.predict(pd.DataFrame({"plot": [plot]}))
    assert with_title["probabilities"][0] == without["probabilities"][0]


def test_year_and_form_are_read_from_the_title() -> None:
    recorder = Recorder()
    frame = pd.DataFrame({"title": ['"Quiz" (2001)', "Akela"], "plot": ["Who?", "A wolf."]}, index=[7, 3])
    GenrePredictor(recorder, CARD, genres=GENRES).predict(frame)
    assert recorder.frame["title"].tolist() == ["Quiz", "Akela"]
    assert recorder.frame["series"].tolist() == [True, False]
    assert recorder.frame["year"][0] == 2001 and recorder.frame["year"].isna().tolist() == [False, True]
    assert recorder.frame["plot"].tolist() == ["Who?", "A wolf."]


@pytest.mark.parametrize("plot", ["", "  \n", None])
def test_a_plot_that_is_empty_is_refused_with_its_row(predictor: GenrePredictor, plot: Any) -> None:
    with pytest.raises(ValueError, match=r"plot in row 1 is (empty|nothing but spaces); expected a text"):
        predictor.predict(pd.DataFrame({"plot": pd.Series(["A wolf.", plot], dtype=object)}))


def test_text_json_and_a_file_are_the_same_question(predictor: GenrePredictor, tmp_path: Path) -> None:
    (tmp_path / "plot.txt").write_text("A wolf returns.", encoding="utf-8")
    texts = ["A wolf returns.", ' {"plot": "A wolf returns."}', str(tmp_path / "plot.txt")]
    answers = [predictor.predict(predictor.parse(text))["probabilities"][0] for text in texts]
    assert answers[0] == answers[1] == answers[2]
    titled = predictor.parse('{"title": "Akela (1999)", "plot": "A wolf."}')
    assert titled.to_dict("records") == [{"title": "Akela (1999)", "plot": "A wolf."}]


def test_a_plot_that_ends_like_a_file_name_but_is_too_long_for_one_is_a_plot(
    predictor: GenrePredictor,
) -> None:
    plot = "A wolf returns. " * 20 + "The end is in wolf.txt"
    assert predictor.parse(plot)["plot"].tolist() == [plot]


def test_an_answer_is_described_by_its_three_best_genres() -> None:
    class Four(Recorder):
        def predict_proba(self, frame: pd.DataFrame) -> np.ndarray:
            return np.array([[0.125, 0.5, 0.05, 0.325]])

    predictor = GenrePredictor(Four(), CARD, genres=["crime", "food", "war", "sport"])
    lines = predictor.describe(predictor.predict(pd.DataFrame({"plot": ["A wolf."]}))).splitlines()
    assert [line.split() for line in lines] == [["food", "50.0%"], ["sport", "32.5%"], ["crime", "12.5%"]]
