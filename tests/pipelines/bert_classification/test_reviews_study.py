"""Splits, learning from few labels, both poolings, and what is stored, on a small sample."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from etudes.examples import Examples
from etudes.forms.raw import RawFile
from etudes.models import load_model, save_model
from etudes.pipelines.bert_classification import evaluation
from etudes.pipelines.bert_classification.curve import learning_curve, poolings, stretched
from etudes.pipelines.bert_classification.encoders import AdaptedEncoder
from etudes.pipelines.bert_classification.model import fit_linear, tune_encoder
from etudes.pipelines.bert_classification.parameters import Parameters
from etudes.pipelines.bert_classification.predictor import LONGEST, ReviewPredictor
from etudes.pipelines.bert_classification.sentences import ingest, split
from etudes.samples.reviews import raw_file
from study_settings import run_parameters, settings_of

SETTINGS = settings_of("bert_classification", Parameters)
FROZEN, LINEAR, SCORING = SETTINGS("frozen"), SETTINGS("linear"), SETTINGS("evaluation")
CARD = {"variant": "tfidf", "embedded_sample": True, "dev_score": 0.8}
Parts = tuple[Examples, Examples, Examples, dict[str, Any]]


def given(*lines: str) -> RawFile:
    return RawFile("own.tsv", "".join(f"{line}\n" for line in lines).encode(), {})


@pytest.fixture(scope="module")
def parts() -> Parts:
    frames = ingest(raw_file("train", 60, 0), raw_file("test", 30, 1), SETTINGS("form"))[:2]
    return split(*frames, SETTINGS("form"), SETTINGS("split"), FROZEN)


@pytest.fixture(scope="module")
def lora(parts: Parts) -> AdaptedEncoder:
    return tune_encoder(parts[0], parts[1], parts[3], SETTINGS("lora"), run_parameters())[0]


def test_no_sentence_is_on_two_sides_and_dev_is_the_same_for_all_seeds(parts: Parts) -> None:
    lines = [
        f"{word} film\t{k % 2}"
        for k, word in enumerate(["a", "one", "That", "this", "old", "new", "odd", "sad", "fun"])
    ]
    frames = ingest(given(*lines, "a  FILM\t0"), given("that film\t1", "x\t0"), SETTINGS("form"))[:2]
    train, dev, test, card = split(*frames, SETTINGS("form"), SETTINGS("split"), FROZEN)
    assert (card["dropped_because_in_test"], card["dropped_because_repeated"]) == (1, 1)
    assert len(train) + len(dev) == 8 and test.rows["text"].tolist() == ["that film", "x"]
    assert not {*train.rows["text"]} & {*dev.rows["text"]} and "z" not in card["letters"]
    assert train["first"].shape == train["mean"].shape == (len(train), 384)
    assert not np.allclose(parts[0]["first"], parts[0]["mean"])


def test_a_file_that_is_spoilt_says_where_and_what_is_expected() -> None:
    fine = given("a film\t1", "no film\t0")
    for bad, said in (
        (given("a film,1", "no film,0"), r"row 1 \(line 1\): 1 fields, expected 2"),
        (given("a film\t1", "no film\tbad"), r"row 2 \(line 2\): the label 'bad', expected 0 or 1"),
        (given("a film\t1", " \t0"), r"row 2 \(line 2\): the text is empty"),
    ):
        with pytest.raises(ValueError, match=rf"own\.tsv: .*\n  {said}"):
            ingest(bad, fine, SETTINGS("form"))


def test_too_few_sentences_of_a_class_are_refused() -> None:
    frames = ingest(given("a\t1", "b\t0"), given("c\t1", "d\t0"), SETTINGS("form"))[:2]
    with pytest.raises(ValueError, match="train has 1 different sentences of one class"):
        split(*frames, SETTINGS("form"), SETTINGS("split"), FROZEN)


def test_a_few_labels_are_gone_through_more_often() -> None:
    few = stretched(SETTINGS("fine_tuned", fit={"epochs": 2, "batch_size": 16, "patience": 2}), 50, 60)
    assert (few.fit.epochs, few.fit.patience) == (15, 15)  # 4 steps each
    assert stretched(few, 10_000, 60).fit.epochs == 15


def test_the_curve_ends_at_the_models_of_all_rows(parts: Parts) -> None:
    train, dev, test, card = parts
    names = ("tfidf", "probe_first", "probe_mean")
    models = {name: fit_linear(train, dev, FROZEN, LINEAR, variant=name)[0] for name in names}
    metrics, predictions, gained, weighed, _, costs = evaluation.evaluate(
        test, card, models, FROZEN, LINEAR, SCORING
    )
    assert gained.empty and weighed.empty and costs.keys() == models.keys()
    own = SETTINGS("lora"), SETTINGS("fine_tuned"), SETTINGS("curve", sizes=[20, 900], pooling_size=0)
    table, pooled = learning_curve(
        train, dev, test, card, predictions, FROZEN, LINEAR, *own, SCORING, run_parameters()
    )
    assert sorted(table["rows"].unique()) == [20, len(train)]
    last = table[table["rows"] == len(train)].set_index("variant")["accuracy"]
    assert last.to_dict() == {name: pytest.approx(metrics[f"{name}.accuracy"]) for name in names}
    (row,) = pooled.to_dict("records")
    assert row["gain"] == pytest.approx(last["probe_mean"] - last["probe_first"])


def test_gains_are_those_of_the_same_rows() -> None:
    labels = np.array([0, 1, 1, 0])
    right = np.eye(2)[labels] * 0.8 + 0.1
    table = evaluation.gains({"fine_tuned": right, "tfidf": right[[0, 0, 2, 3]]}, labels, SCORING)
    assert table["against"].tolist() == ["tfidf"] and table["gain"][0] == pytest.approx(0.25)
    assert poolings({("frozen", 4): [right[[0, 0, 2, 3]], right]}, labels, 100)["gain"][0] == pytest.approx(
        0.25
    )


def test_of_adapters_only_what_was_trained_is_stored_and_comes_back(
    lora: AdaptedEncoder, tmp_path: Path
) -> None:
    assert all(name.endswith((".a", ".b")) or name.startswith("output.") for name in lora.state().arrays)
    save_model(lora, tmp_path / "model")
    frame = pd.DataFrame({"text": ["a moving story", "dull"]})
    np.testing.assert_allclose(
        load_model(tmp_path / "model").predict_proba(frame), lora.predict_proba(frame), atol=1e-7
    )
    trained, all_ = lora.weights
    table = evaluation.weights({"lora": lora, "tfidf": object()})
    assert table["trained_weights"].tolist() == [trained] and trained / all_ < 0.03


def test_an_answer_says_what_was_cut_and_what_it_does_not_know(lora: AdaptedEncoder) -> None:
    predictor = ReviewPredictor(lora, CARD, classes=["against", "for"], letters="abcdefghijklmnopqrstuvwxyz")
    texts = ["a moving story", "word " * 100_000, "Скучный фильм", "!!!"]
    answer = predictor.predict(pd.DataFrame({"text": texts}))
    assert answer["characters_read"].tolist()[:2] == [14, 5 * SETTINGS("lora").max_length - 11]
    assert answer["known_letters"].tolist()[:3] == [1, 1, 0]
    told = predictor.describe(answer).splitlines()
    assert (
        "of 500,000 characters were read" in told[2]
        and sum("the answer says little" in line for line in told) == 2
    )
    with pytest.raises(ValueError, match="text in row 1 is nothing but spaces"):
        predictor.predict(pd.DataFrame({"text": ["a", " "]}))


def test_a_model_of_words_reads_up_to_its_limit(parts: Parts) -> None:
    model = fit_linear(parts[0], parts[1], FROZEN, LINEAR, variant="words_and_characters")[0]
    predictor = ReviewPredictor(model, CARD, classes=["against", "for"], letters="word")
    answer = predictor.predict(pd.DataFrame({"text": ["word " * 100_000]}))
    assert answer["characters_read"].tolist() == [LONGEST]
