"""Splits, evaluation and the choice of what is registered."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch

from etudes.examples import Examples
from etudes.pipelines.meta_learning import nodes, report
from etudes.pipelines.meta_learning.adaptation import Tasks
from etudes.pipelines.meta_learning.characters import read_characters
from etudes.pipelines.meta_learning.evaluation import (
    draw_alphabet_tasks,
    draw_many_ways_tasks,
    draw_test_tasks,
)
from etudes.pipelines.meta_learning.families import as_they_are, character_tasks, intensities
from etudes.pipelines.meta_learning.parameters import SplitParameters
from etudes.pipelines.meta_learning.scores import (
    TRANSDUCTIVE,
    Curve,
    differences_table,
    flat_metrics,
    intervals,
    many_ways,
    steps_table,
)
from etudes.pipelines.meta_learning.shown import SHOWN_QUERIES
from etudes.pipelines.meta_learning.tasks import Drawings
from etudes.samples.strokes import raw_file
from etudes.study import Skipped, load_study

VARIANTS = load_study("meta_learning").variants


def test_parts_share_no_alphabet_and_the_split_repeats(
    drawings: Examples, parts: Any, settings: Any, run_settings: Any
) -> None:
    train, dev, test, card = parts
    alphabets = [set(part.rows["alphabet"]) for part in (train, dev, test)]
    assert alphabets == [{"alphabet01"}, {"alphabet02"}, {"alphabet03"}]
    assert len(train) + len(dev) + len(test) == len(drawings)
    again = nodes.split(
        drawings, settings("split"), settings("sinusoids"), settings("characters"), run_settings()
    )
    assert again[3] == card and again[0].rows.equals(train.rows)
    assert card["training_classes"] == 20, "five characters, four rotations"


def test_dev_fingerprint_knows_the_tasks(
    drawings: Examples, parts: Any, settings: Any, run_settings: Any
) -> None:
    other = nodes.split(
        drawings,
        settings("split"),
        settings("sinusoids", dev_tasks=21),
        settings("characters"),
        run_settings(),
    )
    assert other[3]["dev_fingerprint"] != parts[3]["dev_fingerprint"]


@pytest.mark.parametrize(
    ("dev", "test", "message"),
    [
        (["alphabet02"], ["alphabet9"], "no alphabet alphabet9; expected some of alphabet01"),
        (
            ["alphabet01"],
            ["alphabet02", "alphabet03"],
            "train has 0 characters in the alphabets none; a task needs 5",
        ),
    ],
)
def test_split_that_leaves_no_tasks_is_refused(
    drawings: Examples, settings: Any, run_settings: Any, dev: list[str], test: list[str], message: str
) -> None:
    with pytest.raises(ValueError, match=message):
        nodes.split(
            drawings,
            SplitParameters(dev=dev, test=test),
            settings("sinusoids"),
            settings("characters"),
            run_settings(),
        )


def test_part_with_fewer_characters_than_a_task_is_refused(
    drawings: Examples, settings: Any, run_settings: Any
) -> None:
    few = drawings.take(~drawings.rows["id"].str.startswith("alphabet03/character04").to_numpy())
    with pytest.raises(ValueError, match="test has 4 characters in the alphabets alphabet03; a task needs 5"):
        nodes.split(few, settings("split"), settings("sinusoids"), settings("characters"), run_settings())


@pytest.mark.parametrize(
    ("dev", "test", "message"),
    [
        (["Greek"], [["Greek", "Latin"]], "Greek stands in dev and in test group 1"),
        (["Korean"], [["Greek"], ["Latin", "Greek"]], "Greek stands in test group 1 and in test group 2"),
        (["Korean"], [["Greek"], []], "test holds an empty group"),
    ],
)
def test_alphabet_in_two_parts_and_an_empty_group_are_refused(
    dev: list[str], test: list[list[str]], message: str
) -> None:
    with pytest.raises(ValueError, match=message):
        SplitParameters(dev=dev, test=test)


def test_names_alone_are_one_group() -> None:
    assert SplitParameters(dev=["Greek"], test=["Latin", "Korean"]).test == (("Latin", "Korean"),)


def test_seeds_hold_out_one_group_after_the_other(
    drawings: Examples, settings: Any, run_settings: Any
) -> None:
    groups = SplitParameters(dev=["alphabet02"], test=[["alphabet03"], ["alphabet01"]])
    held_out, trained = [], []
    for seed in range(3):
        train, dev, test, card = nodes.split(
            drawings, groups, settings("sinusoids"), settings("characters"), run_settings(seed=seed)
        )
        assert set(dev.rows["alphabet"]) == {"alphabet02"}
        assert (card["test_group"], card["test_groups"]) == (seed % 2 + 1, 2)
        held_out.append(set(test.rows["alphabet"]))
        trained.append(set(train.rows["alphabet"]))
    assert held_out == [{"alphabet03"}, {"alphabet01"}, {"alphabet03"}]
    assert trained == [{"alphabet01"}, {"alphabet03"}, {"alphabet01"}]


@pytest.fixture(scope="module")
def trained(parts: Any, settings: Any, run_settings: Any) -> dict[str, Any]:
    """Two variants, barely trained, and three that were left out."""
    train, dev, _, card = parts
    groups = settings("sinusoids"), settings("characters")
    return {
        **{name: (Skipped(name), {"skipped": True}) for name in VARIANTS},
        "random": nodes.train_random(train, dev, *groups, settings("random"), run_settings()),
        "maml": nodes.train_maml(train, dev, card, *groups, settings("maml"), run_settings()),
    }


@pytest.fixture(scope="module")
def evaluated(parts: Any, trained: dict[str, Any], settings: Any) -> tuple[Any, ...]:
    models = {name: model for name, (model, _) in trained.items()}
    groups = settings("sinusoids"), settings("characters"), settings("evaluation")
    card = nodes.choose_rates(parts[1], parts[3], *groups[1:], **models)
    return nodes.evaluate(parts[2], card, *groups, **models)


def test_metrics_have_intervals_and_skipped_variants_have_none(evaluated: tuple[Any, ...]) -> None:
    metrics = evaluated[0]
    assert {key.split(".")[0] for key in metrics} == {"random", "maml"}
    for name in load_study("meta_learning").metrics:
        for variant in ("random", "maml"):
            low, value, high = (metrics[f"{variant}.{name}{end}"] for end in (".low", "", ".high"))
            assert low <= value <= high and np.isfinite(value)


def test_tasks_inside_an_alphabet_hold_no_other_and_small_alphabets_have_none(
    drawings: Examples, settings: Any
) -> None:
    few = ~drawings.rows["id"].str.startswith("alphabet03/character04")
    test = drawings.take(few.to_numpy())
    table = Drawings.of(test, rotations=False)
    found = draw_alphabet_tasks(test, table, settings("characters"), tasks=12, seed=0)
    assert sorted(found) == ["alphabet01", "alphabet02"], "alphabet03 has four characters, a task needs five"
    for name, episodes in found.items():
        assert episodes.rows.shape[0] == 12
        assert set(test.rows["alphabet"].to_numpy()[episodes.rows.ravel()]) == {name}
        assert (np.sort(episodes.characters, 1)[:, 1:] != np.sort(episodes.characters, 1)[:, :-1]).all()


def test_accuracy_inside_an_alphabet_is_the_mean_over_its_tasks(
    parts: Any, trained: dict[str, Any], settings: Any, evaluated: tuple[Any, ...]
) -> None:
    table, characters = evaluated[3], settings("characters")
    drawings = Drawings.of(parts[2], rotations=False)
    evaluation = settings("evaluation")
    drawn = draw_alphabet_tasks(parts[2], drawings, characters, evaluation.alphabet_tasks, evaluation.seed)
    pictures = as_they_are(intensities(drawings, torch.device("cpu")))
    tasks = character_tasks(pictures, drawn["alphabet03"], 1, characters.queries)
    assert table[["variant", "alphabet"]].to_numpy().tolist() == [
        ["random", "alphabet03"],
        ["maml", "alphabet03"],
    ]
    for row in table.to_dict("records"):
        answers = trained[row["variant"]][0].characters.answers(tasks, (10,))[:, 0].argmax(-1)
        assert row["value"] == pytest.approx((answers == tasks.query_y.numpy()).mean(), abs=1e-6)
        assert row["low"] <= row["value"] <= row["high"]


def test_all_variants_meet_the_same_test_tasks(
    parts: Any, trained: dict[str, Any], settings: Any, evaluated: tuple[Any, ...]
) -> None:
    """The same start under two names gets the same score on every task; the tasks repeat from their seed."""
    model = trained["random"][0]
    groups = settings("sinusoids"), settings("characters"), settings("evaluation")
    card = nodes.choose_rates(parts[1], parts[3], *groups[1:], random=model, maml=model)
    twice = nodes.evaluate(parts[2], card, *groups, random=model, maml=model)[1]
    one, other = (
        twice[twice["variant"] == name].drop(columns="variant").reset_index(drop=True)
        for name in ("random", "maml")
    )
    assert one.equals(other)
    before = evaluated[1]
    before = before[before["variant"] == "random"].drop(columns="variant").reset_index(drop=True)
    assert before.equals(one)


def test_test_tasks_are_not_the_dev_tasks(parts: Any, settings: Any) -> None:
    points, _, episodes = draw_test_tasks(parts[2], settings("sinusoids"), settings("characters"), seed=0)
    other = draw_test_tasks(parts[2], settings("sinusoids"), settings("characters"), seed=1)
    assert not np.isin(points.phase, other[0].phase).any()
    assert not np.array_equal(episodes.rows, other[2].rows)


@pytest.fixture(scope="module")
def many(settings: Any, run_settings: Any) -> dict[str, Any]:
    """Three alphabets of eight characters: enough for tasks of eight where five are trained on."""
    drawings = read_characters(raw_file("characters", 3, 8, drawers=8, size=28, seed=7), 28)[0]
    groups = settings("sinusoids"), settings("characters")
    train, dev, test, card = nodes.split(drawings, settings("split"), *groups, run_settings())
    random, _ = nodes.train_random(train, dev, *groups, settings("random"), run_settings())
    return {"dev": dev, "test": test, "card": card, "models": {"random": random, "maml": Skipped("maml")}}


def test_step_size_among_more_characters_is_the_best_on_dev(many: dict[str, Any], settings: Any) -> None:
    characters, evaluation = settings("characters"), settings("evaluation")
    card = nodes.choose_rates(many["dev"], many["card"], characters, evaluation, **many["models"])
    assert card["ways"] == 8 and set(card["rates"]) == {"random"}
    tried = {row["rate"]: row["accuracy"] for row in card["dev"]["random"]}
    own = many["models"]["random"].characters.rate
    assert list(tried) == [own, 2 * own, 4 * own]
    assert tried[card["rates"]["random"]] == max(tried.values())
    for wanted, smallest, ways in ((20, 6, 6), (6, 8, 6), (20, 40, 8)):
        limited = nodes.choose_rates(
            many["dev"],
            {**many["card"], "smallest_test_characters": smallest},
            characters,
            settings("evaluation", many_ways=wanted),
            **many["models"],
        )
        assert limited["ways"] == ways, "as many as are wanted, and as dev and every test group hold"


def test_tasks_of_more_characters_are_scored_with_all_of_them(many: dict[str, Any], settings: Any) -> None:
    groups = settings("sinusoids"), settings("characters"), settings("evaluation")
    card = nodes.choose_rates(many["dev"], many["card"], *groups[1:], **many["models"])
    metrics, _, steps, *_ = nodes.evaluate(many["test"], card, *groups, **many["models"])
    drawings = Drawings.of(many["test"], rotations=False)
    episodes = draw_many_ways_tasks(drawings, groups[1], 8, groups[2].many_ways_tasks, groups[2].seed)
    assert (np.sort(episodes.characters, 1) == np.arange(8)).all(), "eight different characters in each"
    pictures = as_they_are(intensities(drawings, torch.device("cpu")))
    tasks = character_tasks(pictures, episodes, 1, groups[1].queries)
    start = many["models"]["random"].characters.for_ways(8, card["rates"]["random"])
    found = start.answers(tasks, (0, 10))
    assert found.shape[-1] == 8 and (found[:, 0] == found[:, 0, :, :1]).all(), "all outputs begin alike"
    learned = many["models"]["random"].characters.weights
    for name in ("output.weight", "output.bias"):
        mean = learned[name].double().mean(0).expand_as(start.weights[name])
        torch.testing.assert_close(start.weights[name].double(), mean, atol=1e-6, rtol=1e-5)
    right = (found[:, 1].argmax(-1) == tasks.query_y.numpy()).mean()
    assert metrics["random.many_ways_1shot"] == pytest.approx(right, abs=1e-6)
    assert steps[steps["task"] == "characters, 8 ways"]["step"].tolist() == [0, 1, 5, 10]


def test_places_of_the_characters_do_not_matter_where_all_outputs_begin_alike(
    many: dict[str, Any], settings: Any
) -> None:
    drawings = Drawings.of(many["test"], rotations=False)
    episodes = draw_many_ways_tasks(drawings, settings("characters"), 8, 4, seed=3)
    pictures = as_they_are(intensities(drawings, torch.device("cpu")))
    tasks = character_tasks(pictures, episodes, 1, 2)
    order = torch.tensor([3, 1, 7, 0, 2, 6, 5, 4])
    renamed = Tasks(tasks.support_x, order[tasks.support_y], tasks.query_x, order[tasks.query_y])
    start = many["models"]["random"].characters.for_ways(8, 0.1)
    one, other = start.answers(tasks, (3,)), start.answers(renamed, (3,))
    np.testing.assert_allclose(other[..., order.numpy()], one, atol=1e-5)
    with pytest.raises(ValueError, match="has one output"):
        many["models"]["random"].sinusoids.for_ways(8, 0.1)


def test_parts_with_too_few_characters_have_no_tasks_of_more(
    parts: Any, trained: dict[str, Any], settings: Any, evaluated: tuple[Any, ...]
) -> None:
    models = {name: model for name, (model, _) in trained.items()}
    card = nodes.choose_rates(parts[1], parts[3], settings("characters"), settings("evaluation"), **models)
    assert card["ways"] == 0, "five characters in each part, five in every task"
    assert not any("many_ways" in name for name in evaluated[0])


def test_every_test_group_must_hold_enough_and_the_smallest_is_known(
    settings: Any, run_settings: Any
) -> None:
    """Group 2 is held out by the next seed; that run should not end after this one's hours of training."""
    drawings = read_characters(raw_file("characters", 4, 5, drawers=8, size=28, seed=7), 28)[0]
    few = drawings.take(~drawings.rows["id"].str.startswith("alphabet03/character04").to_numpy())
    groups = SplitParameters(dev=["alphabet02"], test=[["alphabet01"], ["alphabet03"]])
    sinusoids, seed = settings("sinusoids"), run_settings(seed=0)
    card = nodes.split(few, groups, sinusoids, settings("characters", ways=4), seed)[3]
    assert card["test_characters"] == 5 and card["smallest_test_characters"] == 4
    with pytest.raises(
        ValueError, match="test group 2 has 4 characters in the alphabets alphabet03; a task needs 5"
    ):
        nodes.split(few, groups, sinusoids, settings("characters"), seed)


