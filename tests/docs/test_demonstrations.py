"""What the documentation asks of the models of the samples is something that they can answer, and answer rightly."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pandas as pd
import pytest

from etudes.pipelines.genre_classification.predictor import GenrePredictor
from projects import ROOT, kedro

PAGES = [
    ROOT / "README.md",
    *sorted((ROOT / "docs").glob("*.md")),
    *sorted(ROOT.glob("src/etudes/pipelines/*/README.md")),
]
FILMS = {
    "A gang of thieves plans to rob a bank, and the heist goes wrong.": "crime",
    "A sheriff hunts the outlaws who robbed the stagecoach.": "western",
    "Six amateur cooks compete each week for a place in the final.": "reality-tv",
}
PERSON = (
    "38, Private, 200000, Bachelors, 13, Married-civ-spouse, Exec-managerial, Husband, White, Male, 0, 0, 45, "
    "United-States"
)


def asked_in(page: Path) -> set[str]:
    """Films and people that a page asks a model about, on the command line, over HTTP or from Python."""
    text = page.read_text(encoding="utf-8")
    asked = re.findall(r'kedro predict (?:genre|income)_classification "([^"]+)"', text)
    asked += re.findall(r'"plot": \[?"([^"]+)"', text)
    asked += re.findall(
        r'^ +"[^",]*,([^"\\]+ [^"\\]+)\\n"$', text, flags=re.MULTILINE
    )  # rows that a page writes to a file
    return {question for question in asked if not question.endswith(".csv")}


def test_the_documentation_asks_about_films_and_people_whose_answer_is_known() -> None:
    asked = set().union(*map(asked_in, PAGES))
    assert asked == {*FILMS, PERSON}, "ask them in the test below as well, or about one that it knows"
    (plot,) = [column for column in GenrePredictor.columns if column.name == "plot"]
    assert set(plot.examples) <= set(FILMS)


@pytest.mark.heavy
def test_films_of_the_documentation_get_their_genre_from_the_model_of_the_sample(project: Path) -> None:
    import mlflow

    done = kedro(project, "run", "--pipelines=genre_classification", timeout=900)
    assert done.returncode == 0, done.stdout[-3000:] + done.stderr[-3000:]
    (folder,) = project.glob("mlartifacts/*/*/artifacts/model")
    answers = mlflow.pyfunc.load_model(str(folder)).predict(pd.DataFrame({"plot": list(FILMS)}))
    assert dict(zip(FILMS, answers["genre"], strict=True)) == FILMS


@pytest.mark.heavy
def test_the_person_of_the_documentation_is_above_50K_for_the_model_of_the_sample(project: Path) -> None:
    done = kedro(project, "run", "--pipelines=income_classification", timeout=900)
    assert done.returncode == 0, done.stdout[-3000:] + done.stderr[-3000:]
    done = kedro(project, "predict", "income_classification", PERSON, "--output=answer.json")
    assert done.returncode == 0, done.stderr
    (answer,) = json.loads((project / "answer.json").read_text())
    assert answer["income"] == ">50K" and answer["probability"] > 0.7
