"""Every model comes back as it was stored; every predictor answers its example, its README and the scoring server."""

from __future__ import annotations

import base64
import json
import os
import re
import shlex
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from checks import readme_commands
from click.testing import Result
from run_checks import reloads, same_answers, stored_state
from runs import Run, answers_of
from subjects import STUDIES, subject_of

from projects import kedro, quiet_environment

pytestmark = pytest.mark.slow
Finished = Callable[[str], Run]
of_every_study = pytest.mark.parametrize("name", STUDIES)


@of_every_study
def test_every_model_comes_back_as_it_was_stored(name: str, finished: Finished) -> None:
    run = finished(name)
    for output in sorted(run.subject.graph.all_outputs()):
        short = run.subject.short(output)
        if short.endswith("_model") or short == "predictor":
            reloads(run.load(short), stored_state(run.path(short)))


@of_every_study
def test_the_predictor_answers_as_before_it_was_stored(name: str, finished: Finished) -> None:
    run = finished(name)
    assert run.notes["answers"]
    same_answers(answers_of(run.load("predictor")), run.notes["answers"])


ASK_ALL = """
import json, sys
from pathlib import Path
from etudes.serving.predictor import load_predictor

for folder in sys.argv[1:]:
    predictor = load_predictor(Path(folder))
    print(predictor.predict(predictor.example()).to_json(orient="records"))
"""


@pytest.fixture(scope="module")
def elsewhere(request: pytest.FixtureRequest, finished: Finished) -> dict[str, Any]:
    """Answers of the predictors of all chosen studies in one fresh process: importing the libraries takes longest."""
    asked = [item for item in request.session.items if getattr(item, "originalname", "") == FRESH.__name__]
    names = [item.callspec.params["name"] for item in asked]  # type: ignore[attr-defined]
    done = subprocess.run(
        [sys.executable, "-c", ASK_ALL, *(str(finished(name).path("predictor")) for name in names)],
        env=quiet_environment(PYTHONPATH=os.pathsep.join(sys.path)),
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr[-3000:]
    return dict(zip(names, map(json.loads, done.stdout.splitlines()), strict=True))


@of_every_study
def test_the_predictor_answers_the_same_in_a_fresh_process(
    name: str, finished: Finished, elsewhere: dict[str, Any]
) -> None:
    same_answers(elsewhere[name], finished(name).notes["answers"])


FRESH = test_the_predictor_answers_the_same_in_a_fresh_process


@of_every_study
def test_the_registered_model_answers_its_example_over_the_scoring_server(
    name: str, finished: Finished
) -> None:
    import mlflow
    from fastapi.testclient import TestClient
    from mlflow.pyfunc import scoring_server

    run = finished(name)
    (folder,) = run.project.glob("mlartifacts/*/*/artifacts/model")
    model = mlflow.pyfunc.load_model(str(folder))
    asked = (folder / "serving_input_example.json").read_text()
    client = TestClient(scoring_server.init(model))
    response = client.post("/invocations", content=asked, headers={"Content-Type": "application/json"})
    assert response.status_code == 200, response.text
    same_answers(response.json()["predictions"], run.notes["answers"])


@of_every_study
def test_the_questions_of_the_readme_are_answered(
    name: str, finished: Finished, predict: Callable[..., Result]
) -> None:
    run = finished(name)
    questions = [command[2:] for command in readme_commands(subject_of(name)) if command[1] == "predict"]
    assert questions, f"{name}/README.md asks its model nothing"
    folder = run.project / "asked"
    folder.mkdir(exist_ok=True)
    example = run.load("predictor").example()
    pictures = [cell for column in example for cell in example[column] if isinstance(cell, str)]
    for arguments in questions:
        for file in re.findall(
            r"[\w-]+\.png", " ".join(arguments)
        ):  # the README's own pictures of the user's
            (folder / file).write_bytes(base64.b64decode(pictures[0]))
        for file in re.findall(r"[\w-]+\.csv", " ".join(arguments)):
            example.to_csv(folder / file, index=False)
        answered = predict(run.project, *arguments, "--overwrite")
        assert answered.exit_code == 0, f"kedro predict {shlex.join(arguments)}: {answered.output}"
        assert f"[models:/{name}-sample version 1:" in answered.output


@pytest.mark.heavy
@of_every_study
def test_the_commands_of_the_readme_run(name: str, project: Path) -> None:
    """On the data that come with a library, as they stand in the README."""
    for words in readme_commands(subject_of(name)):
        if words[1] == "run" and "--env=full" not in words:
            done = kedro(project, *words[1:], timeout=1800)
            assert done.returncode == 0, done.stdout[-3000:] + done.stderr[-3000:]
