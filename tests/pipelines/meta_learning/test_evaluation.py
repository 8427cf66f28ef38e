"""Data, split, test tasks and the answer to a user: what must hold of the wiring, and the spoilers of the raw form."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
import pytest
import torch

from etudes.benches.characters import Drawings
from etudes.examples import Examples
from etudes.pipelines.meta_learning.adaptation import Tasks, adapt
from etudes.pipelines.meta_learning.characters import split
from etudes.pipelines.meta_learning.evaluation import choose_rates, differences_table, evaluate, one_shot
from etudes.pipelines.meta_learning.model import EXAMPLE, SinusoidPredictor
from etudes.pipelines.meta_learning.starts import SinusoidStart, Starts
from study_settings import run_parameters


def test_other_dev_tasks_are_other_dev_data(drawings: Examples, parts: Any, settings: Any) -> None:
    shape = settings("characters", dev_tasks=11)
    card = split(drawings, settings("split"), settings("sinusoids"), shape, run_parameters())[3]
    assert card["dev_fingerprint"] != parts[3]["dev_fingerprint"]
    assert card["train_fingerprint"] == parts[3]["train_fingerprint"]


@pytest.fixture(scope="module")
def evaluated(parts: Any, random_starts: Any, settings: Any) -> tuple[Any, ...]:
    """The same start under the names of two variants; last, the step sizes among more characters."""
    models = dict.fromkeys(("random", "maml"), random_starts[0])
    groups = settings("characters"), settings("evaluation")
    rates = choose_rates(models, parts[1], parts[3], *groups)
    return (*evaluate(models, parts[2], rates, settings("sinusoids"), *groups), rates)


@pytest.mark.parametrize(
    ("name", "place"),
    [
        ("mse_after_1", "sinusoids/10/1"),
        ("mse_5shot", "sinusoids/5/10"),
        ("accuracy_5shot", "characters/5/10"),
        ("transductive_1shot", "characters, queries together/1/10"),
        ("many_ways_1shot", "characters, 8 ways/1/10"),
    ],
)
def test_variants_meet_the_same_tasks_and_metrics_are_their_means(
    evaluated: tuple[Any, ...], name: str, place: str
) -> None:
    metrics, predictions = evaluated[:2]
    places = (
        predictions["task"] + "/" + predictions["shots"].astype(str) + "/" + predictions["step"].astype(str)
    )
    random, maml = (of["score"].tolist() for _, of in predictions[places == place].groupby("variant"))
    assert random == maml and evaluated[4]["difference"].eq(0).all()
    others = [of["score"].tolist() for p, of in predictions.groupby(places) if p != place]
    assert all(maml != other[: len(maml)] for other in others), "no two kinds of tasks are one"
    assert metrics[f"maml.{name}"] == pytest.approx(np.mean(maml))
    assert metrics[f"maml.{name}.low"] <= metrics[f"maml.{name}"] <= metrics[f"maml.{name}.high"]


def test_differences_are_first_minus_second_task_by_task() -> None:
    noise, gaps = np.random.default_rng(0).normal(size=(50, 1)), {"random": 0.0, "anil": 0.25, "maml": 0.75}
    tasks = (("sinusoids", 10), ("characters", 1), ("characters", 5))
    frames = {n: pd.DataFrame(noise - gap + np.zeros((50, 2)), columns=[1, 10]) for n, gap in gaps.items()}
    table = differences_table({(name, *task): frames[name] for name in gaps for task in tasks}, 100)
    expected = np.repeat([-0.25, -0.75, -0.5], 4)  # anil - random, maml - random, maml - anil
    for column in ("difference", "low", "high"):
        np.testing.assert_allclose(table[column], expected, atol=1e-12)


def test_tasks_of_more_characters_take_the_best_step_on_dev_from_outputs_that_begin_alike(
    evaluated: tuple[Any, ...], parts: Any, random_starts: Any, settings: Any
) -> None:
    own, rates = random_starts[0].characters, evaluated[-1]
    tried = {row["rate"]: row["accuracy"] for row in rates["dev"]["maml"]}
    assert rates["ways"] == 8 and list(tried) == [own.rate, 2 * own.rate, 4 * own.rate]
    assert tried[rates["rates"]["maml"]] == max(tried.values())
    drawings, start = Drawings.of(parts[2], rotations=False), own.for_ways(8, 0.1)
    learned = own.weights["output.weight"]
    torch.testing.assert_close(start.weights["output.weight"], learned.mean(0).expand(8, -1))
    tasks, order = one_shot(drawings, drawings.table, 4, 8, 2, 3), torch.tensor([3, 1, 7, 0, 2, 6, 5, 4])
    renamed = tasks._replace(support_y=order[tasks.support_y])
    np.testing.assert_allclose(
        start.answers(renamed, (3,))[..., order], start.answers(tasks, (3,)), atol=1e-5
    )
    for wanted, smallest, ways in ((20, 6, 6), (6, 8, 6), (20, 5, 0)):
        card = {**parts[3], "smallest_test_characters": smallest}
        limited = choose_rates(
            {}, parts[1], card, settings("characters"), settings("evaluation", many_ways=wanted)
        )
        assert limited["ways"] == ways, "as many as are wanted, and as dev and every test group hold"


def test_tasks_inside_an_alphabet_hold_no_other_and_small_alphabets_have_none(
    drawings: Examples, random_starts: Any, settings: Any
) -> None:
    few = drawings.take(~drawings.rows["id"].str.match(r"alphabet03/character0[5-8]").to_numpy())
    shape, evaluation = settings("characters"), settings("evaluation")
    groups = settings("sinusoids"), shape, evaluation
    found = evaluate({"maml": random_starts[0]}, few, {"ways": 0, "rates": {}}, *groups)[3]
    assert found["alphabet"].tolist() == ["alphabet01", "alphabet02"], "a task needs five characters"
    alone = Drawings.of(drawings.take(drawings.rows["alphabet"].eq("alphabet02").to_numpy()), rotations=False)
    tasks = one_shot(alone, alone.table, evaluation.alphabet_tasks, 5, shape.queries, evaluation.seed, 2, 1)
    assert found["value"].iloc[1] == pytest.approx(random_starts[0].characters.scores(tasks, (10,)).mean())


@pytest.fixture(scope="module")
def predictor(random_starts: Any) -> SinusoidPredictor:
    return SinusoidPredictor(random_starts[0], {"variant": "random", "embedded_sample": True})


def test_answers_are_those_after_ten_gradient_steps(predictor: SinusoidPredictor) -> None:
    start, pairs = predictor.model.sinusoids, torch.tensor(EXAMPLE)
    torch.testing.assert_close(pairs[:, 1], 2 * torch.sin(pairs[:, 0] + 1), atol=1e-3, rtol=0)
    phi = adapt(start.learner, start.weights, pairs[:, :1], pairs[:, 1:], 10, start.rate)
    expected = start.learner.answer(phi, torch.tensor([[-1.0], [2.0]]))[:, 0].tolist()
    said = predictor.describe(predictor.predict(predictor.example())).splitlines()
    assert said[:2] == [f"x {x:8.3f}   y {y:8.3f}" for x, y in zip((-1, 2), expected, strict=True)]


@pytest.mark.parametrize(
    ("support", "query", "message"),
    [
        ([1, 2], [1], r"support in row 0 is '\[1, 2\]'; expected a list of pairs"),
        ([[1, 2], [1]], [1], "support in row 0"),
        ([[1, True]], [1], "support in row 0"),
        ([[1, 10**400]], [1], "support in row 0"),
        ([[1, 2]], [], r"query in row 0 is '\[\]'; expected a list of numbers"),
        ([[7, 2]], [3], "x = 7 lies outside -5..5"),
        ([[1, 1e30]], [1], "diverge"),
    ],
)
def test_wrong_points_are_refused_with_what_was_expected(
    predictor: SinusoidPredictor, support: Any, query: Any, message: str
) -> None:
    with pytest.raises(ValueError, match=message):
        predictor.predict(pd.DataFrame({"support": [support], "query": [query]}))


def test_steps_that_lead_away_are_refused_but_not_small_errors_that_grow_a_little(
    predictor: SinusoidPredictor,
) -> None:
    start, x = predictor.model.sinusoids, torch.tensor([[[1.0]]])
    near = start.answers(Tasks(x, x, x, x), (0,))[:, 0] + 0.01
    grown = []
    for rate in np.linspace(0.1, 0.6, 21):
        long = SinusoidStart(start.parameters, start.weights, float(rate))
        after = float(long.answers(Tasks(x, torch.from_numpy(near), x, x), (10,)).item())
        if 0.01 < abs(after - near.item()) < 1:
            asked = pd.DataFrame({"support": [[[1.0, near.item()]]], "query": [[1.0]]})
            long_predictor = SinusoidPredictor(Starts(long, predictor.model.characters), {})
            grown.append(f"{after:8.3f}" in long_predictor.describe(long_predictor.predict(asked)))
    assert grown and all(grown)
    with pytest.raises(ValueError, match="ten gradient steps from these points diverge"):
        SinusoidPredictor(Starts(long, predictor.model.characters), {}).predict(predictor.example())
