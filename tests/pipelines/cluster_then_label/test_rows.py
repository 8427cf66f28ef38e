"""Raw tables, labels that are forgotten, repeated splits, and what is said of their differences."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from etudes.evaluation import mean_interval
from etudes.forms.raw import RawFile
from etudes.pipelines.cluster_then_label import evaluation, rows, sweep
from etudes.pipelines.cluster_then_label.clustering import UNKNOWN
from etudes.pipelines.cluster_then_label.parameters import SplitParameters, TableParameters
from etudes.samples.tables import raw_file

from .test_methods import PARAMETERS

PENGUINS = """species,island,bill_length_mm,bill_depth_mm,flipper_length_mm,body_mass_g,sex,year
Adelie,Torgersen,39.1,18.7,181,3750,male,2007
Adelie,Torgersen,NA,NA,NA,NA,NA,2007
Adelie,Dream,37.5,18.9,179,2975,NA,2007
Gentoo,Biscoe,46.1,13.2,211,4500,female,2007
"""
FORM = TableParameters(name="penguins", label="species", leave_out=("island", "sex", "year"), missing=("NA",))


def iris() -> pd.DataFrame:
    frame, *_ = rows.ingest(
        raw_file("iris", 150, 7),
        raw_file("several", {"wine": 60}, 7),
        TableParameters(name="iris", label="label", leave_out=(), missing=()),
    )
    return frame


def test_penguins_without_measurements_are_left_out_and_counted() -> None:
    others = raw_file("several", {"wine": 60, "iris": 30}, 7)
    frame, beside, card = rows.ingest(
        RawFile("penguins.csv", PENGUINS.encode(), {"source": "penguins"}), others, FORM
    )
    assert frame["id"].tolist() == [1, 3, 4] and frame["class"].tolist() == ["Adelie", "Adelie", "Gentoo"]
    assert frame.columns.tolist()[1:-1] == [
        "bill_length_mm",
        "bill_depth_mm",
        "flipper_length_mm",
        "body_mass_g",
    ]
    assert (card["table_rows"], card["rows_with_an_empty_cell"], card["source"]) == (4, 1, "penguins")
    found = rows.by_name(frame, beside, FORM)
    assert {name: part.shape for name, part in found.items()} == {
        "penguins": (3, 6),
        "iris": (30, 6),
        "wine": (60, 15),
    }
    assert not found["wine"].isna().any(axis=None)


def test_more_labels_are_the_same_ones_and_further_ones() -> None:
    truth = np.repeat([0, 1, 2], [60, 30, 10])
    order = rows.label_order(truth, np.random.default_rng(0))
    assert sorted(order) == list(range(100)) and sorted(truth[order[:3]]) == [0, 1, 2]
    assert np.bincount(truth[order[:50]]).tolist() == pytest.approx([30, 15, 5], abs=2)
    few, many = (rows.known_labels(truth, order, count) for count in (10, 40))
    assert (few != UNKNOWN).sum() == 10 and ((few == many) | (few == UNKNOWN)).all()
    assert (many == truth)[many != UNKNOWN].all()


def test_train_tells_no_label_but_those_of_the_labelled_rows() -> None:
    train, dev, test, card = rows.split(iris(), SplitParameters(test_fraction=0.3, labels=20, seed=0))
    assert "class" not in train and (train["label"] != UNKNOWN).sum() == len(dev) == 20
    assert set(dev["id"]) == set(train.loc[train["label"] != UNKNOWN, "id"])
    assert (
        not set(train["id"]) & set(test["id"]) and len(train) + len(test) + card["equal_rows_left_out"] == 150
    )


@pytest.mark.parametrize(
    ("labels", "said"),
    [(5, r"labels = 5 leaves 1 labelled rows of the class"), (200, r"labels = 200, but train has 104 rows")],
)
def test_too_few_or_too_many_labels_are_refused(labels: int, said: str) -> None:
    with pytest.raises(ValueError, match=said):
        rows.split(iris(), SplitParameters(test_fraction=0.3, labels=labels, seed=0))


def test_what_a_split_learns_of_scale_it_learns_on_train() -> None:
    frame = iris()
    one, two = sweep.splits_of(frame, "iris", 2, 0.3, False, seed=3)
    np.testing.assert_allclose(
        [one.train.mean(axis=0), one.train.std(axis=0)], [[0] * 4, [1] * 4], atol=1e-12
    )
    assert abs(one.test.mean(axis=0)).max() > 0.01 and not np.array_equal(one.labels, two.labels)
    assert one.shared == pytest.approx(0.43, abs=0.02)
    (same,) = sweep.splits_of(frame, "iris", 1, 0.3, True, seed=3)
    assert same.train.std(axis=0).max() > 1.5 * same.train.std(axis=0).min()
    assert np.square(same.train).mean() == pytest.approx(1)


def test_numbers_of_labels_that_a_split_allows() -> None:
    (split,) = sweep.splits_of(iris(), "iris", 1, 0.3, False, seed=3)
    assert sweep.counts_for(split, [200, 3, 2, 50, 3]) == [3, 50]


def test_gains_are_of_the_same_splits() -> None:
    splits = list(sweep.splits_of(iris(), "iris", 4, 0.3, False, seed=0))
    found = sweep.by_labels(splits, ["guided", "logistic"], [6, 30], PARAMETERS)
    gains = evaluation.gains_of(found, splits[0].shared).set_index("labels")
    by_hand = found.set_index(["variant", "labels", "split"])["accuracy"]
    expected = (by_hand["guided"] - by_hand["logistic"]).loc[30].to_numpy()
    np.testing.assert_allclose(gains.loc[30, "values"], expected)
    table = evaluation.decided(gains.reset_index().assign(table="iris")).set_index("labels")
    ends = mean_interval(expected, shared=splits[0].shared)
    assert table.loc[30, ["gain", "low", "high"]].tolist() == [ends["mean"], ends["low"], ends["high"]]


def test_verdicts_count_how_many_were_asked() -> None:
    values = np.random.default_rng(0).normal(0.03, 0.05, 20)

    def verdict(times: int, sign: int = 1) -> str:
        asked = [
            {"table": str(n), "labels": 3, "against": "logistic", "shared": 0.0, "values": sign * values}
            for n in range(times)
        ]
        return evaluation.decided(pd.DataFrame(asked))["verdict"].iloc[0]

    assert mean_interval(values)["low"] > 0
    assert (verdict(1), verdict(1, -1), verdict(1000)) == ("better", "worse", "open")