def test_shown_episodes_carry_pictures_and_answers(evaluated: tuple[Any, ...], settings: Any) -> None:
    samples = evaluated[6]
    shown = settings("evaluation").shown
    assert len(samples) == shown * (5 + 5 * SHOWN_QUERIES)
    queries = samples.rows[samples.rows["role"] == "query"]
    for name in ("random", "maml"):
        assert queries[f"answer_{name}"].between(0, 4).all()
        assert (samples.rows.loc[samples.rows["role"] == "support", f"answer_{name}"] == -1).all()
    characters = samples.rows["character"].str.rpartition("/")[0]
    for number in range(shown):
        of_one = samples.rows["number"] == number
        pairs = set(zip(samples.rows.loc[of_one, "truth"], characters[of_one], strict=True))
        assert len(pairs) == 5, "one character for each label, in support and query alike"


def test_shown_answers_are_those_that_were_scored(
    evaluated: tuple[Any, ...], parts: Any, trained: dict[str, Any], settings: Any
) -> None:
    """With as many queries shown as there are, the share of right answers is the score in the predictions."""
    predictions, samples = evaluated[1], evaluated[6]
    assert settings("characters").queries == SHOWN_QUERIES
    queries = samples.rows[samples.rows["role"] == "query"]
    right = (queries["answer_maml"] == queries["truth"]).groupby(queries["number"]).mean()
    chosen = predictions[
        (predictions["variant"] == "maml")
        & (predictions["task"] == "characters")
        & (predictions["shots"] == 1)
        & (predictions["step"] == 10)
    ].set_index("number")["score"]
    np.testing.assert_allclose(right.to_numpy(), chosen.loc[right.index].to_numpy(), atol=1e-6)


