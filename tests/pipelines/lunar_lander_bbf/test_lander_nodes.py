"""Ingest, splits, training nodes, scores and tables."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import numpy as np
import pandas as pd
import pytest

from etudes.forms.raw import RawFile
from etudes.pipelines.lunar_lander_bbf import nodes, report, scoring
from etudes.pipelines.lunar_lander_bbf.model import Heuristic, RandomAgents
from etudes.rl.environments import EnvironmentSpec
from etudes.study import Skipped
from lunar_lander_bbf.conftest import raw
from rl.toy_environments import toy

Settings = Callable[..., Any]
Made = tuple[pd.DataFrame, pd.DataFrame, pd.DataFrame, dict[str, Any]]


def splits(
    settings: Settings, run_settings: Settings, spec: EnvironmentSpec | None = None, **run: Any
) -> Made:
    card = nodes.ingest(raw(spec or toy("Chain", solved=0.8)))
    return nodes.split(card, settings("split"), settings("runs"), run_settings(**run))


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"LunarLander-v3", "own.json: Expecting value"),
        (b'["LunarLander-v3"]', "own.json: found a list"),
        (b'{"id": "LunarLander-v3"}', 'own.json: expected at least an "id"'),
        (b'{"id": "Nowhere-v0", "solved": 1}', "own.json: the environment 'Nowhere-v0' cannot be made"),
    ],
)
def test_a_bad_specification_is_named_with_its_file(content: bytes, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        nodes.ingest(RawFile("own.json", content))


def test_the_data_card_says_what_is_played() -> None:
    card = nodes.ingest(
        RawFile("/somewhere/own.json", json.dumps({"id": "CartPole-v1", "solved": 475}).encode())
    )
    assert card["source"] == "own data" and card["files"] == ["own.json"] and not card["embedded_sample"]
    assert card["facts"]["shape"] == [4] and card["facts"]["max_episode_steps"] == 500


def test_no_episode_is_in_two_splits_and_only_training_depends_on_the_run(
    settings: Settings, run_settings: Settings
) -> None:
    train, dev, test, card = splits(settings, run_settings)
    seeds = [*train["seed"], *dev["seed"], *test["seed"]]
    assert len(set(seeds)) == len(seeds)
    assert (card["train_rows"], card["dev_rows"], card["test_rows"]) == (len(train), len(dev), len(test))
    other_train, other_dev, other_test, other_card = splits(settings, run_settings, seed=1)
    pd.testing.assert_frame_equal(dev, other_dev)
    pd.testing.assert_frame_equal(test, other_test)
    assert card["dev_fingerprint"] == other_card["dev_fingerprint"]
    assert not set(train["agent_seed"]) & set(other_train["agent_seed"])


def test_agents_of_a_variant_differ_and_come_from_their_seeds(
    settings: Settings, run_settings: Settings
) -> None:
    train, dev, _, card = splits(settings, run_settings)
    arguments = (train, dev, card, settings("training"), settings("annealing"), settings("resets"))
    model, history = nodes.train_bbf(*arguments, settings("runs"), run_settings())
    again, _ = nodes.train_bbf(*arguments, settings("runs", bbf=1), run_settings())
    assert len(model) == 2 and not np.array_equal(model.kept[0], model.kept[1])
    np.testing.assert_array_equal(model.kept[0], again.kept[0])
    assert [agent["seed"] for agent in history["agents"]] == train["agent_seed"].unique().tolist()
    assert len(history["epochs"]) == len(history["agents"][0]["curve"])


def test_variants_differ_by_their_arm_alone(settings: Settings, run_settings: Settings) -> None:
    """With arms that change nothing, every variant is plain double DQN, to the last weight."""
    train, dev, _, card = splits(settings, run_settings)
    training = settings("training")
    plain, _ = nodes.train_dqn(train, dev, card, training, settings("runs"), run_settings())
    same = {"n_start": training.n_step, "n_end": training.n_step}
    same |= {"discount_start": training.discount, "discount_end": training.discount}
    idle, never = settings("annealing", **same), settings("resets", every=10**6)
    rest = (settings("runs"), run_settings())
    for model, _ in (
        nodes.train_n_step(train, dev, card, training, idle, *rest),
        nodes.train_discount(train, dev, card, training, idle, *rest),
        nodes.train_resets(train, dev, card, training, never, *rest),
        nodes.train_bbf(train, dev, card, training, idle, never, *rest),
    ):
        np.testing.assert_allclose(model.kept, plain.kept, atol=1e-6)


def test_the_heuristic_refuses_what_it_cannot_fly(settings: Settings, run_settings: Settings) -> None:
    train, dev, _, card = splits(settings, run_settings)
    with pytest.raises(ValueError, match="leave it out of the parameter variants"):
        nodes.train_heuristic(train, dev, card)


def played() -> pd.DataFrame:
    """Two agents of ``a`` with means 1 and 3, one agent of ``b`` with mean 2; two episodes each."""
    rows = [
        ("a", 0, 0, 0.0),
        ("a", 0, 1, 2.0),
        ("a", 1, 0, 2.0),
        ("a", 1, 1, 4.0),
        ("b", 0, 0, 1.0),
        ("b", 0, 1, 3.0),
    ]
    frame = pd.DataFrame(rows, columns=["variant", "agent", "id", "return"])
    return frame.assign(last_return=frame["return"] - 1)


def test_metrics_by_hand(settings: Settings) -> None:
    metrics = scoring.metrics_of(played(), {"environment": {"solved": 2.0}}, settings("evaluation"))
    assert metrics["a.mean_return"] == 2 and metrics["a.iqm"] == 2 and metrics["a.last_mean_return"] == 1
    assert metrics["a.solved_share"] == 0.75 and metrics["b.solved_share"] == 0.5
    assert (metrics["a.mean_return.low"], metrics["a.mean_return.high"]) == (1, 3)
    assert "b.mean_return.low" not in metrics, "one agent says nothing of its spread"


def test_tables_by_hand(settings: Settings) -> None:
    curve = [{"step": 10, "dev_mean_return": -5.0}, {"step": 20, "dev_mean_return": 150.0}]
    late = [{"step": 10, "dev_mean_return": -5.0}, {"step": 20, "dev_mean_return": 50.0}]
    histories = {"a": {"agents": [{"curve": c, "dev_mean_return": 1.0} for c in (curve, late, late)]}}
    table = scoring.thresholds_table(histories, (0, 100)).set_index("threshold")
    assert table.loc[0, "reached"] == 1 and table.loc[0, "median_steps"] == 20
    assert table.loc[100, "reached"] == pytest.approx(1 / 3) and np.isnan(table.loc[100, "median_steps"])
    better = scoring.improvement_table(played(), settings("evaluation")).set_index(["variant", "other"])
    assert better.loc[("a", "b"), "probability"] == 0.5


def test_an_environment_without_pictures_gives_grey_frames(
    settings: Settings, run_settings: Settings, caplog: pytest.LogCaptureFixture
) -> None:
    _, _, test, card = splits(settings, run_settings, toy("Clock", solved=1))
    models = {"random": RandomAgents(2, [1])}
    predictions = scoring.episode_returns(models, test, card, settings("evaluation"))
    samples = scoring.landing_samples(models, predictions, card, settings("evaluation"))
    assert samples["frames"].shape[1:] == (20, 30, 3) and len(report.draw_episodes(samples)) == 2
    blind = {**card, "environment": {**card["environment"], "arguments": {"colour": 1}}}
    grey = scoring.landing_samples(models, predictions, blind, settings("evaluation"))
    assert len(grey) == 2 and "No pictures" in caplog.text and len(report.draw_episodes(grey)) == 2


def test_learned_agents_are_registered_before_yardsticks(settings: Settings, run_settings: Settings) -> None:
    train, dev, _, card = splits(settings, run_settings)
    model, history = nodes.train_dqn(train, dev, card, settings("training"), settings("runs"), run_settings())
    inputs: dict[str, Any] = {
        f"{name}_model": Skipped(name) for name in report.load_study(report.STUDY).variants
    }
    inputs |= {f"{name}_history": {} for name in report.load_study(report.STUDY).variants}
    yardstick = {"dev": {"mean_return": 1e6}, "agents": [{"dev_mean_return": 1e6}]}
    inputs |= {"heuristic_model": Heuristic(), "heuristic_history": yardstick}
    data = {"embedded_sample": True}
    assert report.choose_predictor(data, card, **inputs).card["variant"] == "heuristic"
    inputs |= {"dqn_model": model, "dqn_history": history}
    chosen = report.choose_predictor(data, card, **inputs)
    best = int(np.argmax([agent["dev_mean_return"] for agent in history["agents"]]))
    assert chosen.card["variant"] == "dqn" and len(chosen.agents) == 1
    np.testing.assert_array_equal(chosen.agents.kept[0], model.kept[best])
