"""The bench of agents: episodes that no two splits share, scores and tables by hand, the agent behind a user's input."""

from __future__ import annotations

import base64
import json
from typing import Any

import numpy as np
import pandas as pd
import pytest
from numpy.typing import NDArray

from etudes.benches import agent_scores, agents
from etudes.benches.agent_pages import standing, strip
from etudes.benches.agent_predictor import AgentPredictor
from etudes.benches.agents import RandomAgents
from etudes.benches.parameters import AgentRunsParameters, EpisodeSplitParameters
from etudes.forms.raw import RawFile
from etudes.models import ModelState, register_model
from etudes.rl.environments import EnvironmentSpec
from etudes.rl.evaluation import Policy, evaluate_policy
from etudes.samples.environments import raw_file
from etudes.study import load_study
from rl.toy_environments import toy
from study_settings import run_parameters

SPLIT = EpisodeSplitParameters(environments=2, curve_episodes=2, choice_episodes=3, test_episodes=4, seed=0)
RUNS = AgentRunsParameters(agents=2, processes=1)
NAMES = ("x", "y", "x_speed", "y_speed", "angle", "spin", "left_leg", "right_leg")
LANDER = EnvironmentSpec("LunarLander-v3", 200, {}, None, NAMES, ("nothing", "left", "main", "right"))
CARD = {"variant": "chosen", "embedded_sample": True}


@register_model("toy.linear_agents")
class LinearAgents:
    """Agents whose action values are a product of the observation: what studies call networks."""

    registered_name: str
    learned = True

    def __init__(self, kept: NDArray) -> None:
        self.kept = self.last = kept

    def __len__(self) -> int:
        return len(self.kept)

    def values(self, agent: int, observations: NDArray) -> NDArray:
        return np.asarray(observations) @ self.kept[agent]

    def policy(self, agent: int) -> Policy:
        return lambda observations: self.values(agent, observations).argmax(1)

    last_policy = policy

    def only(self, agent: int) -> LinearAgents:
        return LinearAgents(self.kept[[agent]])

    def state(self) -> ModelState:
        return ModelState(arrays={"kept": self.kept})

    @classmethod
    def from_state(cls, state: ModelState) -> LinearAgents:
        return cls(state.arrays["kept"])


def some_agents(count: int = 3, inputs: int = 8, actions: int = 4) -> LinearAgents:
    return LinearAgents(np.random.default_rng(0).normal(size=(count, inputs, actions)))


def card_of(spec: EnvironmentSpec) -> dict[str, Any]:
    return agents.ingest(raw_file("environment", embedded_sample=True, **spec.as_dict()))


