"""The stages: what they refuse, how train is cut, what evaluation gives."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pandas as pd
import pytest

from etudes.evaluation.classification import METRICS, classification_metrics
from etudes.forms.raw import RawFile
from etudes.pipelines.genre_classification import nodes
from etudes.pipelines.genre_classification.films import normalised_plot
from etudes.samples.imdb_files import raw_file
from etudes.study import Skipped

Row = tuple[int, str, str]
CLASSES = ["crime", "food", "sport"]


def raw(rows: list[Row], name: str = "train.txt", **facts: object) -> RawFile:
    lines = "".join(f"{number} ::: Title (1999) ::: {genre} ::: {plot}\n" for number, genre, plot in rows)
    return RawFile(name, lines.encode(), {"source": "own data", **facts})


def films(rows: list[Row]) -> pd.DataFrame:
    return nodes.parse_films(raw(rows))


class Always:
    """A model that gives seeded probabilities, the better the larger ``skill``."""

    def __init__(self, skill: float, seed: int = 0) -> None:
        self.skill, self.seed = skill, seed

    def predict_proba(self, frame: pd.DataFrame) -> np.ndarray:
        scores = np.random.default_rng(self.seed).normal(size=(len(frame), 3))
        scores[np.arange(len(frame)), frame["label"]] += self.skill
        return np.exp(scores) / np.exp(scores).sum(1, keepdims=True)


GOOD = [(1, "crime", "a"), (2, "crime", "b"), (3, "sport", "c"), (4, "sport", "d")]


def test_ingest_gives_both_frames_and_says_where_they_come_from() -> None:
    train, test, card = nodes.ingest(
        raw(GOOD, embedded_sample=True),
        raw([(9, "sport", "z")], "test.txt", embedded_sample=True, ceiling={"n": 1.0}),
    )
    assert train["plot"].tolist() == ["a", "b", "c", "d"]
    assert test["id"].tolist() == [9]
    assert card["source"] == "own data" and card["embedded_sample"] is True
    assert (card["train_rows"], card["test_rows"], card["classes"]) == (4, 1, 2)
    assert card["ceiling"] == {"n": 1.0}


def test_the_fingerprint_of_the_data_changes_with_either_file() -> None:
    test = [(9, "sport", "z")]

    def fingerprint(train_rows: list[Row], test_rows: list[Row]) -> str:
        return nodes.ingest(raw(train_rows), raw(test_rows))[2]["fingerprint"]

    assert fingerprint(GOOD, test) == fingerprint(GOOD, test)
    assert fingerprint(GOOD, test) != fingerprint([*GOOD, (5, "sport", "e")], test)
    assert fingerprint(GOOD, test) != fingerprint(GOOD, [(9, "sport", "y")])


@pytest.mark.parametrize(
    ("train", "test", "said"),
    [
        (
            [(1, "crime", "a"), (2, "crime", "b")],
            [(9, "crime", "z")],
            "train.txt: all rows are of the genre 'crime'; expected at least two",
        ),
        (
            [*GOOD, (5, "war", "e"), (6, "food", "f")],
            [(9, "crime", "z")],
            "train.txt: one row only of food, war; expected at least two",
        ),
        (
            GOOD,
            [(9, "crime", "z"), (12, "opera", "y"), (13, "opera", "x")],
            r"test.txt: unknown genre opera \(first at id 12\); .*: crime, sport",
        ),
    ],
)
def test_ingest_refuses_genres_that_cannot_be_learned(train: list[Row], test: list[Row], said: str) -> None:
    with pytest.raises(ValueError, match=said):
        nodes.ingest(raw(train), raw(test, "test.txt"))


@pytest.fixture(scope="module")
def sample() -> tuple[pd.DataFrame, pd.DataFrame]:
    train, test, _ = nodes.ingest(raw_file("train", 400, 100, seed=0), raw_file("test", 400, 100, seed=0))
    repeated = train.iloc[[3, 8]].assign(id=[9001, 9002], plot=lambda rows: rows["plot"].str.upper() + " ")
    return pd.concat([train, repeated], ignore_index=True), test


@pytest.fixture
def cut(
    sample: tuple[pd.DataFrame, pd.DataFrame], settings: Callable[..., Any]
) -> tuple[pd.DataFrame, pd.DataFrame, pd.DataFrame, dict[str, Any]]:
    return nodes.split(*sample, settings("split"))


def test_no_plot_of_test_is_in_train_or_dev(sample: Any, cut: Any) -> None:
    train, dev, test, card = cut
    in_test = set(test["plot"].map(normalised_plot))
    assert sample[0]["plot"].map(normalised_plot).isin(in_test).any()  # else this test would hold of itself
    for part in (train, dev):
        assert not part["plot"].map(normalised_plot).isin(in_test).any()
    assert card["dropped_because_in_test"] == sample[0]["plot"].map(normalised_plot).isin(in_test).sum()


def test_repeated_plots_are_kept_once_the_first_of_them(cut: Any) -> None:
    train, dev, _, card = cut
    kept = pd.concat([train, dev])
    assert not kept["plot"].map(normalised_plot).duplicated().any()
    assert not kept["id"].isin([9001, 9002]).any()
    assert card["dropped_because_repeated"] == 2


def test_a_dropped_row_is_counted_for_one_reason_only(settings: Callable[..., Any]) -> None:
    train = films([*GOOD, (5, "sport", "C!"), (6, "sport", "z"), (7, "crime", "Z"), (8, "crime", "z")])
    *_, card = nodes.split(train, films([(9, "sport", "z")]), settings("split"))
    assert (card["dropped_because_in_test"], card["dropped_because_repeated"]) == (3, 1)
    assert card["train_rows"] + card["dev_rows"] == 4


def test_test_is_left_as_it_is_but_for_its_labels(sample: Any, cut: Any) -> None:
    train, _, test, card = cut
    pd.testing.assert_frame_equal(test.drop(columns="label"), sample[1])
    for part in (train, test):
        assert [card["classes"][label] for label in part["label"]] == part["genre"].tolist()


def test_split_leaves_its_inputs_as_they_are(sample: Any, settings: Callable[..., Any]) -> None:
    before = [frame.copy() for frame in sample]
    nodes.split(*sample, settings("split"))
    for frame, copy in zip(sample, before, strict=True):
        pd.testing.assert_frame_equal(frame, copy)


def test_the_counts_in_the_card_add_up(sample: Any, cut: Any) -> None:
    train, dev, test, card = cut
    assert (card["train_rows"], card["dev_rows"], card["test_rows"]) == (len(train), len(dev), len(test))
    dropped = card["dropped_because_in_test"] + card["dropped_because_repeated"]
    assert len(train) + len(dev) + dropped == len(sample[0])
    assert card["classes"] == sorted(set(sample[0]["genre"]))
    shares = [(train["genre"] == genre).mean() for genre in card["classes"]]
    np.testing.assert_allclose(card["train_shares"], shares)
    assert card["dev_fingerprint"] == nodes.frame_fingerprint(dev)


def test_every_row_goes_to_train_or_dev_and_keeps_its_label(sample: Any, cut: Any) -> None:
    train, dev, _, _ = cut
    assert not set(train["id"]) & set(dev["id"])
    genre = sample[0].set_index("id")["genre"]
    for part in (train, dev):
        assert part["genre"].tolist() == genre[part["id"]].tolist()


def test_same_seed_same_split_and_another_seed_another(sample: Any, settings: Callable[..., Any]) -> None:
    first, again, other = (nodes.split(*sample, settings("split", seed=seed)) for seed in (1, 1, 2))
    pd.testing.assert_frame_equal(first[1], again[1])
    assert first[3] == again[3]
    assert first[3]["dev_fingerprint"] != other[3]["dev_fingerprint"]


@pytest.mark.parametrize("count", [2, 3])
@pytest.mark.parametrize("fraction", [0.01, 0.15, 0.49, 0.99])
def test_small_classes_have_a_row_in_train_and_in_dev(count: int, fraction: float) -> None:
    labels = np.array([0] * 40 + [1] * count)
    for seed in range(5):
        is_dev = nodes.stratified_dev(labels, fraction, seed)
        assert 1 <= is_dev[labels == 1].sum() <= count - 1


@pytest.mark.parametrize("fraction", [0.1, 0.25, 0.4])
def test_each_class_gives_its_share_to_dev(fraction: float) -> None:
    labels = np.random.default_rng(0).permutation(np.repeat([0, 1, 2], [200, 100, 20]))
    is_dev = nodes.stratified_dev(labels, fraction, seed=0)
    for label, count in ((0, 200), (1, 100), (2, 20)):
        assert is_dev[labels == label].sum() == round(fraction * count)


def test_dev_is_not_the_first_rows_of_a_class() -> None:
    is_dev = nodes.stratified_dev(np.zeros(100, dtype=int), 0.2, seed=0)
    assert 30 < np.flatnonzero(is_dev).mean() < 70


def test_a_class_that_only_repeats_test_is_refused_by_name(settings: Callable[..., Any]) -> None:
    train = films([*GOOD, (5, "war", "e"), (6, "war", "z")])
    with pytest.raises(ValueError, match="war: fewer than two training rows are left"):
        nodes.split(train, films([(9, "war", "Z!")]), settings("split"))


def test_frame_fingerprint_changes_with_content_and_order() -> None:
    frame = films(GOOD)
    known = nodes.frame_fingerprint(frame)
    assert nodes.frame_fingerprint(frame.copy()) == known
    changed = [
        frame.assign(plot=["a", "b", "c", "D"]),
        frame.assign(genre=["crime", "crime", "sport", "crime"]),
        frame.assign(id=[1, 2, 3, 5]),
        frame.iloc[::-1],
        frame.iloc[:3],
    ]
    assert len({known, *(nodes.frame_fingerprint(other) for other in changed)}) == 6


@pytest.fixture
def evaluation(settings: Callable[..., Any], toy_films: Callable[..., pd.DataFrame]) -> Callable[..., Any]:
    test = toy_films(60, seed=5)

    def evaluate(**models: Any) -> Any:
        return nodes.evaluate(test, {"classes": CLASSES}, settings("evaluation"), **models)

    return evaluate


def test_evaluate_scores_selected_variants_with_intervals(
    evaluation: Callable[..., Any], toy_films: Callable[..., pd.DataFrame]
) -> None:
    metrics, predictions, per_class, comparison, costs = evaluation(
        majority=Always(0.0), tfidf=Always(2.0), bilstm=Skipped("bilstm")
    )
    expected = {
        f"{v}.{m}{end}" for v in ("majority", "tfidf") for m in METRICS for end in ("", ".low", ".high")
    }
    assert set(metrics) == expected
    test = toy_films(60, seed=5)
    point = classification_metrics(test["label"], Always(2.0).predict_proba(test))
    assert metrics["tfidf.accuracy"] == point["accuracy"]
    assert metrics["tfidf.accuracy.low"] <= metrics["tfidf.accuracy"] <= metrics["tfidf.accuracy.high"]
    assert set(predictions["variant"]) == set(per_class["variant"]) == set(costs) == {"majority", "tfidf"}
    assert {comparison["first"], comparison["second"]} == {"majority", "tfidf"}
    assert comparison["first"] == "tfidf"


def test_predictions_keep_each_films_identity(
    evaluation: Callable[..., Any], toy_films: Callable[..., pd.DataFrame]
) -> None:
    test = toy_films(60, seed=5)
    _, predictions, _, _, _ = evaluation(majority=Always(0.0), tfidf=Always(2.0))
    for _, part in predictions.groupby("variant"):
        assert part["id"].tolist() == test["id"].tolist()
        assert part["truth"].tolist() == test["genre"].tolist()
        columns = part[[f"p_{genre}" for genre in CLASSES]].to_numpy()
        assert [CLASSES[k] for k in columns.argmax(1)] == part["predicted"].tolist()
        np.testing.assert_allclose(columns.max(1), part["confidence"], atol=1e-6)
        np.testing.assert_allclose(columns.sum(1), 1, atol=1e-5)


def test_nothing_changes_for_other_variants_when_one_is_left_out(evaluation: Callable[..., Any]) -> None:
    whole = evaluation(majority=Always(0.0), tfidf=Always(2.0), spacy=Always(1.0, seed=3))
    part = evaluation(majority=Always(0.0), tfidf=Always(2.0), spacy=Skipped("spacy"))
    assert part[0] == {key: value for key, value in whole[0].items() if not key.startswith("spacy.")}
    for table in (1, 2):
        others = whole[table][whole[table]["variant"] != "spacy"]
        pd.testing.assert_frame_equal(part[table].reset_index(drop=True), others.reset_index(drop=True))


def test_one_variant_alone_has_nothing_to_compare_with(evaluation: Callable[..., Any]) -> None:
    assert evaluation(tfidf=Always(1.0))[3] == {}


def test_a_training_gives_the_same_whatever_was_trained_before(
    toy_films: Callable[..., pd.DataFrame], settings: Callable[..., Any], run_settings: Callable[..., Any]
) -> None:
    train, dev = toy_films(45, seed=0), toy_films(15, seed=1)
    card, run = {"classes": CLASSES}, run_settings()

    def bilstm() -> np.ndarray:
        model, _ = nodes.train_bilstm(train, dev, card, None, settings("bilstm"), run)
        return model.predict_proba(dev)

    def doc2vec() -> np.ndarray:
        model, _ = nodes.train_doc2vec(train, dev, card, settings("doc2vec"), run)
        return model.predict_proba(dev)

    def spacy() -> np.ndarray:
        model, _ = nodes.train_spacy(train, dev, card, settings("spacy"), run)
        return model.predict_proba(dev)

    first = [trained() for trained in (bilstm, doc2vec, spacy)]
    last = [trained() for trained in (spacy, doc2vec, bilstm)][::-1]
    for one, other in zip(first, last, strict=True):
        np.testing.assert_array_equal(one, other)


def test_another_seed_gives_another_model(
    toy_films: Callable[..., pd.DataFrame], settings: Callable[..., Any], run_settings: Callable[..., Any]
) -> None:
    train, dev = toy_films(45, seed=0), toy_films(15, seed=1)
    card, parameters = {"classes": CLASSES}, settings("bilstm")
    one, other = (
        nodes.train_bilstm(train, dev, card, None, parameters, run_settings(seed=seed))[0].predict_proba(dev)
        for seed in (0, 1)
    )
    assert not np.allclose(one, other)


def test_combine_ignores_skipped_variants_and_those_that_are_no_members(
    toy_films: Callable[..., pd.DataFrame], settings: Callable[..., Any], run_settings: Callable[..., Any]
) -> None:
    dev, card = toy_films(90, seed=1), {"train_shares": [1 / 3] * 3}
    parameters = settings("combination", members=["tfidf", "bilstm", "spacy"])
    members = {"tfidf": Always(1.5), "spacy": Always(1.0, seed=4)}
    others = {"majority": Always(9.0, seed=2), "bilstm": Skipped("bilstm")}
    model, history = nodes.combine(dev, card, parameters, run_settings(), **others, **members)
    assert set(model.members) == set(history["weights"]) == {"tfidf", "spacy"}
    alone, history_alone = nodes.combine(dev, card, parameters, run_settings(), **members)
    assert history == history_alone
    np.testing.assert_array_equal(model.predict_proba(dev), alone.predict_proba(dev))


def test_combine_without_a_trained_member_is_refused(
    toy_films: Callable[..., pd.DataFrame], settings: Callable[..., Any], run_settings: Callable[..., Any]
) -> None:
    with pytest.raises(ValueError, match="none of its members was trained"):
        nodes.combine(
            toy_films(9, seed=1),
            {"train_shares": [1 / 3] * 3},
            settings("combination", members=["tfidf"]),
            run_settings(),
            majority=Always(0.0),
            tfidf=Skipped("tfidf"),
        )
