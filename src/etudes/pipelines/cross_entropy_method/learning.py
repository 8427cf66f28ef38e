"""The cross-entropy method: play, keep the elite, move towards what the elite did; and play again."""

from __future__ import annotations

import time
from abc import ABC, abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray

from etudes.pipelines.cross_entropy_method.parameters import TrainingParameters
from etudes.pipelines.cross_entropy_method.policies import (
    Digest,
    Network,
    NetworkPolicy,
    TablePolicy,
    drawn_actions,
)
from etudes.pipelines.cross_entropy_method.sessions import Sessions, world_of
from etudes.rl.environments import EnvironmentFacts, EnvironmentSpec
from etudes.rl.schedules import linear
from etudes.training.resumable import Resumable
from etudes.training.session import current_session, progress

Floats = NDArray[np.float64]
OWN_CHANCE = 7  # tells what is drawn of a round's elite from what its sessions drew


@dataclass(frozen=True)
class Way:
    """What a variant does besides the method's core.

    Args:
        memory: fits to the elites of several rounds instead of the last one's.
        floor: a share of the actions is any action alike.
        starts: several sessions begin in each first state, and the elite is chosen among these.
        careful: every elite session weighs alike, a state that no elite saw stays as it was, and a network is fitted by many
            updates; otherwise, as in the original notebook, every step weighs alike, such a state forgets, and there is one update.
        search: candidates are weights of a linear network, and play greedily.
    """

    memory: bool = False
    floor: bool = False
    starts: bool = False
    careful: bool = True
    search: bool = False


@dataclass(frozen=True)
class Job:
    """What decides the trainings of K agents; picklable. ``curve_seeds`` are the dev episodes behind each point of the curve."""

    spec: EnvironmentSpec
    facts: EnvironmentFacts
    seeds: tuple[int, ...]
    curve_seeds: tuple[int, ...]
    settings: TrainingParameters
    way: Way
    resume: bool

    def key(self) -> list[Any]:
        """All that decides the result, as JSON."""
        return [
            self.spec.as_dict(),
            [*self.facts.shape, self.facts.actions, self.facts.states],
            *(list(self.seeds), list(self.curve_seeds), self.settings.model_dump(mode="json")),
            vars(self.way),
        ]


def elites(returns: Floats, share: float, tries: int) -> NDArray[np.bool_]:
    """Which sessions (K, B) are the elite: those whose return is at least the quantile ``1 - share`` of their group.

    A group are the ``tries`` sessions from one first state, or with ``tries = 1`` all of an agent's. Ties at the threshold are all in, so
    that a policy that does as well everywhere is fitted to everything it does.

    Raises:
        ValueError: the sessions are no whole number of groups.
    """
    agents, sessions = returns.shape
    if sessions % tries:
        raise ValueError(f"{sessions} sessions of {tries} tries each: expected a multiple")
    groups = returns.reshape(agents, -1, tries if tries > 1 else sessions)
    thresholds = np.quantile(groups, 1 - share, axis=2, method="higher", keepdims=True)
    return (groups >= thresholds).reshape(agents, sessions)


