"""The model that answers a user: a few points in, a curve's values out."""

from __future__ import annotations

import json
import math
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import torch

from etudes.models import load_model, save_model
from etudes.pipelines.meta_learning.adaptation import Tasks, adapt
from etudes.pipelines.meta_learning.families import sinusoid_learner
from etudes.pipelines.meta_learning.model import SinusoidPredictor
from etudes.pipelines.meta_learning.starts import Start, Starts

CARD = {"variant": "maml", "embedded_sample": True, "dev_score": 0.5}


@pytest.fixture(scope="module")
def start(settings: Any) -> Start:
    torch.manual_seed(0)
    parameters = settings("sinusoids")
    return Start(parameters, sinusoid_learner(parameters).initial(), 0.01)


@pytest.fixture(scope="module")
def predictor(start: Start) -> SinusoidPredictor:
    return SinusoidPredictor(start, CARD)


def test_answers_are_those_after_ten_gradient_steps(predictor: SinusoidPredictor, start: Start) -> None:
    answer = predictor.predict(predictor.example())
    assert answer["steps"].tolist() == [10]
    row = predictor.example().iloc[0]
    x, y, query = (
        torch.tensor(json.loads(row[name]))[:, None] for name in ("support_x", "support_y", "query_x")
    )
    learner = start.learner
    expected = learner.answer(adapt(learner, start.weights, x, y, 10, 0.01), query)[:, 0].tolist()
    np.testing.assert_allclose(json.loads(answer["query_y"][0]), expected, atol=1e-5)


def test_more_support_points_bring_the_answer_nearer(predictor: SinusoidPredictor) -> None:
    x = np.linspace(-5, 5, 40)
    frame = pd.DataFrame({"support_x": [x.tolist()], "support_y": [(3 + 0 * x).tolist()], "query_x": [[0.5]]})
    before = predictor.predict(frame.assign(support_x=[[5.0]], support_y=[[0.0]]))
    after = predictor.predict(frame)
    distance = [abs(json.loads(found["query_y"][0])[0] - 3) for found in (before, after)]
    assert distance[1] < distance[0]


def test_lists_and_json_texts_are_the_same(predictor: SinusoidPredictor) -> None:
    texts = predictor.example()
    lists = texts.map(json.loads)
    arrays = lists.map(np.array)
    assert predictor.predict(texts).equals(predictor.predict(lists))
    assert predictor.predict(texts).equals(predictor.predict(arrays))


def test_command_line_input_is_parsed(predictor: SinusoidPredictor) -> None:
    frame = predictor.parse('{"support": [[-1, 0.5], [2.0, 1]], "query": [0, 1]}')
    answer = predictor.predict(frame)
    assert json.loads(answer["query_x"][0]) == [0.0, 1.0]
    said = predictor.describe(answer).splitlines()
    assert len(said) == 3 and said[0].startswith("x    0.000   y ") and said[-1] == "after 10 gradient steps"


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("1, 2, 3", "The input is no JSON"),
        ("[1, 2]", "Found list; expected"),
        ('{"support": [[1, 2]]}', "Found support; expected"),
        ('{"support": [[1, 2]], "query": [1], "steps": 3}', "expected"),
        ('{"support": [1, 2], "query": [1]}', "support is no list of pairs"),
        ('{"support": [[1, 2, 3]], "query": [1]}', "support is no list of pairs"),
        (
            '{"support": [], "query": [1]}',
            "support_x in row 0: found '\\[\\]'; expected a list of one or more",
        ),
        ('{"support": [[1, "a"]], "query": [1]}', "support_y in row 0"),
        ('{"support": [[1, NaN]], "query": [1]}', "support_y in row 0"),
        ('{"support": [[1, true]], "query": [1]}', "support_y in row 0"),
        ('{"support": [[1, 2]], "query": 3}', "query_x in row 0"),
        ('{"support": [[7, 2]], "query": [3]}', "x = 7 lies outside -5..5"),
        ('{"support": [[1, 2]], "query": [-5.5]}', "x = -5.5 lies outside -5..5"),
        ('{"support": [[1, 1e30]], "query": [1]}', "diverge"),
    ],
)
def test_wrong_input_is_refused_with_what_was_expected(
    predictor: SinusoidPredictor, text: str, message: str
) -> None:
    with pytest.raises(ValueError, match=message):
        predictor.predict(predictor.parse(text))


def test_steps_that_lead_away_from_the_points_are_refused(start: Start) -> None:
    """The answers are still numbers: it is the error on the given points that has grown."""
    wild = SinusoidPredictor(Start(start.parameters, start.weights, 0.6), CARD)
    example = wild.example()
    x, y = (torch.tensor(json.loads(example[name][0]))[None, :, None] for name in ("support_x", "support_y"))
    assert np.isfinite(wild.start.answers(Tasks(x, y, x, y), (10,))).all()
    with pytest.raises(ValueError, match="ten gradient steps from these points diverge"):
        wild.predict(example)


def test_points_at_which_the_start_is_nearly_right_are_answered(start: Start) -> None:
    """Steps a little too long raise the error there, to no harm."""
    x = torch.tensor([[[1.0]]])
    near = start.answers(Tasks(x, x, x, x), (0,)) + 0.01
    for rate in np.linspace(0.01, 0.5, 50):
        long = Start(start.parameters, start.weights, float(rate))
        after = long.answers(Tasks(x, torch.from_numpy(near[:, 0]), x, x), (10,))
        if 0.01 < abs(float((after - near).item())) < 1:
            break
    else:
        pytest.fail("no step size raises the error a little")
    frame = pd.DataFrame({"support_x": [[1.0]], "support_y": [[float(near.item())]], "query_x": [[1.0]]})
    answer = json.loads(SinusoidPredictor(long, CARD).predict(frame)["query_y"][0])
    assert answer == pytest.approx([float(after.item())], abs=1e-5)


def test_missing_column_and_unequal_lengths_are_refused(predictor: SinusoidPredictor) -> None:
    with pytest.raises(ValueError, match="query_x missing"):
        predictor.predict(pd.DataFrame({"support_x": [[1.0]], "support_y": [[1.0]]}))
    frame = pd.DataFrame({"support_x": [[1.0, 2.0]], "support_y": [[1.0]], "query_x": [[0.0]]})
    with pytest.raises(ValueError, match="2 values in support_x and 1 in support_y"):
        predictor.predict(frame)


def test_predictor_and_starts_survive_the_disk(
    predictor: SinusoidPredictor, start: Start, settings: Any, tmp_path: Path
) -> None:
    save_model(predictor, tmp_path / "predictor")
    again = load_model(tmp_path / "predictor")
    assert again.card == CARD
    assert again.predict(again.example()).equals(predictor.predict(predictor.example()))
    from etudes.pipelines.meta_learning.families import character_learner

    parameters = settings("characters")
    starts = Starts(start, Start(parameters, character_learner(parameters).initial(), 0.4))
    save_model(starts, tmp_path / "starts")
    loaded = load_model(tmp_path / "starts")
    assert (loaded.sinusoids.rate, loaded.characters.rate) == (0.01, 0.4)
    assert loaded.characters.parameters == parameters and loaded.characters.kind == "characters"
    for name, value in starts.characters.weights.items():
        assert torch.equal(value, loaded.characters.weights[name])


def test_example_is_a_sinusoid(predictor: SinusoidPredictor) -> None:
    row = predictor.example().iloc[0]
    for x, y in zip(json.loads(row["support_x"]), json.loads(row["support_y"]), strict=True):
        assert y == pytest.approx(2 * math.sin(x + 1), abs=1e-3)