def test_intervals_are_those_of_a_plain_bootstrap() -> None:
    values = np.random.default_rng(0).exponential(size=(400, 2))
    mean, low, high = intervals(values, 2000)
    np.testing.assert_allclose(mean, values.mean(0))
    half = 1.96 * values.std(0, ddof=1) / 20
    np.testing.assert_allclose(low, mean - half, atol=0.03)
    np.testing.assert_allclose(high, mean + half, atol=0.03)


def test_differences_are_paired() -> None:
    """A constant gap between noisy tasks has an interval without width."""
    noise = np.random.default_rng(0).normal(size=(50, 11))
    steps = tuple(range(11))
    curves = [
        Curve(variant, task, shots, steps, noise - gap)
        for variant, gap in (("random", 0.0), ("maml_first_order", 0.5), ("anil", 0.25), ("maml", 0.75))
        for task, shots in (("sinusoids", 10), ("characters", 1), ("characters", 5))
    ]
    table = differences_table(curves, "random", 200)
    gaps = {("maml", "random"): -0.75, ("maml", "maml_first_order"): -0.25, ("maml", "anil"): -0.5}
    for pair, gap in gaps.items():
        rows = table[(table["first"] == pair[0]) & (table["second"] == pair[1])]
        assert len(rows) == 4
        np.testing.assert_allclose(rows[["difference", "low", "high"]].to_numpy(), gap, atol=1e-12)