class Rounds(Resumable, ABC):
    """Rounds of K agents: what all forms of the method share.

    Args:
        job: what decides the trainings.
    """

    keep: ClassVar[tuple[str, ...]] = (
        "round",
        "steps",
        "seconds",
        "best",
        "kept",
        "kept_round",
        "curve",
        "means",
    )
    rows = "means"
    rounds: int
    sessions: int  # of one agent in a round

    def __init__(self, job: Job) -> None:
        self.job, self.settings = job, job.settings
        self.world = world_of(job.spec, job.seeds, job.settings.horizon)
        agents = len(job.seeds)
        self.round, self.seconds = 0, 0.0
        self.steps, self.kept_round = np.zeros((2, agents), np.int64)
        self.best = np.full(agents, -np.inf)
        self.kept = self.weights.copy()
        self.curve: list[dict[str, Any]] = []
        self.means: list[dict[str, float]] = []  # of all agents, for the tracker

    @property
    @abstractmethod
    def weights(self) -> NDArray:
        """What agents act by (K, ...)."""

    @abstractmethod
    def advance(self, generators: Sequence[np.random.Generator]) -> tuple[Sessions, Floats]:
        """One round: its sessions, and the least return (K,) of each agent's elite."""

    @abstractmethod
    def act_greedily(self, observations: NDArray, uniforms: Floats) -> NDArray[np.int64]:
        """Actions (K, B) in observations (K, B, *shape)."""

    def run(self) -> None:
        """To the last round, unless a training that is resumed was there already."""
        session, every = current_session(), self.settings.evaluate_every
        for number in progress(range(self.round, self.rounds), session.label if session else "rounds"):
            start = time.perf_counter()
            sessions, thresholds = self.advance(
                [np.random.default_rng([seed, number, OWN_CHANCE]) for seed in self.job.seeds]
            )
            self.steps = self.steps + sessions.lengths.sum(1)
            self.seconds += time.perf_counter() - start
            self.round = number + 1
            if self.round % every == 0 or self.round == self.rounds:
                self.evaluate(sessions.returns.mean(1), thresholds)
                self.save()

    def evaluate(self, played: Floats, thresholds: Floats) -> None:
        """A point of the learning curve: greedy dev episodes of every agent; the best point's weights are kept, the last among
        equals."""
        returns = self.world.returns(self.act_greedily, self.job.curve_seeds).mean(1)
        better = returns >= self.best
        self.kept = np.where(better.reshape(-1, *[1] * (self.kept.ndim - 1)), self.weights, self.kept)
        self.best, self.kept_round = (
            np.where(better, new, old) for new, old in ((returns, self.best), (self.round, self.kept_round))
        )
        point = {"steps": self.steps, "returns": returns, "played": played, "thresholds": thresholds}
        self.curve.append({"round": self.round, **{name: values.tolist() for name, values in point.items()}})
        names = {"dev_mean_return": returns, "mean_return": played, "threshold": thresholds}
        self.means.append({"step": self.round, **{name: float(v.mean()) for name, v in names.items()}})
        self.log(self.means[-1])


