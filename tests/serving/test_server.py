"""A declared predictor as a registered model: from Python and over MLflow's scoring server, wherever it runs."""

from __future__ import annotations

import json
import subprocess
import sysconfig
import venv
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from etudes.models import ModelState, register_model, save_model
from etudes.serving.predictor import Column, Predictor, load_predictor
from projects import quiet_environment

CARD = {"variant": "echo", "embedded_sample": True}


@register_model("toy.echo")
class Echo:
    """Repeats letters of a prompt."""

    registered_name: str

    def __init__(self, letters: str) -> None:
        self.letters = letters

    def state(self) -> ModelState:
        return ModelState({"letters": self.letters})

    @classmethod
    def from_state(cls, state: ModelState) -> Echo:
        return cls(**state.config)


@register_model("toy.predictor")
class EchoPredictor(Predictor):
    """As many letters as asked for, from the place of the seed on; "!" breaks it."""

    closing: str
    ignored = ("note",)
    columns = (
        Column("prompt", "text", examples=("The ", "If ")),
        Column("temperature", "number", required=False, default=1.0, low=0, examples=(0.5, 1.0)),
        Column("top_p", "number", required=False, default=1.0, low=0, high=1),
        Column("characters", "whole", required=False, default=5, low=1),
        Column("seed", "whole", required=False, default=0, low=0),
        Column("points", "json", required=False),
    )

    def answer(self, frame: pd.DataFrame) -> pd.DataFrame:
        if (frame["prompt"] == "!").any():
            raise RuntimeError(f"broken in {__file__}")
        letters = self.model.letters * 9
        return pd.DataFrame(
            {
                "continuation": [
                    letters[row.seed : row.seed + row.characters] + self.closing for row in frame.itertuples()
                ]
            }
        )


@pytest.fixture(scope="module")
def model_path(tmp_path_factory: pytest.TempPathFactory) -> Path:
    from etudes.tracking.registry import save_served

    folder = tmp_path_factory.mktemp("served")
    save_model(EchoPredictor(Echo("abcdefg"), CARD, closing="."), folder / "predictor")
    save_served("toy", folder / "predictor", load_predictor(folder / "predictor"), folder / "model")
    return folder / "model"


@pytest.fixture(scope="module")
def model(model_path: Path) -> Any:
    import mlflow

    return mlflow.pyfunc.load_model(str(model_path))


@pytest.fixture(scope="module")
def client(model: Any) -> Any:
    from fastapi.testclient import TestClient
    from mlflow.pyfunc import scoring_server

    return TestClient(scoring_server.init(model))


def post(client: Any, body: Any, kind: str | None = "application/json") -> tuple[int, dict[str, Any]]:
    content = body if isinstance(body, str | bytes) else json.dumps(body)
    response = client.post("/invocations", content=content, headers={"Content-Type": kind} if kind else {})
    return response.status_code, response.json()


def test_a_predictor_comes_back_with_its_parts(tmp_path: Path) -> None:
    save_model(EchoPredictor(Echo("xy"), CARD, closing="?"), tmp_path / "predictor")
    again: Any = load_predictor(tmp_path / "predictor")
    assert isinstance(again, EchoPredictor) and again.card == CARD
    assert (again.model.letters, again.closing) == ("xy", "?")
    with pytest.raises(TypeError, match="parts cannot be named columns"):
        EchoPredictor(Echo("xy"), CARD, columns=())


def test_the_signature_is_the_declaration(model: Any) -> None:
    schema = model.metadata.get_input_schema()
    assert schema.required_input_names() == ["prompt"]
    assert schema.optional_input_names() == ["temperature", "top_p", "characters", "seed", "points"]
    types = [column.type.name for column in schema.inputs[:-1]]
    assert types == ["string", "double", "double", "long", "long"]


