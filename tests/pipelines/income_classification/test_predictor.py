"""The model that answers a user: a row of a census in, an income out, in any process."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from etudes.models import save_model
from etudes.pipelines.income_classification import nodes
from etudes.pipelines.income_classification.model import IncomePredictor
from etudes.pipelines.income_classification.people import COLUMNS
from etudes.serving.predictor import Predictor

CARD = {"variant": "logistic", "embedded_sample": True, "dev_score": 0.8}
LINE = "45, Private, 77516, Masters, 14, Married-civ-spouse, Exec-managerial, Husband, White, Male, 0, 0, 50, United-States"


@pytest.fixture(scope="module")
def predictors(splits: Any, settings: Any, run_settings: Any) -> dict[str, IncomePredictor]:
    train, dev = splits[:2]
    features = settings("features")
    models = {
        "gaussian": nodes.train_gaussian(train, dev, features, settings("generative"))[0],
        "boosting": nodes.train_boosting(train, dev, features, settings("boosting"), run_settings())[0],
        "majority": nodes.train_majority(train, dev)[0],
    }
    return {name: IncomePredictor(model, CARD) for name, model in models.items()}


@pytest.fixture(scope="module")
def predictor(predictors: dict[str, IncomePredictor]) -> IncomePredictor:
    return predictors["gaussian"]


def above(predictor: IncomePredictor, frame: pd.DataFrame) -> list[float]:
    return predictor.predict(frame)["probability_above_50k"].tolist()


def test_it_is_a_predictor(predictor: IncomePredictor) -> None:
    assert isinstance(predictor, Predictor)


def test_rich_and_poor_are_told_apart(predictor: IncomePredictor) -> None:
    assert "fnlwgt" not in predictor.example(), "a served model would ask users for it"
    answer = predictor.predict(predictor.example())
    assert answer["income"].tolist() == [">50K", "<=50K"]
    assert (answer["probability"] >= 0.5).all()
    assert answer["probability"].tolist() == pytest.approx(
        [answer["probability_above_50k"][0], 1 - answer["probability_above_50k"][1]]
    )


def test_answers_equal_those_of_the_model_to_raw_rows(predictor: IncomePredictor, splits: Any) -> None:
    test = splits[2]
    np.testing.assert_array_equal(
        above(predictor, test[list(COLUMNS)]), predictor.model.predict_proba(test)[:, 1]
    )


def test_line_json_and_file_are_the_same_question(predictor: IncomePredictor, tmp_path: Path) -> None:
    fields = dict(zip(COLUMNS, LINE.split(", "), strict=True))
    numbers = {name: int(value) if value.isdigit() else value for name, value in fields.items()}
    underscored = {name.replace("-", "_"): value for name, value in numbers.items()}
    (tmp_path / "people.csv").write_text(f"{LINE}\n{LINE}, >50K\n")
    names = [name.replace("-", "_") for name in COLUMNS]
    (tmp_path / "named.csv").write_text(
        f"income,{','.join(reversed(names))}\n>50K,{','.join(reversed(LINE.split(', ')))}\n",
        encoding="utf-8-sig",
    )
    (tmp_path / "PEOPLE.CSV").write_bytes((tmp_path / "people.csv").read_bytes().replace(b"\n", b"\r\n"))
    dotted = [name.replace("-", ".") for name in COLUMNS]
    for separator, file in ((";", "excel.csv"), ("\t", "named.tsv")):
        lines = [separator.join(dotted), separator.join(LINE.split(", "))]
        (tmp_path / file).write_text("\r".join(lines), encoding="utf-8-sig", newline="")
    questions = [
        LINE,
        f"{LINE}, <=50K.",
        json.dumps(fields),
        json.dumps(numbers),
        json.dumps(underscored),
        str(tmp_path / "named.csv"),
        str(tmp_path / "excel.csv"),
        str(tmp_path / "named.tsv"),
        str(tmp_path / "people.csv"),
        f" {tmp_path / 'PEOPLE.CSV'}\n",
    ]
    answers = [above(predictor, predictor.parse(question)) for question in questions]
    assert [len(answer) for answer in answers] == [1, 1, 1, 1, 1, 1, 1, 1, 2, 2]
    assert len({p for answer in answers for p in answer}) == 1


def test_the_weight_may_be_left_out_and_columns_may_come_in_any_order(predictor: IncomePredictor) -> None:
    frame = predictor.parse(LINE)
    shuffled = frame.drop(columns="fnlwgt")[sorted(set(COLUMNS) - {"fnlwgt"})]
    assert above(predictor, shuffled) == above(predictor, frame)


@pytest.mark.parametrize("nothing", ["?", "", None, float("nan"), pd.NA])
def test_a_missing_answer_may_be_written_in_any_way(predictor: IncomePredictor, nothing: Any) -> None:
    frame = predictor.parse(LINE)
    frame["occupation"] = pd.Series([nothing], dtype=object)
    assert above(predictor, frame) == above(predictor, predictor.parse(LINE.replace("Exec-managerial", "?")))


@pytest.mark.parametrize("name", ["gaussian", "boosting"])
def test_an_answer_that_train_never_gave_is_answered(
    predictors: dict[str, IncomePredictor], name: str
) -> None:
    strange = [LINE.replace("United-States", country) for country in ("Atlantis", "Mu")]
    one, other = (above(predictors[name], predictors[name].parse(line)) for line in strange)
    assert one == other and 0 < one[0] < 1


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"age": "old"}, "row 0: age is 'old', expected a whole number from 0 to 120"),
        ({"age": 39.5}, "row 0: age is '39.5'"),
        ({"age": None}, r"row 0: age is '\?'"),
        ({"hours-per-week": 400}, "hours-per-week is 400, expected a whole number from 0 to 168"),
        ({"salary": 1}, "Columns unknown: salary. Expected age, workclass"),
    ],
)
def test_a_wrong_row_is_refused_by_name(
    predictor: IncomePredictor, change: dict[str, Any], said: str
) -> None:
    frame = predictor.parse(LINE).astype(object)
    for name, value in change.items():
        frame[name] = pd.Series([value], dtype=object)
    with pytest.raises(ValueError, match=said):
        predictor.predict(frame)


def test_missing_columns_are_named(predictor: IncomePredictor) -> None:
    with pytest.raises(ValueError, match=r"missing: sex, native-country\. Expected age"):
        predictor.predict(predictor.parse(LINE).drop(columns=["sex", "native-country"]))


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ('{"age": 3', r"looks like JSON but is not: .*Expected \{\"age\": 38"),
        ("45, Private", "the question: 1 line cannot be read. Expected 14 fields"),
        ("people.csv", r"people\.csv: no such file"),
        ("", "there are no people in it"),
        (LINE.replace("45", "forty"), "age is 'forty'"),
    ],
)
def test_a_wrong_question_is_refused(predictor: IncomePredictor, text: str, said: str) -> None:
    with pytest.raises(ValueError, match=said):
        predictor.parse(text)


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (b"age,workclass\n", r"people\.csv: there are no rows in it"),
        (b"age,workclass\n38,Private,3,4\n", r"people\.csv: cannot be read"),
        (b"age,workclass\n38\n", r"people\.csv: cannot be read .line 2 has 1 cells, the first 2"),
        (b"age,age\n38,39\n", r"people\.csv: columns stand twice: age"),
        (b"age,workclass\n38,Priv\xe9\n", r"people\.csv, line 2: byte 0xe9 is not UTF-8"),
    ],
)
def test_a_wrong_file_with_column_names_is_refused(
    predictor: IncomePredictor, tmp_path: Path, content: bytes, said: str
) -> None:
    (tmp_path / "people.csv").write_bytes(content)
    with pytest.raises(ValueError, match=said):
        predictor.parse(str(tmp_path / "people.csv"))


def test_an_answer_is_described(predictor: IncomePredictor) -> None:
    text = predictor.describe(pd.DataFrame({"income": ["<=50K"], "probability_above_50k": [0.125]}))
    assert text == "<=50K  (probability of > 50K: 12.5%)"


def test_it_is_the_same_after_saving(
    predictors: dict[str, IncomePredictor], reloaded: Callable[[Any], Any]
) -> None:
    for predictor in predictors.values():
        again = reloaded(predictor)
        assert again.card == CARD
        pd.testing.assert_frame_equal(again.predict(again.example()), predictor.predict(predictor.example()))


@pytest.mark.slow
def test_probabilities_are_equal_in_a_fresh_process_without_scikit_learn(
    predictors: dict[str, IncomePredictor], tmp_path: Path
) -> None:
    for name, predictor in predictors.items():
        save_model(predictor, tmp_path / name)
    code = (
        "import json, sys; from pathlib import Path; from etudes.serving.predictor import load_predictor\n"
        "answers = {}\n"
        "for name in sys.argv[1:]:\n"
        "    predictor = load_predictor(Path(name))\n"
        "    answers[name] = predictor.predict(predictor.example())['probability_above_50k'].tolist()\n"
        "assert 'sklearn' not in sys.modules\n"
        "print(json.dumps(answers))"
    )
    done = subprocess.run(
        [sys.executable, "-c", code, *predictors], cwd=tmp_path, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    there = json.loads(done.stdout.splitlines()[-1])
    for name, predictor in predictors.items():
        assert there[name] == pytest.approx(above(predictor, predictor.example()), abs=1e-12)
