"""The method by brute force, on processes small enough to know what must come out, and after a kill."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from etudes.pipelines.cross_entropy_method import learning
from etudes.pipelines.cross_entropy_method.learning import (
    ByActions,
    ByWeights,
    Job,
    Rounds,
    Way,
    elites,
    train_together,
)
from etudes.pipelines.cross_entropy_method.parameters import Parameters, TrainingParameters
from etudes.pipelines.cross_entropy_method.sessions import ArrayWorld
from etudes.rl.environments import EnvironmentFacts, EnvironmentSpec, inspect_environment
from etudes.rl.simulators import FiniteProcess
from etudes.training.session import training_session
from study_settings import settings_of

settings = settings_of("cross_entropy_method", Parameters)
CART = EnvironmentSpec("CartPole-v1", 475)


def job(way: Way, seeds: tuple[int, ...] = (1, 2), resume: bool = False, **changes: Any) -> Job:
    values = settings("training", environments={CART.id: changes}).environments[CART.id]
    facts = inspect_environment(CART)
    return Job(CART, facts, seeds, (0, 1, 2), values, way, resume)


@pytest.mark.parametrize("tries", [1, 4])
def test_elites_by_brute_force(tries: int) -> None:
    returns = np.random.default_rng(0).integers(0, 6, (3, 12)).astype(float)
    found = elites(returns, 0.25, tries)
    for agent, row in enumerate(returns):
        size = tries if tries > 1 else 12
        for begin in range(0, 12, size):
            group = row[begin : begin + size]
            # At least that share, ties included: as many are better than the threshold as there is room for.
            threshold = sorted(group)[int(np.ceil(0.75 * (size - 1)))]
            np.testing.assert_array_equal(found[agent, begin : begin + size], group >= threshold)
    assert found.sum(1).min() >= 3


def test_elites_of_a_broken_group_are_refused() -> None:
    with pytest.raises(ValueError, match="10 sessions of 4 tries each: expected a multiple"):
        elites(np.zeros((1, 10)), 0.5, 4)
    with pytest.raises(ValueError, match="8 sessions of 3 tries each"):
        ByActions(job(Way(starts=True), tries=3))


def lucky_and_poor() -> FiniteProcess:
    """Two first states: from the lucky one every action gains 10, from the poor one action 1 gains 1 and action 0 nothing."""
    rewards = np.array([[10.0, 10.0], [0.0, 1.0]])[..., None]
    shape = rewards.shape
    return FiniteProcess(
        np.ones(shape),
        np.zeros(shape, np.int64),
        rewards,
        np.ones(shape, bool),
        np.array([0.5, 0.5]),
        5,
        CART,
    )


def taught(way: Way, monkeypatch: pytest.MonkeyPatch, rounds: int = 20) -> ByActions:
    process = lucky_and_poor()
    monkeypatch.setattr(
        learning, "world_of", lambda spec, seeds, horizon: ArrayWorld(process, seeds, horizon)
    )
    monkeypatch.setattr(ArrayWorld, "returns", lambda world, act, seeds: np.zeros((len(world.seeds), 1)))
    facts = EnvironmentFacts((), "int64", 2, 5, states=2)
    values = settings(
        "training",
        environments={
            CART.id: {
                "rounds": rounds,
                "sessions": 32,
                "tries": 8,
                "horizon": 1,
                "smoothing": 0.5,
                "elite_share": 0.1,
            }
        },
    ).environments[CART.id]
    found = ByActions(Job(CART, facts, (1, 2, 3), (), values, way, False))
    found.resume(False)
    found.run()
    return found


def test_elites_of_every_start_learn_what_elites_of_all_never_see(monkeypatch: pytest.MonkeyPatch) -> None:
    """The best sessions of all are those of the lucky start: about the poor one nothing is learned."""
    plain, shared = (taught(Way(starts=starts), monkeypatch).weights for starts in (False, True))
    np.testing.assert_allclose(plain[:, 1], 0.5)
    assert (shared[:, 1, 1] > 0.95).all()


def test_a_buffer_holds_the_last_rounds_and_a_floor_falls_to_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    buffered = taught(Way(memory=True), monkeypatch)
    assert len(buffered.memory) == buffered.settings.memory > 1
    assert len(taught(Way(), monkeypatch).memory) == 1
    floors: list[float] = []
    drawn = learning.drawn_actions
    monkeypatch.setattr(
        learning, "drawn_actions", lambda p, u, floor: (floors.append(floor), drawn(p, u, floor))[1]
    )
    taught(Way(floor=True), monkeypatch, rounds=4)
    np.testing.assert_allclose(floors, buffered.settings.floor * np.array([1, 0.75, 0.5, 0.25]))


def test_a_round_of_weights_by_hand() -> None:
    """One agent's candidates, played one by one; mean and deviation of the best."""
    work = job(Way(search=True), seeds=(4,), horizon=50)
    given = work.settings.search
    assert given is not None
    search = ByWeights(work)
    generator = lambda: [np.random.default_rng(9)]  # noqa: E731
    sessions, thresholds = search.advance(generator())
    drawn = generator()[0].standard_normal((given.candidates, search.network.size))
    candidates = (np.sqrt(given.deviation**2 + given.extra) * drawn).astype(np.float32)
    world = ArrayWorld(search.world.simulator, [4], 50)  # type: ignore[attr-defined]
    scores = []
    for weights in candidates:
        act = lambda seen, u, w=weights: search.network.play(w[None], seen).argmax(-1)  # noqa: E731
        scores.append(world.play(0, given.starts, 1, act).returns.mean())
    np.testing.assert_allclose(sessions.returns.reshape(given.starts, -1).mean(0), scores)
    best = np.argsort(-np.array(scores), kind="stable")[: max(2, round(given.elite_share * given.candidates))]
    np.testing.assert_allclose(search.mean[0], candidates[best].mean(0), rtol=1e-5)
    np.testing.assert_allclose(search.deviation[0], candidates[best].std(0), rtol=1e-5)
    assert thresholds[0] == pytest.approx(scores[best[-1]])


