"""Yardsticks, agents on disk, and the agent behind a user's input."""

from __future__ import annotations

import base64
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import torch
from etudes.pipelines.lunar_lander_bbf.baselines import LEFT, MAIN, NOTHING, RIGHT, heuristic_policy
from torch.nn.utils import parameters_to_vector

from etudes.models import load_model, save_model
from etudes.pipelines.lunar_lander_bbf.model import Heuristic, LanderPredictor, QAgents, RandomAgents
from etudes.pipelines.lunar_lander_bbf.network import QNetwork
from etudes.rl.environments import EnvironmentSpec
from etudes.rl.evaluation import evaluate_policy
from etudes.serving.predictor import DrawingPredictor

NAMES = ("x", "y", "x_speed", "y_speed", "angle", "spin", "left_leg", "right_leg")
LANDER = EnvironmentSpec("LunarLander-v3", 200, {}, None, NAMES, ("nothing", "left", "main", "right"))
CARD = {"variant": "bbf", "embedded_sample": True}
SIZES: dict[str, Any] = {"inputs": 8, "actions": 4, "hidden": [16, 16], "layer_norm": False}


def some_agents(count: int = 3) -> QAgents:
    networks = [QNetwork(8, 4, (16, 16), False, torch.Generator().manual_seed(seed)) for seed in range(count)]
    weights = np.stack([parameters_to_vector(network.parameters()).detach().numpy() for network in networks])
    return QAgents(SIZES, weights, weights + 1)


def predictor(agents: Any = None) -> LanderPredictor:
    return LanderPredictor(agents or some_agents().only(1), LANDER, 8, dict(CARD))


def test_the_heuristic_lands() -> None:
    episodes = evaluate_policy(heuristic_policy, LANDER, range(20), 20)
    assert np.median(episodes.returns) > 200


def test_the_heuristic_fires_against_what_is_wrong() -> None:
    falling, tilted, drifting, resting = np.zeros((4, 8))
    falling[[1, 3]] = 0.5, -1.5
    tilted[4] = 0.5
    drifting[0] = -0.8
    resting[[6, 7]] = 1
    assert heuristic_policy(np.stack([falling, tilted, -tilted, resting])).tolist() == [
        MAIN,
        RIGHT,
        LEFT,
        NOTHING,
    ]
    assert heuristic_policy(drifting[None])[0] in (MAIN, RIGHT)


def test_agents_come_back_from_disk_as_they_were(tmp_path: Path) -> None:
    observations = np.random.default_rng(0).normal(size=(5, 8))
    for number, agents in enumerate((some_agents(), RandomAgents(4, [1, 2]), Heuristic())):
        save_model(agents, tmp_path / str(number))
        again = load_model(tmp_path / str(number))
        assert len(again) == len(agents) and again.learned == agents.learned
        for agent in range(len(agents)):
            assert (again.policy(agent)(observations) == agents.policy(agent)(observations)).all()
            assert (again.last_policy(agent)(observations) == agents.last_policy(agent)(observations)).all()


def test_predictor_answers_an_observation_with_the_best_action() -> None:
    answer = predictor().predict(pd.DataFrame(np.eye(8)[:3], columns=NAMES))
    values = some_agents().values(1, np.eye(8)[:3])
    assert values is not None and answer["action"].tolist() == values.argmax(1).tolist()
    row = answer.iloc[0]
    assert row["values"] == pytest.approx(dict(zip(LANDER.actions, values[0], strict=True)))
    assert row["action_name"] in predictor().describe(answer)


def test_predictor_plays_an_episode_and_shows_it(tmp_path: Path) -> None:
    save_model(predictor(Heuristic()), tmp_path / "predictor")
    loaded = load_model(tmp_path / "predictor")
    assert isinstance(loaded, DrawingPredictor) and loaded.card == CARD
    answer = loaded.predict(loaded.parse("7"))
    scored = evaluate_policy(heuristic_policy, LANDER, [7], 1)
    assert answer["return"][0] == pytest.approx(scored.returns[0]) and answer["steps"][0] == scored.lengths[0]
    film = loaded.draw(answer)
    assert (
        film is not None
        and film.startswith(b"GIF8")
        and base64.b64encode(film).decode() == answer["animation"][0]
    )
    assert loaded.draw(loaded.predict(loaded.example())) is None
    assert f"return {scored.returns[0]:.1f}" in loaded.describe(answer)
    assert loaded.predict(loaded.example())["values"].tolist() == [{}, {}], (
        "a controller has no action values"
    )


def test_predictor_parses_numbers_and_seeds() -> None:
    assert list(predictor().parse("[0, 1.4, 0, -0.5, 0, 0, 0, 0]").columns) == list(NAMES)
    assert predictor().parse(" 12 ")["seed"].tolist() == [12]
    unnamed = LanderPredictor(some_agents().only(0), EnvironmentSpec("A-v0", 1), 2, {})
    assert unnamed.columns == ["observation_0", "observation_1"] and unnamed.action_name(1) == "action 1"


@pytest.mark.parametrize(
    "text", ["land", "[1, 2]", "[1,2,3,4,5,6,7,true]", '{"x": 1}', "1.5", '["a",2,3,4,5,6,7,8]']
)
def test_input_that_is_neither_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="a JSON list of 8 numbers"):
        predictor().parse(text)


def test_bad_frames_are_refused() -> None:
    with pytest.raises(ValueError, match="columns spin are missing"):
        predictor().predict(predictor().example().drop(columns="spin"))
    with pytest.raises(ValueError, match="not finite"):
        predictor().predict(predictor().example().assign(x=np.nan))
    with pytest.raises(ValueError, match="no number"):
        predictor().predict(predictor().example().assign(x="high"))
    with pytest.raises(ValueError, match="seed in row 0 is -1; expected a whole number"):
        predictor().predict(pd.DataFrame({"seed": [-1]}))