class ByActions(Rounds):
    """Over sessions: a policy plays, and is fitted to the actions of the elite by cross-entropy.

    De Boer, Kroese, Mannor and Rubinstein, A tutorial on the cross-entropy method (Annals of Operations Research 134, 2005), algorithm
    3.3: with γ the quantile of the returns S, the next policy is ``argmax_π Σ I(S ≥ γ) log π(a | s)``, smoothed.
    """

    keep: ClassVar[tuple[str, ...]] = (*Rounds.keep, "policy", "memory")

    def __init__(self, job: Job) -> None:
        settings, way, facts = job.settings, job.way, job.facts
        agents, given = len(job.seeds), settings.network
        self.policy: TablePolicy | NetworkPolicy
        if facts.states:
            self.policy = TablePolicy(
                agents, facts.states, facts.actions, settings.smoothing, not way.careful
            )
        elif given is None:
            raise ValueError(
                f"training.environments.{job.spec.id}.network is missing, and observations are no numbers of states"
            )
        else:
            network = Network(int(np.prod(facts.shape)), given.hidden, facts.actions)
            batch, updates = (given.batch, given.updates) if way.careful else (given.pairs, 1)
            self.policy = NetworkPolicy(network, job.seeds, given.pairs, batch, updates, given.learning_rate)
        self.tries = settings.tries if way.starts else 1
        if settings.sessions % self.tries:
            raise ValueError(
                f"training.environments.{job.spec.id}: {settings.sessions} sessions of {self.tries} tries each; expected a "
                "multiple"
            )
        self.rounds, self.sessions = settings.rounds, settings.sessions
        self.memory: list[Digest] = []
        super().__init__(job)

    @property
    def weights(self) -> NDArray:
        return self.policy.weights

    def advance(self, generators: Sequence[np.random.Generator]) -> tuple[Sessions, Floats]:
        settings, way, policy = self.settings, self.job.way, self.policy
        floor = linear(self.round, settings.floor, 0.0, self.rounds) if way.floor else 0.0
        sessions = self.world.play(
            *(self.round, settings.sessions // self.tries, self.tries),
            lambda seen, uniforms: drawn_actions(policy.probabilities(seen), uniforms, floor),
        )
        elite = elites(sessions.returns, settings.elite_share, self.tries)
        shares = elite / sessions.lengths if way.careful else elite.astype(np.float64)
        self.memory = [*self.memory, policy.digest(sessions, shares, generators)]
        self.memory = self.memory[-(settings.memory if way.memory else 1) :]
        policy.fit(self.memory, generators)
        return sessions, np.where(elite, sessions.returns, np.inf).min(1)

    def act_greedily(self, observations: NDArray, uniforms: Floats) -> NDArray[np.int64]:
        return self.policy.probabilities(observations).argmax(-1)


class ByWeights(Rounds):
    """Over weights: candidates are drawn from a normal distribution, which moves to those whose greedy policies got most.

    Szita and Lőrincz, Learning Tetris using the noisy cross-entropy method (Neural Computation 18, 2006): ``θ_i ~ N(μ, σ² + Z_t)``, then μ
    and σ² are mean and variance of the elite's θ, and the noise Z falls to 0. All candidates of a round play the same first states.
    """

    keep: ClassVar[tuple[str, ...]] = (*Rounds.keep, "mean", "deviation")

    def __init__(self, job: Job) -> None:
        given, facts = job.settings.search, job.facts
        if given is None or facts.states:
            raise ValueError(
                f"nobody can search weights in {job.spec.id}: expected observations that are numbers, and "
                f"training.environments.{job.spec.id}.search"
            )
        self.given = given
        self.network = Network(int(np.prod(facts.shape)), 0, facts.actions)
        self.mean = np.zeros((len(job.seeds), self.network.size), np.float32)
        self.deviation = np.full(self.mean.shape, given.deviation)
        self.rounds, self.sessions = given.rounds, given.starts * given.candidates
        super().__init__(job)

    @property
    def weights(self) -> NDArray:
        return self.mean

    def advance(self, generators: Sequence[np.random.Generator]) -> tuple[Sessions, Floats]:
        given, size, agents = self.given, self.network.size, len(self.mean)
        noise = linear(self.round, given.extra, 0.0, self.rounds)
        drawn = np.stack([g.standard_normal((given.candidates, size)) for g in generators])
        spread = np.sqrt(self.deviation**2 + noise)
        candidates = (self.mean[:, None] + spread[:, None] * drawn).astype(np.float32)  # (K, N, P)
        flat, shape = candidates.reshape(-1, size), (agents, given.starts, given.candidates)

        def act(seen: NDArray, uniforms: Floats) -> NDArray[np.int64]:
            each = seen.reshape(*shape, -1).swapaxes(1, 2).reshape(len(flat), given.starts, -1)
            actions = self.network.play(flat, each).argmax(-1)
            return actions.reshape(agents, given.candidates, given.starts).swapaxes(1, 2).reshape(agents, -1)

        sessions = self.world.play(self.round, given.starts, given.candidates, act)
        scores = sessions.returns.reshape(shape).mean(1)  # (K, N)
        count = max(2, round(given.elite_share * given.candidates))
        best = np.argsort(-scores, axis=1, kind="stable")[:, :count]
        chosen = np.take_along_axis(candidates, best[..., None], 1)
        self.mean, self.deviation = chosen.mean(1), chosen.std(1).astype(np.float64)
        return sessions, np.take_along_axis(scores, best[:, -1:], 1)[:, 0]

    def act_greedily(self, observations: NDArray, uniforms: Floats) -> NDArray[np.int64]:
        return self.network.play(self.mean, observations).argmax(-1)


def train_together(job: Job) -> dict[str, Any]:
    """Train K agents; trainings that were killed go on from their last checkpoint if ``job.resume``.

    Returns:
        ``kept`` and ``last``, the weights (K, ...) of each agent's best point and of its last round; ``kept_round`` (K,); ``curve``, a
        mapping for each point with lists over agents; ``rounds``, ``sessions`` of a round, ``steps`` (K,) and ``seconds`` of playing
        and fitting, all agents together.
    """
    training = ByWeights(job) if job.way.search else ByActions(job)
    training.resume(job.resume, *job.key())
    training.run()
    return {
        "kept": training.kept,
        "last": training.weights,
        **{
            name: getattr(training, name)
            for name in ("kept_round", "curve", "rounds", "sessions", "steps", "seconds")
        },
    }