@pytest.mark.parametrize("way", [Way(memory=True, floor=True, starts=True), Way(search=True)])
def test_the_pole_is_learned(way: Way) -> None:
    network = {"hidden": 16, "pairs": 1024, "batch": 128, "updates": 40, "learning_rate": 0.02}
    search = {"rounds": 8, "starts": 2, "candidates": 24}
    changes = {"rounds": 12, "sessions": 32, "tries": 8, "horizon": 500, "evaluate_every": 4}
    found = train_together(job(way, network=network, search=search, **changes))
    first, last = (np.mean(found["curve"][place]["played"]) for place in (0, -1))
    assert last > 80 and last > first, "at random the pole stands for some 20 steps"
    best = np.max([point["returns"] for point in found["curve"]], axis=0)
    assert best.min() > 80 and (found["kept_round"] > 0).all()


class Killed(Exception):
    pass


@pytest.mark.parametrize("way", [Way(memory=True, starts=True), Way(search=True)])
def test_a_killed_training_ends_with_the_same_numbers(
    way: Way, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    changes = {"rounds": 4, "evaluate_every": 2, "search": {"rounds": 4}}
    whole = train_together(job(way, **changes))
    evaluate, calls = Rounds.evaluate, []

    def dies(self: Rounds, *given: Any) -> None:
        calls.append(self.round)
        if len(calls) == 2:
            raise Killed
        evaluate(self, *given)

    with training_session("cem", tmp_path, lambda step, row: None):
        monkeypatch.setattr(Rounds, "evaluate", dies)
        with pytest.raises(Killed):
            train_together(job(way, **changes))
        monkeypatch.setattr(Rounds, "evaluate", evaluate)
        resumed = train_together(job(way, resume=True, **changes))
    for name in ("kept", "last", "steps", "kept_round"):
        np.testing.assert_array_equal(whole[name], resumed[name])
    assert whole["curve"] == resumed["curve"]


def test_what_does_not_fit_is_said() -> None:
    with pytest.raises(ValueError, match=r"CartPole-v1.network is missing"):
        ByActions(job(Way(), network=None))
    with pytest.raises(ValueError, match="nobody can search weights in CartPole-v1"):
        ByWeights(job(Way(search=True), search=None))
    with pytest.raises(ValueError, match="less than or equal to 1"):
        TrainingParameters.model_validate(
            {**settings("training").environments[CART.id].model_dump(), "floor": 2}
        )
