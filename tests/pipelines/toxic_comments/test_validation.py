"""Folds, cross-validation and the tables made of it, on a small sample."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from etudes.examples import Examples
from etudes.forms.raw import RawFile
from etudes.pipelines.toxic_comments import evaluation, identity, validation
from etudes.pipelines.toxic_comments.comments import ingest, split
from etudes.pipelines.toxic_comments.model import train, train_majority
from etudes.pipelines.toxic_comments.parameters import Parameters
from etudes.samples.comments import raw_file
from etudes.text.vectors import WordVectors
from study_settings import run_parameters, settings_of

SETTINGS = settings_of("toxic_comments", Parameters)
RUN = run_parameters()
FROZEN, METHODS = SETTINGS("frozen"), SETTINGS("methods")
IDENTITY = SETTINGS("identity", treated=["nb_svm"])
GIVEN = (FROZEN, METHODS, SETTINGS("split"), SETTINGS("encoder"), IDENTITY)


@pytest.fixture(scope="module")
def parts() -> tuple[Examples, pd.DataFrame, Examples, dict[str, Any]]:
    frame, _ = ingest(raw_file("comments", 60, seed=1), SETTINGS("form"))
    return split(frame, SETTINGS("split", folds=3), FROZEN, RUN)


@pytest.fixture(scope="module")
def trained(parts: tuple[Any, ...]) -> dict[str, Any]:
    found = {
        name: train(parts[0], FROZEN, METHODS, RUN, variant=name)
        for name in ("nb_svm", "bow", "mean_vectors")
    }
    return {**found, "majority": train_majority(parts[0])}


@pytest.fixture(scope="module")
def answered(parts: tuple[Any, ...], trained: dict[str, Any]) -> tuple[pd.DataFrame, validation.Answers]:
    train_split, _, test_split, _ = parts
    rows = pd.concat([test_split.rows, train_split.rows], ignore_index=True)
    models, histories = ({name: pair[k] for name, pair in trained.items()} for k in (0, 1))
    return rows, validation.cross_validate(rows, {}, models, histories, *GIVEN, RUN)


def test_folds_hold_every_text_once_and_either_class_alike(parts: tuple[Any, ...]) -> None:
    train_split, dev, test_split, card = parts
    ids = [*train_split.rows["id"], *test_split.rows["id"]]
    assert len(ids) == len(set(ids)) == card["test_rows"] == 60
    own = train_split.rows.loc[train_split.rows["is_dev"], "id"]
    assert dev["id"].tolist() == own.tolist() and len(own) == 8 and not test_split.rows["is_dev"].any()
    assert set(test_split.rows["fold"]) == {0} and set(train_split.rows["fold"]) == {1, 2}
    counts = pd.concat([train_split.rows, test_split.rows]).groupby(["fold", "label"]).size().unstack()
    assert (counts.max() - counts.min()).max() <= 1


def test_another_seed_draws_other_folds_of_the_same_texts(parts: tuple[Any, ...]) -> None:
    frame, _ = ingest(raw_file("comments", 60, seed=1), SETTINGS("form"))
    other = split(frame, SETTINGS("split", folds=3), FROZEN, run_parameters(seed=1))
    assert set(other[2].rows["id"]) != set(parts[2].rows["id"])


def test_equal_texts_are_kept_once_and_a_class_of_few_is_refused() -> None:
    frame, _ = ingest(raw_file("comments", 60, seed=1), SETTINGS("form"))
    twice = pd.concat(
        [
            frame,
            frame.head(5).assign(
                id=lambda rows: rows["id"] + 100, text=lambda r: r["text"].str.upper() + " "
            ),
        ]
    )
    card = split(twice, SETTINGS("split", folds=2), FROZEN, RUN)[3]
    assert card["repeated_left_out"] == 5 and card["test_rows"] == 60
    with pytest.raises(ValueError, match=r"one class has \d+ different texts; expected 80 or more"):
        split(frame, SETTINGS("split", folds=40), FROZEN, RUN)


def test_answers_are_of_models_that_did_not_see_the_text(
    answered: tuple[pd.DataFrame, validation.Answers], trained: dict[str, Any]
) -> None:
    """The first fold is answered by the trained model; the others differ from it, which saw them."""
    rows, found = answered
    own = trained["bow"][0].predict_proba(rows)[:, 1]
    first = rows["fold"].to_numpy() == 0
    p = found.toxic["bow", identity.NONE]
    np.testing.assert_allclose(p[first], own[first], atol=1e-12)
    assert not np.isclose(p[~first], own[~first]).all()
    labels = rows["label"].to_numpy()
    assert np.abs(p[~first] - labels[~first]).mean() > np.abs(own[~first] - labels[~first]).mean()


def test_each_fold_chooses_its_variant_without_its_own_texts(
    answered: tuple[pd.DataFrame, validation.Answers],
) -> None:
    rows, found = answered
    assert len(found.choices) == 3 and "majority" not in found.choices
    for fold, name in enumerate(found.choices):
        own = rows["fold"].to_numpy() == fold
        np.testing.assert_array_equal(found.chosen[own], found.toxic[name, identity.NONE][own])


def test_masked_sentences_that_name_a_group_get_one_answer(
    answered: tuple[pd.DataFrame, validation.Answers],
) -> None:
    asked = identity.sentences(IDENTITY)
    named = asked["named"].to_numpy()
    for p in answered[1].asked["nb_svm", identity.MASKED]:
        by_template = p[named].reshape(len(IDENTITY.terms), -1)
        np.testing.assert_allclose(by_template, by_template[:1].repeat(len(by_template), axis=0), atol=1e-9)
    rows = evaluation.false_alarms(answered[1], asked, 100)
    assert set(rows["treatment"]) == {identity.NONE, identity.MASKED, identity.LEARNED}
    table = evaluation.treated(rows, answered[1], answered[0]["label"].to_numpy(), 100)
    assert set(table["variant"]) == {"nb_svm"} and len(table) == 3
    none = table[table["treatment"] == identity.NONE].iloc[0]
    assert none["roc_auc_difference"] == none["roc_auc_difference.low"] == 0


def test_false_alarms_are_counted_by_hand() -> None:
    found = validation.Answers(
        asked={("bow", "none"): [np.array([0.9, 0.1, 0.5]), np.array([0.6, 0.2, 0.1])]}
    )
    asked = pd.DataFrame({"text": list("abc"), "term": list("abc"), "named": [True, True, False]})
    (row,) = evaluation.false_alarms(found, asked, 100).to_dict("records")
    assert (row["fpr_identity"], row["fpr_control"]) == (0.5, 0.5)


def test_tables_of_answers_are_counted_by_hand() -> None:
    labels = np.array([0, 0, 1, 1])
    perfect, turned = np.array([0.1, 0.2, 0.8, 0.9]), np.array([0.1, 0.8, 0.2, 0.9])
    table = evaluation.gains({"combination": perfect, "bow": turned}, labels)
    assert table[["against", "gain"]].to_numpy().tolist() == [
        ["bow", 0.25]
    ]  # one pair of four is turned round
    assert evaluation.gains({"bow": turned}, labels).empty
    found = validation.Answers(chosen=turned, choices=["combination", "bow", "bow"])
    (row,) = evaluation.nested(found, labels, 100).to_dict("records")
    assert row["roc_auc"] == 0.75 and row["chosen_share"] == pytest.approx(1 / 3)
    log_odds = np.array([-800.0, -1.0, 1.0, 800.0])
    scored = evaluation.scales({"bow": log_odds}, {"bow": perfect}, labels, SETTINGS("evaluation"))
    as_is, platt = scored.set_index("scale").loc[["as it is", "Platt"], "log_loss"]
    assert as_is == pytest.approx(np.log1p(np.exp(-1)) / 2)
    assert platt == pytest.approx(-np.log([0.9, 0.8, 0.8, 0.9]).mean())
    found.asked = {("nb_svm", "none"): [np.array([0.9, 0.1, 0.5])], ("nb_svm", "masked"): [np.ones(3)]}
    asked = pd.DataFrame({"text": list("abc"), "term": list("aab"), "named": [True, True, False]})
    told = evaluation.by_term(found, asked, IDENTITY)
    assert told[["term", "fpr"]].to_numpy().tolist() == [["a", 0.5], ["b", 1.0]]


def test_vectors_of_characters_are_worse_and_glove_takes_part(
    parts: tuple[Any, ...], trained: dict[str, Any], tmp_path: Path
) -> None:
    """What the original did to its test texts ruins the averages; words that the file lacks are left out."""
    words = ("rubbish", "shut", "thanks", "windmill", "you")
    rng = np.random.default_rng(0)
    text = "".join(f"{w} {' '.join(f'{v:.3f}' for v in rng.normal(size=4))}\n" for w in (*words, *"aeiou"))
    (tmp_path / "glove.txt").write_text(text)
    histories = {name: pair[1] for name, pair in trained.items()}
    given = (parts[0], parts[2], histories, FROZEN, METHODS, SETTINGS("question", glove=True))
    table = evaluation.question(*given, SETTINGS("evaluation"), WordVectors(tmp_path / "glove.txt"))
    scores = table.set_index(["vectors", "weights", "tested"])["roc_auc"]
    assert len(scores) == 6 and scores.between(0, 1).all()
    assert scores["encoder", "mean", "words"] > scores["encoder", "mean", "characters"]


@pytest.mark.slow
def test_the_public_file_is_read_whole() -> None:
    path = Path(os.environ.get("ETUDES_RAW", "data/01_raw")) / "toxic_comments" / "comments.tsv"
    if not path.exists():
        pytest.skip(f"{path} is not there: `kedro data fetch toxic_comments`")
    frame, card = ingest(
        RawFile(str(path), path.read_bytes(), {"source": "toxic_comments"}), SETTINGS("form")
    )
    assert (card["comments_rows"], card["toxic_rows"]) == (1000, 508)
    assert frame["text"].str.len().max() == 5000 and frame["text"].str.contains("\n").sum() > 500
