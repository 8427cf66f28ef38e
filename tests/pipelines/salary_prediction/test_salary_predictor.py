"""The model that answers a user's advertisement, and the evaluation over folds."""

from __future__ import annotations

import json
from io import BytesIO
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from etudes.pipelines.salary_prediction import evaluation
from etudes.pipelines.salary_prediction.advertisements import ingest, split
from etudes.pipelines.salary_prediction.model import train
from etudes.pipelines.salary_prediction.parameters import Parameters
from etudes.pipelines.salary_prediction.predictor import LONGEST, SalaryPredictor
from etudes.samples.advertisements import raw_file
from study_settings import run_parameters, settings_of

SETTINGS = settings_of("salary_prediction", Parameters)
LEARNING = SETTINGS("learning")
RUN = run_parameters()
CARD = {"variant": "ridge_fields", "embedded_sample": True, "dev_score": 1.0}


@pytest.fixture(scope="module")
def parts() -> tuple[pd.DataFrame, pd.DataFrame, pd.DataFrame, dict]:
    frame, _ = ingest(raw_file("advertisements", 300, seed=4), SETTINGS("form"))
    return split(frame, SETTINGS("split", folds=3), RUN)


@pytest.fixture(scope="module")
def predictor(parts: tuple[pd.DataFrame, pd.DataFrame, pd.DataFrame, dict]) -> SalaryPredictor:
    model, _ = train(parts[0], LEARNING, RUN, variant="ridge_fields")
    return SalaryPredictor(model, CARD, coverage=0.9, vocabulary=parts[3]["words"])


def ask(predictor: SalaryPredictor, **fields: str) -> pd.DataFrame:
    return predictor.predict(predictor.parse(json.dumps(fields)))


def test_rank_and_trade_move_the_amount_within_its_interval(predictor: SalaryPredictor) -> None:
    text = "Daily care of patients is expected. Full time, five days a week."
    low, high = (
        ask(predictor, Title=t, FullDescription=text) for t in ("Trainee Gardener", "Head Programmer")
    )
    assert high["salary"][0] > 1.3 * low["salary"][0]
    assert (low["low"] < low["salary"]).all() and (low["salary"] < low["high"]).all()
    assert "GBP a year" in predictor.describe(low) and "90% of cases" in predictor.describe(low)


def test_a_csv_file_of_rows_is_answered_row_by_row(predictor: SalaryPredictor, tmp_path: Path) -> None:
    path = tmp_path / "jobs.csv"
    path.write_text('Title;FullDescription;Category\nNurse;"wards; patients";Care Jobs\nBaker;bread;\n')
    assert len(predictor.predict(predictor.parse(str(path)))) == 2
    path.write_text("Title|FullDescription\nNurse|wards\n")
    with pytest.raises(ValueError, match="FullDescription"):
        predictor.parse(str(path))


def test_rows_of_the_public_file_are_answered_as_they_are(predictor: SalaryPredictor, tmp_path: Path) -> None:
    table = pd.read_csv(BytesIO(raw_file("advertisements", 40, seed=9).content)).assign(
        SalaryRaw="20,000 a year"
    )
    table.to_csv(path := tmp_path / "Train_rev1.csv", index=False)
    found = predictor.predict(predictor.parse(str(path)))
    bare = table.drop(columns=["Id", "SalaryRaw", "SalaryNormalized"]).astype(object)
    pd.testing.assert_frame_equal(found, predictor.predict(bare))
    row = json.loads(table.iloc[0].to_json())
    assert {"Id", "SalaryNormalized"} < {*row} and None in row.values()
    pd.testing.assert_frame_equal(predictor.predict(predictor.parse(json.dumps(row))), found.head(1))
    with pytest.raises(ValueError, match=r"no column 'Salary'"):
        predictor.parse(json.dumps({**row, "Salary": 5}))


def test_what_is_cut_or_not_known_is_said(predictor: SalaryPredictor) -> None:
    long = ask(predictor, FullDescription="patients " * 100_000)
    assert long["characters_read"].tolist() == [
        LONGEST
    ] and f"the first {LONGEST:,} of 900,000" in predictor.describe(long)
    strange = ask(predictor, FullDescription="Требуется медсестра в больницу")
    assert strange["known_words"].tolist() == [0.0] and "says little" in predictor.describe(strange)
    for empty in ("", "  \n "):
        with pytest.raises(ValueError, match=r"FullDescription in row 0 is (empty|nothing but spaces)"):
            ask(predictor, Title="Nurse", FullDescription=empty)


def test_its_example_is_answered_and_it_survives_storage(predictor: SalaryPredictor) -> None:
    other = SalaryPredictor.from_state(predictor.state())
    pd.testing.assert_frame_equal(other.predict(other.example()), predictor.predict(predictor.example()))


def test_every_row_is_answered_once_by_models_that_did_not_see_it(
    parts: tuple[pd.DataFrame, pd.DataFrame, pd.DataFrame, dict],
) -> None:
    train_split, _, test_split, _ = parts
    models = {
        name: train(train_split, LEARNING, RUN, variant=name)[0]
        for name in ("median", "ridge", "ridge_fields")
    }
    given = (LEARNING, SETTINGS("split", folds=3), SETTINGS("evaluation"), RUN)
    metrics, predictions, saved, errors = evaluation.evaluate(train_split, test_split, models, *given)
    assert predictions.groupby("variant")["id"].nunique().eq(300).all() and len(predictions) == 900
    own = predictions[predictions["variant"] == "ridge"].set_index("id")
    np.testing.assert_allclose(
        own.loc[test_split["id"], "predicted"], np.exp(models["ridge"].predict(test_split))
    )
    seen = np.exp(models["ridge"].predict(train_split))
    held = own.loc[train_split["id"]]
    assert np.abs(held["predicted"] - held["truth"]).mean() > np.abs(seen - train_split["salary"]).mean()
    assert metrics["ridge_fields.salary_mae"] < metrics["median.salary_mae"]
    assert 0.84 < metrics["ridge_fields.interval_coverage"] < 0.96
    (row,) = saved.to_dict("records")
    difference = metrics["ridge.salary_mae"] - metrics["ridge_fields.salary_mae"]
    assert row["saved"] == pytest.approx(difference) and row["saved.low"] < row["saved"] < row["saved.high"]
    whole = errors[(errors["what"] == "category") & (errors["variant"] == "ridge")]
    assert whole["advertisements"].sum() == 300
    mean = np.average(whole["salary_mae"], weights=whole["advertisements"])
    assert mean == pytest.approx(metrics["ridge.salary_mae"])


def test_near_duplicates_on_both_sides_flatter(
    parts: tuple[pd.DataFrame, pd.DataFrame, pd.DataFrame, dict],
) -> None:
    train_split, _, test_split, _ = parts
    given = (
        LEARNING,
        {},
        SETTINGS("split", folds=3),
        SETTINGS("evaluation"),
        RUN,
    )
    twice = [
        part.assign(id=part["id"] + 1000, FullDescription=part["FullDescription"] + " Apply.")
        for part in (train_split, test_split)
    ]
    table = evaluation.question(pd.concat([train_split, twice[0]]), pd.concat([test_split, twice[1]]), *given)
    scores = table.set_index(["split", "target"])["salary_mae"]
    assert scores["rows at random", "log"] < 0.8 * scores["together from 0.8", "log"]
