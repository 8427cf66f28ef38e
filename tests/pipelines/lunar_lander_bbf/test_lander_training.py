"""A whole training: it learns, it resumes inside and after a seed, it stays within its budget."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from etudes.pipelines.lunar_lander_bbf import training
from etudes.pipelines.lunar_lander_bbf.parameters import AnnealingParameters, ResetParameters
from etudes.pipelines.lunar_lander_bbf.training import AgentJob, train_agent
from etudes.rl.environments import EnvironmentSpec, inspect_environment
from etudes.training.checkpoint import Checkpoint, CheckpointError
from etudes.training.session import training_session
from rl.toy_environments import toy

ANNEALING = AnnealingParameters(n_start=5, n_end=2, discount_start=0.9, discount_end=0.95, updates=30)
RESETS = ResetParameters(every=40, shrink=0.5)
Rows = list[tuple[int, dict[str, float]]]


def job(
    settings: Callable[..., Any], spec: EnvironmentSpec, *, resume: bool = False, **changes: Any
) -> AgentJob:
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
        seed=3,
        environment_seeds=(1, 2, 3),
        curve_seeds=(10, 11, 12),
        settings=settings("training", **{**values, **changes}),
        horizon=ANNEALING,
        discounting=ANNEALING,
        resets=RESETS,
        resume=resume,
    )


def train(job: AgentJob, folder: Path | None = None) -> tuple[dict[str, Any], Rows]:
    seen: Rows = []
    with training_session("agent", folder, lambda step, metrics: seen.append((step, metrics))):
        return train_agent(job), seen


def same(one: dict[str, Any], other: dict[str, Any]) -> bool:
    weights = all(np.array_equal(one[name], other[name]) for name in ("kept", "last"))
    return weights and one["curve"] == other["curve"] and one["kept_step"] == other["kept_step"]


def test_it_learns_to_walk_to_the_end_of_a_chain(settings: Callable[..., Any]) -> None:
    learned, _ = train(job(settings, toy("Chain"), learning_rate=0.01, replay_ratio=0.5, target_rate=0.05))
    assert learned["curve"][-1]["dev_mean_return"] == pytest.approx(0.85, abs=0.1)


def test_steps_updates_and_curve_are_as_asked(settings: Callable[..., Any]) -> None:
    result, seen = train(job(settings, toy("Chain")))
    assert [row["step"] for row in result["curve"]] == [200, 400, 600, 800]
    assert 170 <= result["curve"][-1]["updates"] <= 175  # (800 - 100) / 4
    assert [step for step, _ in seen] == [200, 400, 600, 800] and "dev_mean_return" in seen[0][1]
    best = max(result["curve"], key=lambda row: row["dev_mean_return"])
    assert result["kept_step"] == best["step"]
    assert train(job(settings, toy("Chain"), keep="last"))[0]["kept_step"] == 800


@pytest.mark.parametrize(
    "spec", [toy("Chain"), EnvironmentSpec("LunarLander-v3", 200)], ids=["chain", "lander"]
)
def test_a_training_that_was_killed_ends_with_the_same_numbers(
    settings: Callable[..., Any], tmp_path: Path, monkeypatch: pytest.MonkeyPatch, spec: EnvironmentSpec
) -> None:
    whole, rows = train(job(settings, spec))
    saved = Checkpoint.save

    def save_twice(self: Checkpoint, state: dict[str, Any]) -> None:
        saved(self, state)
        if len(state["curve"]) == 2:
            raise KeyboardInterrupt

    with monkeypatch.context() as killed, pytest.raises(KeyboardInterrupt):
        killed.setattr(Checkpoint, "save", save_twice)
        train(job(settings, spec), tmp_path)
    resumed, rows_again = train(job(settings, spec, resume=True), tmp_path)
    assert same(whole, resumed)
    assert rows == rows_again, "the tracker sees the whole curve"


def test_a_finished_agent_is_not_trained_again(
    settings: Callable[..., Any], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    first, rows = train(job(settings, toy("Chain")), tmp_path)
    monkeypatch.setattr(training, "_Training", None)
    again, rows_again = train(job(settings, toy("Chain"), resume=True), tmp_path)
    assert same(first, again) and rows == rows_again


def test_other_parameters_start_afresh_and_a_damaged_checkpoint_is_named(
    settings: Callable[..., Any], tmp_path: Path
) -> None:
    train(job(settings, toy("Chain")), tmp_path)
    other, _ = train(job(settings, toy("Chain"), resume=True, learning_rate=0.003), tmp_path)
    fresh, _ = train(job(settings, toy("Chain"), learning_rate=0.003))
    assert same(other, fresh)
    (tmp_path / "checkpoint.pt").write_bytes(b"not a checkpoint")
    with pytest.raises(CheckpointError, match="cannot be read"):
        train(job(settings, toy("Chain"), resume=True), tmp_path)
