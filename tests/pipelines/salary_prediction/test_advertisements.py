"""The raw form, near-duplicates and folds."""

from __future__ import annotations

import numpy as np
import pytest

from etudes.forms.raw import RawFile
from etudes.pipelines.salary_prediction.advertisements import FIELDS, ingest, split, texts_of
from etudes.pipelines.salary_prediction.parameters import FormParameters, Parameters
from etudes.samples.advertisements import market, raw_file
from etudes.text.duplicates import near_duplicates
from study_settings import run_parameters, settings_of

SETTINGS = settings_of("salary_prediction", Parameters)
FORM = FormParameters(separator=",")


def changed(old: str, new: str, count: int = 1) -> RawFile:
    text = raw_file("advertisements", 40, seed=0).content.decode()
    assert old in text
    return RawFile("jobs.csv", text.replace(old, new, count).encode())


@pytest.mark.parametrize(
    ("raw", "message"),
    [
        (changed(",", ";", 10_000), r"jobs\.csv: the first line has no column 'Title'.*with ',' between"),
        (changed("SalaryNormalized", "Salary"), r"no column 'SalaryNormalized'"),
        (
            changed("thepost.example\n", "thepost.example,more\n"),
            r"row 1 \(line 2\): 12 fields, expected 11",
        ),
        (RawFile("jobs.csv", b"\xff\xfea\0"), r"jobs\.csv: the text is UTF-16"),
        (
            changed('"', "", 1),
            r"jobs\.csv: 1 row cannot be read.\n  row 1 \(line 2\): 12 fields, expected 11",
        ),
        (RawFile("jobs.csv", b""), r"the first line has no column"),
    ],
)
def test_a_file_of_another_form_is_refused_in_one_message(raw: RawFile, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        ingest(raw, FORM)


@pytest.mark.parametrize("amount", ["", "-5", "nan", "inf", "20k"])
def test_a_salary_that_is_none_is_refused_with_its_row(amount: str) -> None:
    frame = market(40, seed=0).astype({"SalaryNormalized": str})
    frame.loc[3, "SalaryNormalized"] = amount
    with pytest.raises(ValueError, match=rf"row 4 \(line 5\): SalaryNormalized is '{amount}', expected GBP"):
        ingest(RawFile("jobs.csv", frame.to_csv(index=False).encode()), FORM)


def test_an_empty_description_is_refused_and_other_fields_may_be_empty() -> None:
    frame = market(40, seed=0)
    frame["Title"] = frame["Title"].where(frame.index != 0, "")
    read, card = ingest(RawFile("jobs.csv", frame.to_csv(index=False).encode()), FORM)
    assert read.loc[0, "Title"] == "" and read["Company"].eq("").any() and card["advertisements"] == 40
    assert list(read.columns) == ["id", *FIELDS, "salary"]
    frame.loc[2, "FullDescription"] = "  "
    with pytest.raises(ValueError, match=r"row 3 \(line 4\): FullDescription is empty"):
        ingest(RawFile("jobs.csv", frame.to_csv(index=False).encode()), FORM)


def test_other_separators_are_read_when_they_are_named() -> None:
    text = market(40, seed=0).to_csv(index=False, sep=";").encode()
    assert len(ingest(RawFile("jobs.csv", text), FormParameters(separator=";"))[0]) == 40


def test_copies_of_the_sample_are_found() -> None:
    frame, _ = ingest(raw_file("advertisements", 200, seed=1), FORM)
    group = near_duplicates(texts_of(frame), 5, 0.7)
    sizes = np.bincount(group)
    assert 5 < (sizes == 2).sum() < 40
    for pair in np.flatnonzero(sizes == 2):
        own = frame[group == pair]
        assert own["Title"].nunique() == 1


def test_train_dev_and_test_share_no_near_duplicates() -> None:
    frame, _ = ingest(raw_file("advertisements", 200, seed=1), FORM)
    train, dev, test, card = split(frame, SETTINGS("split", folds=4, resemblance=0.7), run_parameters())
    assert not {*train["group"]} & {*test["group"]}
    assert not {*train.loc[~train["is_dev"], "group"]} & {*dev["group"]}
    assert len(train) + len(test) == card["test_rows"] == 200 and set(test["fold"]) == {0}
    assert card["near_duplicates"] > 0 and dev["id"].tolist() == train.loc[train["is_dev"], "id"].tolist()


def test_the_sample_follows_its_law() -> None:
    table = market(4000, seed=3)
    noise = np.log(table["SalaryNormalized"] / table["best"])
    assert abs(noise.mean()) < 0.01 and noise.std() == pytest.approx(0.15, abs=0.01)
    ceiling = raw_file("advertisements", 4000, seed=3).facts["ceiling"]
    assert ceiling["realised_mae"] == pytest.approx(ceiling["mae"], rel=0.05)
    with pytest.raises(ValueError, match="40 rows or more"):
        raw_file("advertisements", 10, seed=0)
