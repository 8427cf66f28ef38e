"""Agents in several environments: specifications, splits, scores of each, the agent of the first behind a user's input."""

from __future__ import annotations

import json
from typing import Any

import numpy as np
import pandas as pd
import pytest

from etudes.benches import agent_pages
from etudes.benches import several_environments as several
from etudes.benches.agent_predictor import AgentPredictor
from etudes.benches.agents import RandomAgents, agent_seeds
from etudes.benches.parameters import AgentsParameters, EpisodePlayParameters, EpisodesParameters
from etudes.forms.raw import RawFile
from etudes.rl.environments import EnvironmentSpec
from etudes.samples.environments import raw_file
from etudes.study import load_study
from rl.toy_environments import toy
from study_settings import run_parameters

SPLIT = EpisodesParameters(curve_episodes=2, choice_episodes=3, test_episodes=4, seed=0)
PLAY = EpisodePlayParameters(parallel=4, resamples=100, frames=2)
LAKE = EnvironmentSpec("FrozenLake-v1", 1, {"is_slippery": False})
CLOCK = toy("Clock", solved=1)


def made(*specs: EnvironmentSpec, seed: int = 0) -> tuple[Any, ...]:
    raw = raw_file("several", embedded_sample=True, environments=[spec.as_dict() for spec in specs])
    return several.split(several.ingest(raw), SPLIT, AgentsParameters(agents=2), run_parameters(seed=seed))


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"[]", 'own.json: expected {"environments"'),
        (b'{"environments": []}', "own.json: .*with one or more"),
        (
            b'{"environments": [{"id": "Nowhere-v0", "solved": 1}]}',
            "own.json: the environment 'Nowhere-v0' cannot be made",
        ),
        (
            b'{"environments": [{"id": "rl.toy_environments:Steering-v0", "solved": 1}]}',
            "expected actions 0, 1, ...",
        ),
        (json.dumps({"environments": [LAKE.as_dict()] * 2}).encode(), "expected each environment once"),
    ],
)
def test_bad_specifications_are_named_with_their_file(content: bytes, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        several.ingest(RawFile("own.json", content))


def test_environments_share_seeds_and_only_training_depends_on_the_run() -> None:
    train, dev, test, card = made(LAKE, CLOCK)
    assert (card["train_rows"], card["dev_rows"], card["test_rows"]) == (4, 10, 8)
    for rows in (train, dev, test):
        assert rows["id"].is_unique and rows["environment"].unique().tolist() == [LAKE.id, CLOCK.id]
    assert not set(dev["seed"]) & set(test["seed"]) and test["seed"].nunique() == 4
    other_train, other_dev, _, other_card = made(LAKE, CLOCK, seed=1)
    pd.testing.assert_frame_equal(dev, other_dev)
    assert card["dev_fingerprint"] == other_card["dev_fingerprint"]
    assert not set(train["agent_seed"]) & set(other_train["agent_seed"])
    assert card["facts"][LAKE.id]["states"] == 16 and card["facts"][CLOCK.id]["states"] is None


def one_environment(only: str) -> several.Trained:
    """Random players of one environment."""
    train, dev, _, card = made(LAKE, CLOCK)

    def make(own: dict[str, Any], rows: pd.DataFrame, _: pd.DataFrame) -> Any:
        if own["environment"]["id"] != only:
            return None
        return RandomAgents(own["facts"]["actions"], agent_seeds(rows)), []

    return several.players(card, train, dev, make)


def test_every_environment_is_scored_and_the_first_gives_the_metrics() -> None:
    train, dev, test, card = made(LAKE, CLOCK)
    both, history = several.train_random(train, dev, card)
    alone, own = one_environment(CLOCK.id)
    found = several.evaluate(
        {"random": both, "clock": alone}, {"random": history, "clock": own}, test, card, PLAY
    )
    metrics, predictions, seeds, returns, differences, samples = found
    assert len(predictions) == 2 * 4 * 3 and set(seeds["variant"]) == {"random"}
    rows = returns.set_index(["environment", "variant"])
    assert rows.loc[(CLOCK.id, "clock"), "mean_return"] == 6 == metrics[f"clock.mean_return_{CLOCK.id}"]
    assert metrics["random.mean_return"] == rows.loc[(LAKE.id, "random"), "mean_return"]
    assert "clock.mean_return" not in metrics
    assert differences["environment"].tolist() == [CLOCK.id] and differences["difference"].tolist() == [0]
    assert set(samples.rows["variant"]) == {"random"}
    with pytest.raises(ValueError, match=f"none of the variants clock plays {LAKE.id}"):
        several.evaluate({"clock": alone}, {"clock": own}, test, card, PLAY)


def test_a_variant_that_plays_nothing_says_so() -> None:
    with pytest.raises(
        ValueError, match=r"plays none of FrozenLake-v1, .*leave it out of the parameter variants"
    ):
        one_environment("Pong-v5")


def test_the_agent_of_the_first_environment_is_registered() -> None:
    train, dev, _, card = made(LAKE, CLOCK)
    model, history = several.train_random(train, dev, card)
    study = load_study("lunar_lander_bbf")
    data = {"embedded_sample": True}
    chosen = several.choose_predictor(study, data, card, {"random": model}, {"random": history})
    assert chosen.spec == LAKE and chosen.states == 16


def test_the_number_of_a_state_is_answered() -> None:
    predictor = AgentPredictor(
        RandomAgents(4, [1]),
        {"variant": "random", "embedded_sample": True},
        environment=LAKE.as_dict(),
        size=1,
        states=16,
    )
    answer = predictor.predict(pd.DataFrame({"state": [0, 15]}))
    assert len(answer) == 2 and set(answer["action"]) <= set(range(4))
    np.testing.assert_array_equal(predictor.parse("[3]")["state"], [3])
    for wrong in (16, 1.5):
        with pytest.raises(ValueError, match="state in row 0 is"):
            predictor.predict(pd.DataFrame({"state": [wrong]}))


def test_points_below_and_words_by_hand() -> None:
    rows = [
        ("A", "expert", "b", 2.0, 1.0, 3.0),
        ("A", "b", "c", 1.0, 0.0, 2.0),
        ("B", "c", "expert", -4.0, -5.0, -3.0),
    ]
    columns = ["environment", "variant", "minus", "difference", "difference.low", "difference.high"]
    table = pd.DataFrame(rows, columns=columns)
    found = several.points_below("expert", table, "B")
    assert found == {"c.below_expert": 4, "c.below_expert.low": 3, "c.below_expert.high": 5}
    said = agent_pages.gaps(table, "expert")
    assert said == "`b` in A 2.00 [1.00, 3.00], `c` in B 4.00 [3.00, 5.00]"
    assert agent_pages.gaps(table, "expert", but=("b", "c")) == "there is nobody to compare"
    returns = pd.DataFrame(
        [("A", "expert", 9.0), ("A", "b", 7.0), ("A", "random", 8.0), ("B", "expert", 3.0)],
        columns=["environment", "variant", "mean_return"],
    )
    best = agent_pages.best_in_each(returns, "expert", but=("random",))
    assert best == "A: **`b` 7.00**, `expert` 9.00; B: **`expert` 3.00**"


def test_curves_of_an_environment_that_is_not_there_are_empty() -> None:
    _, _, _, card = made(LAKE)
    study = load_study("lunar_lander_bbf")
    figure = agent_pages.curves_of(study, {}, pd.DataFrame(), card, PLAY, place=1)
    assert not figure.data
