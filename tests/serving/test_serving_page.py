"""docs/serving.md, run from its first block to its last, and what the models on it answer to wrong questions."""

from __future__ import annotations

import base64
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
from click.testing import Result
from page_blocks import blocks_of, run_blocks

from projects import ROOT, make_project

pytestmark = [pytest.mark.slow, pytest.mark.heavy]
# The page shows how a model is served, whichever variants it was chosen from.
VARIANTS = {
    "genre_classification": ["majority", "tfidf"],
    "income_classification": ["majority", "gaussian"],
    "anomaly_padim": ["mean_image", "padim"],
}


@pytest.fixture(scope="module")
def project(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A project in seconds-size with few variants."""
    folder = make_project(tmp_path_factory.mktemp("serving") / "project")
    for study, variants in VARIANTS.items():
        with (folder / "conf" / "test" / "parameters" / f"{study}.yml").open("a") as parameters:
            parameters.write(f"  variants: [{', '.join(variants)}]\n")
    return folder


@pytest.fixture(scope="module")
def printed(project: Path) -> dict[str, str]:
    """What the page's blocks printed, by heading."""
    return run_blocks(blocks_of(ROOT / "docs" / "serving.md"), project, timeout=1800, KEDRO_ENV="test")


def answers(text: str) -> list[list[dict[str, Any]]]:
    """The predictions in a server's answers, one list for each."""
    lines = [json.loads(line) for line in text.splitlines() if line.startswith("{")]
    return [line["predictions"] for line in lines if "predictions" in line]


def test_each_study_has_a_champion_of_a_finished_run(printed: dict[str, str]) -> None:
    told = printed["The registered model and its champion"]
    for study, variants in VARIANTS.items():
        line, of_dev = told.partition(f"{study}-sample version 1 of a run that FINISHED\n")[1:]
        assert line and of_dev.split()[0] in variants and " with a dev " in of_dev.splitlines()[0]
    assert "income_classification-sample @trial is version 1" in told


def test_the_command_line_answers_a_text_a_table_and_a_picture(
    printed: dict[str, str], project: Path
) -> None:
    told = printed["From the command line"]
    assert told.count("(trained on the embedded sample in test)]") == 3
    assert "... and 80 more rows; --output=answers.csv" in told
    incomes = pd.read_csv(project / "incomes.csv")
    assert len(incomes) == 100 and set(incomes["income"]) <= {"<=50K", ">50K"}
    assert incomes["probability"].between(0.5, 1).all()
    assert "(category board)" in told
    assert (project / "anomaly_padim_part.png").read_bytes().startswith(b"\x89PNG")


def test_models_load_in_a_fresh_process(printed: dict[str, str], project: Path) -> None:
    genres, incomes, parts = printed["From Python"].strip().splitlines()[-3:]
    assert len(json.loads(genres.replace("'", '"'))) == 2
    counted = pd.read_csv(project / "incomes.csv")["income"].value_counts().to_dict()
    assert json.loads(incomes.replace("'", '"')) == counted, "the same answers as from the command line"
    assert "'category': 'board'" in parts and "'score'" in parts


def test_the_servers_answer_a_text_a_table_and_a_picture(printed: dict[str, str], project: Path) -> None:
    films, people, parts = answers(printed["Over HTTP"])
    (film,), (part,) = films, parts
    assert film["genre"] == max(film["probabilities"], key=film["probabilities"].get)
    assert [person["income"] for person in people] == pd.read_csv(project / "incomes.csv")["income"].tolist()
    assert part["category"] == "board" and base64.b64decode(part["heat_map"]).startswith(b"\x89PNG")


def test_a_wrong_row_gets_status_400_and_the_reason(printed: dict[str, str]) -> None:
    told = printed["Over HTTP"]
    assert "age in row 0 is '200'; expected a whole number from 0 to 120" in told and "\nstatus 400\n" in told


def test_a_batch_file_has_a_row_for_each_question(printed: dict[str, str], project: Path) -> None:
    assert "Many rows at once" in printed
    written = json.loads((project / "genres.json").read_text())["predictions"]
    assert len(written) == 2 and all(set(row) == {"genre", "probability", "probabilities"} for row in written)


@pytest.fixture(scope="module")
def served(printed: dict[str, str], project: Path) -> dict[str, Any]:
    """The registered models of the page's runs, as the server holds them."""
    import mlflow

    assert printed
    mlflow.set_tracking_uri(f"sqlite:///{project / 'mlflow.db'}")
    return {study: mlflow.pyfunc.load_model(f"models:/{study}-sample@champion") for study in VARIANTS}


PERSON = {
    "age": 38,
    "workclass": "Private",
    "fnlwgt": 0,
    "education": "Bachelors",
    "education-num": 13,
    "marital-status": "Never-married",
    "occupation": "?",
    "relationship": "Husband",
    "race": "White",
    "sex": "Male",
    "capital-gain": 0,
    "capital-loss": 0,
    "hours-per-week": 45,
    "native-country": "?",
}


@pytest.mark.parametrize(
    ("study", "record", "part"),
    [
        ("genre_classification", {"title": "", "plot": " "}, "plot in row 0 is nothing but spaces"),
        ("genre_classification", {"title": "Akela"}, "the column plot must be there"),
        (
            "income_classification",
            {k: v for k, v in PERSON.items() if k != "sex"},
            "the column sex must be there",
        ),
        ("income_classification", {**PERSON, "age": "old"}, "age"),
        (
            "income_classification",
            {**PERSON, "hours-per-week": 400},
            "hours-per-week in row 0 is 400; expected",
        ),
        ("anomaly_padim", {"image": "bm8gcGljdHVyZQ==", "category": ""}, "no picture can be read"),
        ("anomaly_padim", {"image": "no picture", "category": ""}, "not base64"),
    ],
)
def test_a_server_refuses_what_it_cannot_answer(
    served: dict[str, Any], study: str, record: dict[str, Any], part: str
) -> None:
    from fastapi.testclient import TestClient
    from mlflow.pyfunc import scoring_server

    client = TestClient(scoring_server.init(served[study]))
    response = client.post("/invocations", json={"dataframe_records": [record]})
    assert response.status_code == 400 and part in response.json()["message"]


def spoilt_files(folder: Path) -> None:
    """Files that no model can answer, in ``folder``."""
    folder.mkdir(exist_ok=True)
    people = (folder.parent / "people.csv").read_text().splitlines()
    columns = people[0].replace("sex,", "")
    (folder / "lacking.csv").write_text(
        f"{columns}\n{people[1].replace('Female,', '').replace('Male,', '')}\n"
    )
    (folder / "notes.png").write_text("no picture")
    with (folder / "huge.csv").open("wb") as huge:
        huge.truncate(60_000_000)
    (folder / "there.csv").write_text("mine")


@pytest.mark.parametrize(
    ("arguments", "part"),
    [
        (("income_classification", "lacking.csv"), "the column sex must be there. Expected age, workclass"),
        (("income_classification", "huge.csv"), "huge.csv: 60,000,000 bytes are too many"),
        (("income_classification", '{"age": 38}'), "the columns workclass, education"),
        (("income_classification", "../people.csv", "--output=there.csv"), "there.csv exists already"),
        (("anomaly_padim", "notes.png"), "notes.png: no picture can be read from its 10 bytes"),
        (("anomaly_padim", "../people.csv"), "the column image must be there"),
        (("anomaly_padim", "nothing.png"), "nothing.png: no such file"),
        (
            ("anomaly_padim", '{"image": "../part.png", "category": "cup"}'),
            "category in row 0 is 'cup'; expected one of",
        ),
        (
            ("anomaly_padim", "../part.png", "--output=heat.jpg"),
            "expected a name ending in .csv, .json, .png",
        ),
    ],
)
def test_the_command_line_refuses_what_it_cannot_answer(
    printed: dict[str, str],
    project: Path,
    predict: Callable[..., Result],
    arguments: tuple[str, ...],
    part: str,
) -> None:
    assert printed
    spoilt_files(project / "asked")
    before = {path.name: path.stat().st_size for path in (project / "asked").iterdir()}
    done = predict(project, *arguments)
    assert done.exit_code == 1 and part in " ".join(done.stderr.split()), done.output
    assert sum(line.startswith("Error:") for line in done.stderr.splitlines()) == 1
    assert {path.name: path.stat().st_size for path in (project / "asked").iterdir()} == before