def test_flat_metrics_take_the_right_rows() -> None:
    values = np.tile(np.arange(11.0), (4, 1))
    curves = [
        Curve("maml", "sinusoids", 10, tuple(range(11)), values),
        Curve("maml", "sinusoids", 5, tuple(range(11)), 100 + values),
        Curve("maml", "characters", 1, (0, 1, 5, 10), values[:, :4]),
        Curve("maml", "characters", 5, (0, 1, 5, 10), 10 + values[:, :4]),
        Curve("maml", TRANSDUCTIVE, 1, (0, 1, 5, 10), 20 + values[:, :4]),
        Curve("maml", many_ways(20), 1, (0, 1, 5, 10), 30 + values[:, :4]),
    ]
    metrics = flat_metrics(steps_table(curves, 100))
    expected = {"mse_after_0": 0, "mse_after_1": 1, "mse_after_5": 5, "mse_after_10": 10, "mse_5shot": 110}
    expected |= {"accuracy_1shot": 3, "accuracy_5shot": 13, "transductive_1shot": 23, "many_ways_1shot": 33}
    assert {name: metrics[f"maml.{name}"] for name in expected} == expected


def test_queries_help_each_other_only_where_they_may(
    parts: Any, trained: dict[str, Any], settings: Any
) -> None:
    _, drawings, episodes = draw_test_tasks(parts[2], settings("sinusoids"), settings("characters"), seed=0)
    start = trained["random"][0].characters
    tasks = character_tasks(as_they_are(intensities(drawings, torch.device("cpu"))), episodes, 1, 2)
    few = Tasks(tasks.support_x, tasks.support_y, tasks.query_x[:, :3], tasks.query_y[:, :3])
    alone, together = start.answers(tasks, (1,)), start.transductive().answers(tasks, (1,))
    np.testing.assert_allclose(start.answers(few, (1,)), alone[:, :, :3], atol=1e-5)
    assert np.abs(start.transductive().answers(few, (1,)) - together[:, :, :3]).max() > 1e-3
    assert not start.transductive().normalises_by_support
    with pytest.raises(ValueError, match="normalises nothing"):
        trained["random"][0].sinusoids.transductive()


def test_best_dev_start_is_registered(parts: Any, trained: dict[str, Any]) -> None:
    inputs: dict[str, Any] = {name: model for name, (model, _) in trained.items()}
    inputs |= {f"{name}_history": history for name, (_, history) in trained.items()}
    inputs["maml_history"] = {"dev": {"mse_5shot": 0.1}}
    inputs["random_history"] = {"dev": {"mse_5shot": 0.2}}
    card = {"embedded_sample": True}
    assert report.choose_predictor(card, parts[3], **inputs).card["variant"] == "maml"
    inputs["random_history"] = {"dev": {"mse_5shot": 0.05}}
    predictor = report.choose_predictor(card, parts[3], **inputs)
    assert predictor.card["variant"] == "random" and predictor.card["maximise"] is False
