"""What is asked of every classifier, against scikit-learn and by hand; tables of numbers with a class."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pandas as pd
import pytest
from sklearn.metrics import brier_score_loss, roc_auc_score

from etudes.benches import tables
from etudes.benches.classifier_pages import best_and_baseline
from etudes.benches.classifiers import (
    Majority,
    answers,
    best_two,
    binary_scores,
    confident_mistakes,
    prediction_rows,
    say_best_two,
    squared_errors,
)
from etudes.benches.parameters import TableSplitParameters
from etudes.forms.raw import RawFile
from etudes.study import load_study

CSV = "width,height,label\n" + "".join(f"{n}.5,{n % 3},{'tall' if n % 2 else 'flat'}\n" for n in range(40))


class Asked:
    """A model that answers fixed probabilities, and keeps what it was told of its members."""

    def __init__(self, found: np.ndarray, members: tuple[str, ...] = ()) -> None:
        self.found, self.known = found, None
        if members:
            self.members = members

    def predict_proba(self, frame: pd.DataFrame, known: Any = None) -> np.ndarray:
        self.known = known
        return self.found


def drawn(rows: int, seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    generator = np.random.default_rng(seed)
    above = generator.random(rows)
    return (generator.random(rows) < above).astype(np.int64), np.column_stack([1 - above, above])


def test_majority_answers_the_shares_of_train() -> None:
    model = Majority.fit(np.array([2, 0, 2, 2]), 4)
    frame = pd.DataFrame(index=range(5))
    np.testing.assert_allclose(model.predict_proba(frame), [[0.25, 0, 0.75, 0]] * 5)
    np.testing.assert_array_equal(Majority.from_state(model.state()).shares, model.shares)


def test_binary_scores_equal_scikit_learn_and_have_intervals() -> None:
    labels, found = drawn(300)
    flat = binary_scores("v", labels, found, resamples=200, bins=10)
    assert flat["v.brier"] == pytest.approx(brier_score_loss(labels, found[:, 1]))
    assert flat["v.roc_auc"] == pytest.approx(roc_auc_score(labels, found[:, 1]))
    for metric in ("brier", "roc_auc", "accuracy", "log_loss"):
        assert flat[f"v.{metric}.low"] < flat[f"v.{metric}"] < flat[f"v.{metric}.high"]


def test_brier_refuses_shapes_that_would_broadcast() -> None:
    with pytest.raises(ValueError, match=r"shape \(N,\), found \(4,\) and \(4, 1\)"):
        squared_errors(np.zeros(4, dtype=np.int64), np.zeros((4, 1)))


def test_a_pool_gets_the_answers_its_members_gave_and_pays_for_them() -> None:
    _, found = drawn(6)
    pool = Asked(found, members=("one", "gone"))
    probabilities, costs = answers({"one": Asked(found), "pool": pool}, pd.DataFrame(index=range(6)), "films")
    assert set(pool.known) == {"one"} and probabilities["pool"] is found
    assert costs["pool"]["inference_seconds"] >= costs["one"]["inference_seconds"]
    assert costs["one"]["films_per_second"] > 0


def test_the_best_two_are_compared_row_by_row() -> None:
    labels = np.array([0, 1, 1, 0])
    right, wrong = np.eye(2)[labels], np.eye(2)[1 - labels]
    one_wrong = np.where(np.arange(4)[:, None] == 0, wrong, right)
    probabilities = {"bad": wrong, "good": right, "near": one_wrong}
    metrics = {"bad.accuracy": 0.0, "good.accuracy": 1.0, "near.accuracy": 0.75}
    found = best_two(metrics, labels, probabilities)
    assert (found["first"], found["second"]) == ("good", "near")
    assert (found["only_a_correct"], found["only_b_correct"]) == (1, 0)
    assert "`good` minus `near`: accuracy +0.250" in say_best_two(found, "films", "accuracy")
    assert best_two(metrics, labels, {"good": right}) == {} and "nothing to compare" in say_best_two(
        {}, "films"
    )


def test_rows_of_predictions_and_the_mistakes_among_them() -> None:
    test = pd.DataFrame({"id": [7, 8, 9], "genre": ["war", "war", "love"]})
    found = np.array([[0.9, 0.1], [0.2, 0.8], [0.6, 0.4]])
    rows = prediction_rows(test, "genre", ["love", "war"], {"v": found}, lambda p: {"p_war": p[:, 1]})
    assert rows["predicted"].tolist() == ["love", "war", "love"] and rows["p_war"].tolist() == [0.1, 0.8, 0.4]
    mistakes = confident_mistakes(rows, {7: "a film"})
    assert mistakes == [{"text": "a film", "truth": "war", "predicted": "love", "probability": 0.9}]


def table(text: str) -> tuple[pd.DataFrame, dict[str, Any]]:
    return tables.ingest(RawFile("own.csv", text.encode(), {"source": "own data"}))


def test_a_table_is_cut_in_the_shares_of_its_classes_and_equal_rows_are_kept_once() -> None:
    frame, card = table(CSV + "0.5,0,flat\n")
    assert card["rows"] == 41 and tables.measurements_of(frame) == ["width", "height"]
    parameters = TableSplitParameters(test_fraction=0.25, dev_fraction=0.2, seed=0)
    train, dev, test, split_card = tables.split(frame, parameters)
    assert split_card["equal_rows_left_out"] == 1
    assert sorted([*train["id"], *dev["id"], *test["id"]]) == list(range(1, 41))
    assert [len(part) for part in (train, dev, test)] == [22, 8, 10]
    assert all(part["label"].mean() == 0.5 for part in (train, dev, test))
    assert tables.matrix_of(test).shape == (10, 2)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("a,b\n1,2\n", "the header has no column 'label', found a, b"),
        ("a,a,label\n1,2,x\n", "names? two columns or more, each once"),
        ("a,label\n", "there are no rows in it"),
        (
            "a,label\n1,x\nnan,y\nq,y\n",
            r"2 of 3 rows cannot be read.\n  row 2: a is 'nan', expected a finite",
        ),
        ("a,label\n1,x,3\n", "row 1: 3 fields, expected 2"),
        ("a,label\n1,x\n2,\n", "the label is empty in row 2"),
        ("a,label\n1,x\n2,x\n", "all rows have the label 'x'"),
    ],
)
def test_a_table_that_cannot_be_read_is_named(text: str, said: str) -> None:
    with pytest.raises(ValueError, match=said) as caught:
        table(text)
    assert str(caught.value).startswith("own.csv: ")


def test_a_class_with_too_few_rows_is_named() -> None:
    parameters = TableSplitParameters(test_fraction=0.25, dev_fraction=0.2, seed=0)
    with pytest.raises(ValueError, match="The class 'rare' has 2 different rows; expected at least 3"):
        tables.split(table(CSV + "1,1,rare\n2,2,rare\n2,2,rare\n")[0], parameters)


def test_a_row_of_a_table_is_answered_as_a_line_json_or_file(tmp_path: Any) -> None:
    card = {"measurements": ["width", "height"], "classes": ["flat", "tall"], "train_medians": [1.0, 2.0]}
    predictor = tables.TablePredictor(Asked(np.array([[0.2, 0.8]])), {}, split_card=card)
    (tmp_path / "own.csv").write_text("height,width\n2,1\n")
    for question in ("1, 2", '{"height": 2, "width": 1}', str(tmp_path / "own.csv")):
        answer = predictor.predict(predictor.parse(question))
        assert answer.to_dict("records") == [{"label": "tall", "probability": 0.8}]
    assert predictor.describe(answer) == "tall (probability 80.0%)"
    with pytest.raises(ValueError, match="found 3 numbers, expected 2: width, height"):
        predictor.parse("1,2,3")


def test_calibration_is_drawn_of_the_two_best_that_ran_and_the_baseline() -> None:
    study = replace(load_study("genre_classification"), variants=("majority", "a", "b", "c", "d"))
    metrics = {"majority.accuracy": 0.2, "a.accuracy": 0.5, "b.accuracy": 0.7, "c.accuracy": 0.6}
    assert best_and_baseline(study, metrics) == ["b", "c", "majority"]
    assert best_and_baseline(study, {"majority.accuracy": 0.2, "a.accuracy": 0.1}) == ["majority", "a"]
    assert best_and_baseline(study, {"a.accuracy": 0.1}) == ["a"]
