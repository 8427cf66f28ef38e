"""A whole training: it learns, it stays within its budget, its variants differ by what they add."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from etudes.benches.agents import ingest, split
from etudes.pipelines.lunar_lander_bbf.model import train_agents, train_heuristic
from etudes.pipelines.lunar_lander_bbf.parameters import AnnealingParameters, Parameters, ResetParameters
from etudes.pipelines.lunar_lander_bbf.training import AgentJob, train_agents_together
from etudes.rl.controllers import LEFT, MAIN, NOTHING, RIGHT, lander_rule
from etudes.rl.environments import EnvironmentSpec, inspect_environment
from etudes.rl.evaluation import evaluate_policy
from etudes.samples.environments import raw_file
from etudes.training.session import training_session
from rl.toy_environments import toy
from study_settings import run_parameters, settings_of

settings = settings_of("lunar_lander_bbf", Parameters)
ANNEALING = AnnealingParameters(n_start=5, n_end=2, discount_start=0.9, discount_end=0.95, updates=30)
RESETS = ResetParameters(every=40, shrink=0.5)
Rows = list[tuple[int, dict[str, float]]]


def job(spec: EnvironmentSpec, **changes: Any) -> AgentJob:
    values = {
        "steps": 800,
        "warmup_steps": 100,
        "replay_ratio": 0.25,
        "evaluate_every": 200,
        "checkpoint_points": 1,
    }
    return AgentJob(
        spec,
        inspect_environment(spec),
        seeds=(3, 4),
        environment_seeds=((1, 2, 3), (4, 5, 6)),
        curve_seeds=(10, 11, 12),
        settings=settings("training", **{**values, **changes}),
        horizon=ANNEALING,
        discounting=ANNEALING,
        resets=RESETS,
        resume=False,
    )


def train(job: AgentJob) -> tuple[list[dict[str, Any]], Rows]:
    seen: Rows = []
    with training_session("agent", None, lambda step, metrics: seen.append((step, metrics))):
        return train_agents_together(job), seen


def test_it_learns_to_walk_to_the_end_of_a_chain() -> None:
    learned, _ = train(job(toy("Chain"), learning_rate=0.01, replay_ratio=0.5, target_rate=0.05))
    for agent in learned:
        assert agent["curve"][-1]["dev_mean_return"] == pytest.approx(0.85, abs=0.1)


def test_steps_updates_and_curve_are_as_asked() -> None:
    results, seen = train(job(toy("Chain")))
    for result in results:
        assert [row["step"] for row in result["curve"]] == [200, 400, 600, 800]
        assert 170 <= result["curve"][-1]["updates"] <= 175  # (800 - 100) / 4
        best = max(result["curve"], key=lambda row: row["dev_mean_return"])
        assert result["kept_step"] == best["step"]
    assert [step for step, _ in seen] == [200, 400, 600, 800]
    means = [result["curve"][-1]["dev_mean_return"] for result in results]
    assert seen[-1][1]["dev_mean_return"] == pytest.approx(np.mean(means))
    assert train(job(toy("Chain"), keep="last"))[0][0]["kept_step"] == 800


def made(agents: int = 2) -> tuple[Any, ...]:
    """The splits of some agents in a small environment."""
    environment = toy("Chain", solved=0.8).as_dict()
    card = ingest(raw_file("environment", embedded_sample=True, **environment))
    return split(card, settings("split"), settings("runs", agents=agents), run_parameters())


def test_agents_of_a_variant_differ_and_come_from_their_seeds() -> None:
    train, dev, _, card = made()
    rest = (run_parameters(), ANNEALING, ANNEALING, RESETS)
    model, history = train_agents(train, dev, card, settings("training"), settings("runs"), *rest)
    again, _ = train_agents(*made(1)[:2], card, settings("training"), settings("runs", agents=1), *rest)
    assert len(model) == 2 and not np.array_equal(model.kept[0], model.kept[1])
    np.testing.assert_array_equal(model.kept[0], again.kept[0])
    assert [agent["seed"] for agent in history["agents"]] == train["agent_seed"].unique().tolist()
    assert len(history["epochs"]) == len(history["agents"][0]["curve"])


def test_variants_differ_by_their_arm_alone() -> None:
    """With arms that change nothing, every variant is plain double DQN, to the last weight."""
    train, dev, _, card = made()
    training = settings("training")
    same = {"n_start": training.n_step, "n_end": training.n_step}
    same |= {"discount_start": training.discount, "discount_end": training.discount}
    idle, never = settings("annealing", **same), settings("resets", every=10**6)

    def weights(**arms: Any) -> NDArray:
        given = (train, dev, card, training, settings("runs"), run_parameters())
        return train_agents(*given, **arms)[0].kept

    plain = weights()
    for arms in ({"horizon": idle}, {"discounting": idle}, {"resets": never}):
        np.testing.assert_allclose(weights(**arms), plain, atol=1e-6)


def test_the_heuristic_lands_and_refuses_what_it_cannot_fly() -> None:
    lander = EnvironmentSpec("LunarLander-v3", 200)
    assert np.median(evaluate_policy(lander_rule, lander, range(20), 20).returns) > 200
    _, dev, _, card = made()
    with pytest.raises(ValueError, match="leave it out of the parameter variants"):
        train_heuristic(dev, card)


def test_the_heuristic_fires_against_what_is_wrong() -> None:
    falling, tilted, drifting, resting = np.zeros((4, 8))
    falling[[1, 3]], tilted[4], drifting[0], resting[[6, 7]] = (0.5, -1.5), 0.5, -0.8, 1
    fired = lander_rule(np.stack([falling, tilted, -tilted, resting]))
    assert fired.tolist() == [MAIN, RIGHT, LEFT, NOTHING]
    assert lander_rule(drifting[None])[0] in (MAIN, RIGHT)
