"""A study's registered model, asked from the command line."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest
from click.testing import Result

from projects import STUDY, kedro

pytestmark = pytest.mark.slow
PLOT = "A detective hunts a killer who leaves a chess piece at every crime scene."
Predict = Callable[..., Result]


def test_predict_prints_three_genres_with_probabilities(finished_project: Path) -> None:
    done = kedro(finished_project, "predict", STUDY, PLOT)
    assert done.returncode == 0, done.stderr
    ranked = [line for line in done.stdout.splitlines() if line.endswith("%")]
    assert len(ranked) == 3
    shares = [float(line.split()[-1].rstrip("%")) for line in ranked]
    assert shares == sorted(shares, reverse=True)
    assert "embedded sample" in done.stdout


def test_a_wrong_question_ends_with_a_status_of_its_own(finished_project: Path) -> None:
    done = kedro(finished_project, "predict", STUDY, "{not json")
    assert done.returncode == 1 and "looks like JSON" in done.stderr
    assert "Traceback" not in done.stdout + done.stderr


def test_text_json_and_file_are_the_same_question(finished_project: Path, predict: Predict) -> None:
    (finished_project / "asked").mkdir(exist_ok=True)
    (finished_project / "asked" / "plot.txt").write_text(PLOT)
    questions = [PLOT, json.dumps({"plot": PLOT}), "plot.txt"]
    told = [predict(finished_project, STUDY, question) for question in questions]
    assert [done.exit_code for done in told] == [0, 0, 0], told[-1].output
    assert len({done.stdout for done in told}) == 1


@pytest.mark.parametrize("suffix", [".json", ".CSV"])
def test_answers_are_written_as_rows_where_asked(
    finished_project: Path, predict: Predict, tmp_path: Path, suffix: str
) -> None:
    path = tmp_path / f"answers{suffix}"
    done = predict(finished_project, STUDY, PLOT, f"--output={path}")
    assert done.exit_code == 0 and f"Written: {path}" in done.stdout, done.output
    if suffix == ".json":
        (row,) = json.loads(path.read_text())
        probabilities = row["probabilities"]
    else:
        import pandas as pd

        (row,) = pd.read_csv(path).to_dict("records")
        probabilities = json.loads(row["probabilities"])
    assert row["genre"] == max(probabilities, key=probabilities.get)


@pytest.mark.parametrize(
    ("arguments", "status", "part"),
    [
        ((STUDY, PLOT, "--env=full"), 1, "kedro run --env=full"),
        ((STUDY, PLOT, "--version=99"), 1, "with version 99"),
        (("genre", PLOT), 2, "kedro studies"),
        ((STUDY, '{"titel": "Akela"}'), 1, "there is no column 'titel' (did you mean 'title'?)"),
        ((STUDY, "  "), 1, "plot in row 0 is nothing but spaces"),
        ((STUDY, "nothing.txt"), 1, "nothing.txt: no such file"),
        ((STUDY, PLOT, "--output=answer.png"), 1, "expected a name ending in .csv, .json"),
        ((STUDY, PLOT, "--output=."), 1, "is a folder"),
    ],
)
def test_a_wrong_question_gets_one_message_and_writes_nothing(
    finished_project: Path, predict: Predict, arguments: tuple[str, ...], status: int, part: str
) -> None:
    (finished_project / "asked").mkdir(exist_ok=True)
    before = sorted((finished_project / "asked").iterdir())
    done = predict(finished_project, *arguments)
    assert done.exit_code == status, done.output
    assert part in " ".join(done.stderr.split()) and "Traceback" not in done.output
    assert sum(line.startswith("Error:") for line in done.stderr.splitlines()) == 1
    assert sorted((finished_project / "asked").iterdir()) == before


def test_a_study_that_never_ran_is_named_with_the_command_that_runs_it(
    project: Path, predict: Predict
) -> None:
    done = predict(project, STUDY, PLOT)
    assert done.exit_code == 1
    assert f"Train it first: kedro run --pipelines={STUDY}" in " ".join(done.stderr.split())
    assert not list(project.rglob("*.db")), "an empty registry would look like one that lost its models"


def test_a_model_whose_files_are_gone_is_named(finished_project: Path, predict: Predict) -> None:
    files = finished_project / "mlartifacts"
    files.rename(finished_project / "elsewhere")
    try:
        done = predict(finished_project, STUDY, PLOT)
    finally:
        (finished_project / "elsewhere").rename(files)
    assert done.exit_code == 1
    flat = " ".join(done.stderr.split())
    assert f"models:/{STUDY}-sample/1 cannot be fetched" in flat and "Train the model again" in flat
