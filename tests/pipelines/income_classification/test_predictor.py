"""The model that answers a user: a row of a census in, an income out, in any process."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pandas as pd
import pytest

from etudes.pipelines.income_classification.classifiers import train_generative
from etudes.pipelines.income_classification.model import IncomePredictor
from etudes.pipelines.income_classification.people import COLUMNS

CARD = {"variant": "logistic", "embedded_sample": True, "dev_score": 0.8}
LINE = "45, Private, 77516, Masters, 14, Married-civ-spouse, Exec-managerial, Husband, White, Male, 0, 0, 50, United-States"


@pytest.fixture(scope="module")
def predictor(splits: Any, settings: Any) -> IncomePredictor:
    """Behind a model that is quick to fit; every variant's answers are held by tests/conformance."""
    return IncomePredictor(
        train_generative(*splits[:2], settings("features"), settings("generative"))[0], CARD
    )


def above(predictor: IncomePredictor, frame: pd.DataFrame) -> list[float]:
    return predictor.predict(frame)["probability_above_50k"].tolist()


def test_rich_and_poor_are_told_apart(predictor: IncomePredictor) -> None:
    assert "fnlwgt" not in predictor.example(), "a served model would ask users for it"
    answer = predictor.predict(predictor.example())
    assert answer["income"].tolist() == [">50K", "<=50K"]
    assert (answer["probability"] >= 0.5).all()
    assert answer["probability"].tolist() == pytest.approx(
        [answer["probability_above_50k"][0], 1 - answer["probability_above_50k"][1]]
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


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"age": "old"}, "age in row 0 is 'old'; expected a whole number from 0 to 120"),
        ({"age": 39.5}, "age in row 0 is 39.5"),
        ({"age": None}, r"age in row 0 is empty"),
        ({"hours-per-week": 400}, "hours-per-week in row 0 is 400; expected a whole number from 0 to 168"),
        ({"salary": 1}, "there is no column 'salary'. Expected age, workclass"),
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


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ('{"age": 3', r"looks like JSON but is not: .*Expected \{\"age\": \.\.\."),
        ("45, Private", "the question: 1 line cannot be read. Expected 14 fields"),
        ("people.csv", r"people\.csv: no such file"),
        ("", "there are no people in it"),
        (LINE.replace("45", "forty"), "age in row 0 is 'forty'"),
    ],
)
def test_a_wrong_question_is_refused(predictor: IncomePredictor, text: str, said: str) -> None:
    with pytest.raises(ValueError, match=said):
        predictor.predict(predictor.parse(text))


def test_an_answer_is_described(predictor: IncomePredictor) -> None:
    text = predictor.describe(pd.DataFrame({"income": ["<=50K"], "probability_above_50k": [0.125]}))
    assert text == "<=50K  (probability of > 50K: 12.5%)"
