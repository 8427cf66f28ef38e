"""The stages: how the table is cut, what is refused, what evaluation gives."""

from __future__ import annotations

import json

import pandas as pd
import pytest

from etudes.forms.raw import RawFile
from etudes.pipelines.{{ cookiecutter.pipeline_name }} import nodes, report
from etudes.pipelines.{{ cookiecutter.pipeline_name }}.parameters import (
    CentroidParameters,
    EvaluationParameters,
    SplitParameters,
)
from etudes.samples.tables import raw_file
from etudes.study import Skipped

from .conftest import Splits

CUT = SplitParameters(dev_fraction=0.2, test_fraction=0.3, seed=0)
SCORING = EvaluationParameters(resamples=200, bins=10)


def test_the_parts_hold_every_row_once_and_have_the_shares_of_the_classes(splits: Splits) -> None:
    train, dev, test, card = splits
    assert sorted([*train["id"], *dev["id"], *test["id"]]) == list(range(1, 179))
    shares = [part["label"].value_counts(normalize=True) for part in (train, dev, test)]
    assert all((share - shares[0]).abs().max() < 0.03 for share in shares)
    assert (card["train_rows"], card["dev_rows"], card["test_rows"]) == (len(train), len(dev), len(test))
    assert [card["classes"][k] for k in test["target"]] == test["label"].tolist()
    assert card["unit"] == "rows" and json.dumps(card)


def test_the_seed_of_the_split_decides_the_parts() -> None:
    frame, _ = nodes.ingest(raw_file("wine", rows=90, seed=0))
    cards = [nodes.split(frame, CUT.model_copy(update={"seed": seed}))[3] for seed in (0, 0, 1)]
    first, again, other = (card["dev_fingerprint"] for card in cards)
    assert first == again != other


def test_equal_rows_are_kept_once() -> None:
    frame, _ = nodes.ingest(raw_file("wine", rows=90, seed=0))
    train, dev, test, card = nodes.split(pd.concat([frame, frame.head(5)]), CUT)
    assert card["equal_rows_left_out"] == 5 and len(train) + len(dev) + len(test) == 90


def test_a_class_with_few_rows_and_a_single_class_are_refused() -> None:
    few = RawFile("table.csv", b"width,label\n1,oak\n2,oak\n3,oak\n4,elm\n4,elm\n4,elm\n")
    with pytest.raises(ValueError, match="The class 'elm' has 1 different rows; expected at least 3"):
        nodes.split(nodes.ingest(few)[0], CUT)
    with pytest.raises(ValueError, match=r"table\.csv: all rows have the label 'oak'"):
        nodes.ingest(RawFile("table.csv", b"width,label\n1,oak\n2,oak\n"))


def test_the_smallest_table_has_a_row_of_each_class_in_each_part() -> None:
    text = "width,label\n" + "".join(f"{n},{name}\n" for n in range(3) for name in ("oak", "elm"))
    parts = nodes.split(nodes.ingest(RawFile("table.csv", text.encode()))[0], CUT)[:3]
    assert [part["label"].value_counts().to_dict() for part in parts] == [{"oak": 1, "elm": 1}] * 3


def test_the_nearest_centroid_learns_and_standard_deviations_help(splits: Splits) -> None:
    train, dev, test, card = splits
    models = {
        "baseline": nodes.train_most_frequent(train, dev, card)[0],
        "raw": nodes.train_nearest_centroid(train, dev, card, CentroidParameters(standardise=False))[0],
        "scaled": nodes.train_nearest_centroid(train, dev, card, CentroidParameters(standardise=True))[0],
        "left_out": Skipped("left_out"),
    }
    metrics, predictions = nodes.evaluate(test, card, SCORING, **models)
    assert {name.split(".")[0] for name in metrics} == {"baseline", "raw", "scaled"}
    assert metrics["scaled.accuracy.low"] > metrics["raw.accuracy"] > metrics["baseline.accuracy"]
    right = predictions["truth"] == predictions["predicted"]
    assert right[predictions["variant"] == "scaled"].mean() == metrics["scaled.accuracy"]
    assert predictions["variant"].value_counts().to_dict() == dict.fromkeys(
        ("baseline", "raw", "scaled"), len(test)
    )


def test_the_predictor_is_the_best_variant_on_dev(splits: Splits) -> None:
    train, dev, _, card = splits
    trained = {
        "most_frequent": nodes.train_most_frequent(train, dev, card),
        "nearest_centroid": nodes.train_nearest_centroid(
            train, dev, card, CentroidParameters(standardise=True)
        ),
    }
    inputs = {f"{name}_model": model for name, (model, _) in trained.items()}
    inputs |= {f"{name}_history": history for name, (_, history) in trained.items()}
    for name in report.load_study(report.STUDY).variants:
        inputs.setdefault(f"{name}_model", Skipped(name))
    chosen = report.choose_predictor({"embedded_sample": True}, card, **inputs)
    assert chosen.card["variant"] == "nearest_centroid"
    assert chosen.card["dev_score"] == trained["nearest_centroid"][1]["dev"]["accuracy"] > 0.9
    assert chosen.predict(chosen.example())["label"][0] in card["classes"]