def splits(seed: int = 0) -> tuple[pd.DataFrame, pd.DataFrame, pd.DataFrame, dict[str, Any]]:
    return agents.split(card_of(toy("Clock", solved=1)), SPLIT, RUNS, run_parameters(seed=seed))


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"LunarLander-v3", "own.json: Expecting value"),
        (b'["LunarLander-v3"]', "own.json: found a list"),
        (b'{"id": "LunarLander-v3"}', 'own.json: expected at least an "id"'),
        (b'{"id": "Nowhere-v0", "solved": 1}', "own.json: the environment 'Nowhere-v0' cannot be made"),
        (b'{"id": "LunarLander-v2", "solved": 200}', "own.json: .*LunarLander-v2.* cannot be made.*v3"),
        (b'{"id": "LunarLander-v3", "solved": 200, "gravity": -5}', "own.json: unknown key gravity"),
    ],
)
def test_a_bad_specification_is_named_with_its_file(content: bytes, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        agents.ingest(RawFile("own.json", content))


def test_the_data_card_says_what_is_played() -> None:
    content = json.dumps({"id": "CartPole-v1", "solved": 475}).encode()
    card = agents.ingest(RawFile("/somewhere/own.json", content))
    assert card["source"] == "own data" and card["files"] == ["own.json"] and not card["embedded_sample"]
    assert card["facts"]["shape"] == [4] and card["facts"]["max_episode_steps"] == 500


def test_no_episode_is_in_two_splits_and_only_training_depends_on_the_run() -> None:
    train, dev, test, card = splits()
    seeds = [*train["seed"], *dev["seed"], *test["seed"]]
    assert len(set(seeds)) == len(seeds)
    assert (card["train_rows"], card["dev_rows"], card["test_rows"]) == (4, 5, 4)
    other_train, other_dev, other_test, other_card = splits(seed=1)
    pd.testing.assert_frame_equal(dev, other_dev)
    pd.testing.assert_frame_equal(test, other_test)
    assert card["dev_fingerprint"] == other_card["dev_fingerprint"]
    assert not set(train["agent_seed"]) & set(other_train["agent_seed"])
    assert agents.agent_seeds(train) == train["agent_seed"].unique().tolist()


def test_the_dev_score_is_of_the_episodes_of_choice() -> None:
    _, dev, _, card = splits()
    model = RandomAgents(2, [1, 2])
    history = agents.dev_history(model, dev, card)
    spec, _ = agents.environment_of(card)
    seeds = dev.loc[dev["use"] == "choice", "seed"].to_numpy()
    played = [evaluate_policy(model.policy(a), spec, seeds, 3).returns.mean() for a in range(2)]
    assert [agent["dev_mean_return"] for agent in history["agents"]] == pytest.approx(played)
    assert history["dev"]["mean_return"] == pytest.approx(np.mean(played))


def played() -> pd.DataFrame:
    """Two agents of ``a`` with means 1 and 3, one agent of ``b`` with mean 2; two episodes each."""
    returns = {("a", 0): (0.0, 2.0), ("a", 1): (2.0, 4.0), ("b", 0): (1.0, 3.0)}
    rows = [(*who, id_, value) for who, values in returns.items() for id_, value in enumerate(values)]
    frame = pd.DataFrame(rows, columns=["variant", "agent", "id", "return"])
    return frame.assign(last_return=frame["return"] - 1)


def test_metrics_by_hand() -> None:
    """Returns of ``a`` are 0, 2, 2, 4: the middle half is 2 and 2; one player has the error of its episodes."""
    metrics = agent_scores.metrics_of(played(), {"environment": {"solved": 2.0}}, 100)
    assert metrics["a.mean_return"] == 2 and metrics["a.iqm"] == 2 and metrics["a.last_mean_return"] == 1
    assert metrics["a.solved_share"] == 0.75 and metrics["b.solved_share"] == 0.5
    assert (metrics["b.mean_return.low"], metrics["b.mean_return.high"]) == (1, 3)


def test_differences_by_hand_and_in_words() -> None:
    table = agent_scores.differences_table(played(), 100).set_index(["variant", "minus"])
    assert table.loc[("a", "b"), "mean_return"] == 0 and table.loc[("a", "b"), "iqm"] == 0
    rows = [("a", "b", 5.0, 4.0, 1.0, 9.0, -1.0, 8.0), ("c", "a", -5.0, -4.0, -9.0, -1.0, -8.0, -2.0)]
    ends = ("iqm.low", "iqm.high", "mean_return.low", "mean_return.high")
    said = standing(pd.DataFrame(rows, columns=["variant", "minus", "iqm", "mean_return", *ends]), "a")
    assert said == (
        "`a` ties `b` (+5.0 [+1.0, +9.0] and +4.0 [-1.0, +8.0]), beats `c` (+5.0 [+1.0, +9.0] and +4.0 [+2.0, +8.0])"
    )


def test_the_profile_counts_episodes_above_a_return() -> None:
    profile = agent_scores.profile_table(played(), (0, 2), 100).set_index(["variant", "above"])
    assert profile["share"].tolist() == [0.75, 0.25, 1.0, 0.5]


def test_tables_by_hand() -> None:
    curve = [{"step": 10, "dev_mean_return": -5.0}, {"step": 20, "dev_mean_return": 150.0}]
    late = [{"step": 10, "dev_mean_return": -5.0}, {"step": 20, "dev_mean_return": 50.0}]
    histories = {"a": {"agents": [{"curve": c, "dev_mean_return": 1.0} for c in (curve, late, late)]}}
    table = agent_scores.thresholds_table(histories, (0, 100)).set_index("threshold")
    assert table.loc[0, "reached"] == 1 and table.loc[0, "median_steps"] == 20
    assert table.loc[100, "reached"] == pytest.approx(1 / 3) and np.isnan(table.loc[100, "median_steps"])
    better = agent_scores.improvement_table(played(), 100).set_index(["variant", "other"])
    assert better.loc[("a", "b"), "probability"] == 0.5


def test_an_environment_without_pictures_gives_grey_frames(caplog: pytest.LogCaptureFixture) -> None:
    _, _, test, card = splits()
    models = {"random": RandomAgents(2, [1])}
    predictions = agent_scores.episode_returns(models, test, card, 4)
    samples = agent_scores.episode_samples(models, predictions, card, 6)
    assert samples["frames"].shape[1:] == (20, 30, 3)
    assert all(strip(samples, which).startswith(b"\x89PNG") for which in ("best", "worst"))
    blind = {**card, "environment": {**card["environment"], "arguments": {"colour": 1}}}
    grey = agent_scores.episode_samples(models, predictions, blind, 6)
    assert len(grey) == 2 and "No pictures" in caplog.text


def test_learned_agents_are_registered_before_yardsticks() -> None:
    study, (*_, card) = load_study("lunar_lander_bbf"), splits()
    scores = (0.1, 0.7, 0.3)
    models = {"heuristic": RandomAgents(2, [1]), "dqn": some_agents(inputs=2, actions=2)}
    histories = {
        "heuristic": {"dev": {"mean_return": 1e6}, "agents": [{"dev_mean_return": 1e6}]},
        "dqn": {"dev": {"mean_return": 0.3}, "agents": [{"dev_mean_return": score} for score in scores]},
    }
    yardstick = agents.choose_predictor(study, CARD, card, {"heuristic": models["heuristic"]}, histories)
    assert yardstick.card["variant"] == "heuristic"
    chosen = agents.choose_predictor(study, CARD, card, models, histories)
    assert chosen.card["variant"] == "dqn" and len(chosen.model) == 1
    np.testing.assert_array_equal(chosen.model.kept[0], models["dqn"].kept[1])


def predictor(model: Any = None) -> AgentPredictor:
    return AgentPredictor(
        model or some_agents().only(1), dict(CARD), environment=LANDER.as_dict(), size=len(NAMES), states=None
    )


def test_an_observation_is_answered_by_the_best_action() -> None:
    answer = predictor().predict(pd.DataFrame(np.eye(8)[:3], columns=NAMES))
    values = some_agents().values(1, np.eye(8)[:3])
    assert answer["action"].tolist() == values.argmax(1).tolist()
    row = answer.iloc[0]
    assert row["values"] == pytest.approx(dict(zip(LANDER.actions, values[0], strict=True)))
    assert row["action_name"] in predictor().describe(answer)
    assert predictor(RandomAgents(4, [1])).predict(predictor().example())["values"].tolist() == [{}, {}]


def test_a_seed_plays_its_episode_into_an_animation() -> None:
    answer = predictor().predict(predictor().parse("7"))
    scored = evaluate_policy(some_agents().policy(1), LANDER, [7], 1)
    assert answer["return"][0] == pytest.approx(scored.returns[0]) and answer["steps"][0] == scored.lengths[0]
    film = predictor().draw(answer)
    assert film is not None and film.startswith(b"GIF8")
    assert base64.b64encode(film).decode() == answer["animation"][0]
    assert predictor().draw(predictor().predict(predictor().example())) is None
    assert f"return {scored.returns[0]:.1f}" in predictor().describe(answer)


def test_numbers_and_seeds_are_parsed() -> None:
    assert list(predictor().parse("[0, 1.4, 0, -0.5, 0, 0, 0, 0]").columns) == list(NAMES)
    assert predictor().parse(" 12 ")["seed"].tolist() == [12]
    bare = AgentPredictor(
        some_agents(1, 2, 2), CARD, environment=EnvironmentSpec("A-v0", 1).as_dict(), size=2, states=None
    )
    assert bare.names == ["observation_0", "observation_1"] and bare.action_name(1) == "action 1"


@pytest.mark.parametrize(
    "text", ["land", "[1, 2]", "[1,2,3,4,5,6,7,true]", '{"x": 1}', "1.5", '["a",2,3,4,5,6,7,8]']
)
def test_input_that_is_neither_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="a JSON list of 8 numbers"):
        predictor().parse(text)


@pytest.mark.parametrize(
    ("frame", "message"),
    [
        (pd.DataFrame({name: [0.0] for name in NAMES if name != "spin"}), "columns spin are missing"),
        (pd.DataFrame({name: ["high" if name == "x" else 0.0] for name in NAMES}), "x in row 0 is 'high'"),
        (pd.DataFrame({"seed": [-1]}), "seed in row 0 is -1; expected a whole number"),
    ],
)
def test_bad_frames_are_refused(frame: pd.DataFrame, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        predictor().predict(frame)