def test_optional_columns_reach_the_model_and_may_be_left_out(model: Any, client: Any) -> None:
    rows = [{"prompt": "The ", "characters": 5, "seed": seed} for seed in (1, 2)]
    assert model.predict(pd.DataFrame(rows))["continuation"].tolist() == ["bcdef.", "cdefg."]
    assert model.predict({"prompt": "The "})["continuation"].tolist() == ["abcde."]
    for form in (
        {"dataframe_records": rows},
        {"inputs": {"prompt": ["a", "b"], "seed": [1, 2]}},
        {"instances": rows},
        {"dataframe_split": {"columns": ["prompt", "seed"], "data": [["a", 1], ["b", 2]]}},
    ):
        status, told = post(client, form)
        assert status == 200 and [row["continuation"] for row in told["predictions"]] == ["bcdef.", "cdefg."]
    status, told = post(client, {"dataframe_records": [{"prompt": "The "}]})
    assert status == 200 and told == {"predictions": [{"continuation": "abcde."}]}
    status, told = post(client, "prompt,seed\nThe ,1\nIf,\n", "text/csv; charset=utf-8")
    assert [row["continuation"] for row in told["predictions"]] == ["bcdef.", "abcde."]


def test_columns_that_are_ignored_may_hold_anything(model: Any, client: Any) -> None:
    rows = [{"prompt": "a", "seed": 1, "note": value} for value in (None, [1], {"deep": "er"})]
    assert model.predict(pd.DataFrame(rows))["continuation"].tolist() == ["bcdef."] * 3
    for body, kind in (({"dataframe_records": rows}, None), ("note,prompt,seed\nx,a,1\n", "text/csv")):
        status, told = post(client, body, *([kind] if kind else []))
        assert status == 200 and {row["continuation"] for row in told["predictions"]} == {"bcdef."}
    parsed = EchoPredictor(Echo("xy"), CARD, closing="?").parse('{"prompt": "a", "note": 5}')
    assert list(parsed.columns) == ["prompt"]


def test_a_column_that_does_not_exist_is_refused_by_name(model: Any, client: Any) -> None:
    from mlflow.exceptions import MlflowException

    row = {"prompt": "The ", "sed": 1}
    with pytest.raises(MlflowException, match=r"no column 'sed' \(did you mean 'seed'\?\)"):
        model.predict(pd.DataFrame([row]))
    for body, kind in (
        (json.dumps({"dataframe_records": [row]}), "application/json"),
        ("prompt,sed\na,1\n", "text/csv"),
    ):
        status, told = post(client, body, kind)
        assert status == 400 and "there is no column 'sed'" in told["message"]


@pytest.mark.parametrize(
    "row", [{"prompt": ["a"]}, {"prompt": "a", "seed": True}, {"prompt": "a", "seed": 1.5}, {"prompt": 5}]
)
def test_lenient_types_are_refused(client: Any, row: dict[str, Any]) -> None:
    status, told = post(client, {"dataframe_records": [row]})
    assert status == 400 and " in row 0 is " in told["message"]


@pytest.mark.parametrize(
    ("body", "kind", "status", "part"),
    [
        ('{"dataframe_records": [{"prompt"', "application/json", 400, "is no JSON"),
        ('{"inputs": ' + "[" * 100_000, "application/json", 400, "is no JSON"),
        ("[1]", "application/json", 400, "holds list"),
        ("{}", "application/json", 400, "holds nothing"),
        (
            '{"dataframe_records": [{"prompt": "a"}], "params": {}}',
            "application/json",
            400,
            "nothing beside it",
        ),
        ('{"dataframe_records": ["a"]}', "application/json", 400, "no table"),
        ('{"dataframe_split": {"data": [1]}}', "application/json", 400, "columns and data"),
        (
            '{"dataframe_split": {"columns": ["a"], "data": [[1, 2]]}}',
            "application/json",
            400,
            "is no table",
        ),
        ('prompt\n"a', "text/csv", 400, "unexpected end"),
        ("prompt,seed\na,1,2\n", "text/csv", 400, "line 2 has 3 cells"),
        (b"prompt\n\xff\n", "text/csv", 400, "UTF-8"),
        ("", "text/csv", 400, "no rows"),
        ("abc", "application/vnd.apache.parquet", 400, "no Parquet"),
        ("prompt\na", "text/csv; charset=latin-1", 415, "charset"),
        ("a", "text/plain", 415, "expected application/json"),
        ("a", None, 415, "expected application/json"),
        ({"dataframe_records": [{"prompt": "!"}]}, "application/json", 500, "the server's log says why"),
    ],
)
def test_a_refusal_says_the_reason_and_nothing_of_the_server(
    client: Any, body: Any, kind: str | None, status: int, part: str
) -> None:
    got, told = post(client, body, kind)
    assert got == status and part in told["message"]
    assert set(told) == {"error_code", "message"}
    assert not any(word in told["message"] for word in ("Traceback", ".py", "site-packages"))


def test_models_of_others_are_served_as_before(model: Any, tmp_path: Path) -> None:
    import mlflow
    from fastapi.testclient import TestClient
    from mlflow.pyfunc import scoring_server

    code = tmp_path / "other.py"
    code.write_text(
        "from mlflow.models import set_model\nfrom mlflow.pyfunc import PythonModel\n\n\n"
        "class Sum(PythonModel):\n"
        "    def predict(self, context, model_input, params=None):\n"
        "        return model_input.sum(axis=1)\n\n\nset_model(Sum())\n"
    )
    mlflow.pyfunc.save_model(tmp_path / "other", python_model=str(code), pip_requirements=["pandas"])
    other = TestClient(scoring_server.init(mlflow.pyfunc.load_model(str(tmp_path / "other"))))
    status, told = post(other, {"dataframe_records": [{"a": 1, "b": 2}]})
    assert (status, told) == (200, {"predictions": [{"0": 3}]})


@pytest.fixture(scope="module")
def elsewhere(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The interpreter of an environment that has this one's libraries, and not this project."""
    folder = tmp_path_factory.mktemp("elsewhere")
    venv.create(folder, with_pip=False)
    (site,) = folder.glob("lib/python*/site-packages")
    (site / "libraries.pth").write_text(sysconfig.get_path("purelib"))
    return folder / "bin" / "python"


@pytest.fixture(scope="module")
def digits_path(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A served model of another study, with the code that it needs and no other."""
    from digit_toys import crisp_splits, fit_settings, run_settings
    from etudes.digits.judge import DigitJudge
    from etudes.digits.parameters import JudgeParameters
    from etudes.digits.predictor import DigitPredictor
    from etudes.digits.vae import BernoulliPixels
    from etudes.tracking.registry import save_served

    folder = tmp_path_factory.mktemp("digits")
    train, dev, _ = crisp_splits()
    settings = JudgeParameters(width=4, features=8, dropout=0.0, shift=0, fit=fit_settings(epochs=1))
    judge = DigitJudge.fit(train, dev, settings, run_settings())[0]
    predictor = DigitPredictor(BernoulliPixels(np.full((1, 8, 8), 0.5)), CARD, judge=judge)
    save_model(predictor, folder / "predictor")
    save_served("vae", folder / "predictor", predictor, folder / "model")
    return folder / "model"


ELSEWHERE = """
import sys, mlflow

films, digits = (mlflow.pyfunc.load_model(path) for path in sys.argv[1:])
import etudes

print(etudes.__file__)
print(films.predict({"plot": "A wolf."})["genre"].tolist(), digits.predict({"seed": [1]})["label"].tolist())
print({"accelerate", "kedro_datasets", "kedro_mlflow", "kedro_viz", "markdown_it", "plotly"} & set(sys.modules))
"""


@pytest.mark.slow
def test_registered_models_answer_together_where_the_project_is_not(
    finished_project: Path, digits_path: Path, elsewhere: Path, tmp_path: Path
) -> None:
    (path,) = finished_project.glob("mlartifacts/*/*/artifacts/model")
    done = subprocess.run(
        [elsewhere, "-c", ELSEWHERE, path, digits_path],
        cwd=tmp_path,
        env={k: v for k, v in quiet_environment().items() if k != "PYTHONPATH"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    where, answers, needless = done.stdout.splitlines()[-3:]
    assert Path(where).is_relative_to(path), "the code is the model's own"
    assert answers.startswith("['") and answers.endswith("]")
    assert needless == "set()", "libraries that are not among the model's requirements"
