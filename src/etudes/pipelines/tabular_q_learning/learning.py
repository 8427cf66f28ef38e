"""Q-learning, SARSA, expected SARSA and double Q-learning, of many agents in step."""

from __future__ import annotations

import time
from collections.abc import Sequence
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from etudes.pipelines.tabular_q_learning.parameters import ArmParameters, TrainingParameters
from etudes.pipelines.tabular_q_learning.tables import Stack
from etudes.rl.simulators import Simulator
from etudes.training.resumable import Resumable
from etudes.training.session import current_session, progress

Floats = NDArray[np.float64]
Method = Literal["q_learning", "sarsa", "expected_sarsa", "double_q"]
BLOCK = 1000  # steps whose uniform numbers are drawn at once
# Uniform numbers of a step besides those of the environment: whether to explore and which action then, both once more where a
# new episode begins, and which of two tables learns.
EXPLORE, ACTION, EXPLORE_FIRST, ACTION_FIRST, COIN, OWN = range(6)
SPECK = 1e-6  # values begin so far apart at most, so that no tie is left to the order of the actions


class Learning(Resumable):
    """K agents that each play one environment of their own and learn from every step.

    With δ the error of the action taken, ``Q(s, a) ← Q(s, a) + α δ`` and ``δ = r + γ V(s') - Q(s, a)`` (Sutton and Barto,
    Reinforcement Learning, 2018, equations 6.7 to 6.10). What follows is worth, by method,

    - ``q_learning``: ``V(s') = max Q(s', ·)``, the best action, whatever is done next;
    - ``sarsa``: ``V(s') = Q(s', a')`` of the action that is taken next;
    - ``expected_sarsa``: ``V(s') = (1 - ε) max Q(s', ·) + ε mean Q(s', ·)``, its expectation;
    - ``double_q``: ``V(s') = Q_B(s', argmax Q_A(s', ·))`` where a coin chose table A to learn, and the other way round; the
      agent acts by the sum of both (van Hasselt, NeurIPS 2010).

    ``V(s') = 0`` after a true end alone: an episode that the time limit cuts off goes on in the values.

    Args:
        method: one of the four.
        simulator: the environment.
        stack: of the agents' tables.
        arms: (K,) what each agent explores and learns with.
        seeds: (K,) where an agent's chance comes from; equal seeds meet equal chance.
        curve_states: (N, ...) first states of the episodes behind a point of the learning curve.
        settings: steps, discount, how often the curve is drawn.
    """

    keep = (
        *("values", "kept", "states", "places", "actions", "ages", "epsilons", "rates", "episodes"),
        *("steps", "seconds", "best", "kept_step", "curve", "means"),
    )
    rows = "means"

    def __init__(
        self,
        method: Method,
        simulator: Simulator,
        stack: Stack,
        actions: int,
        arms: Sequence[ArmParameters],
        seeds: Sequence[int],
        curve_states: NDArray,
        settings: TrainingParameters,
    ) -> None:
        self.method, self.simulator, self.stack, self.settings = method, simulator, stack, settings
        self.seeds, self.curve_states, self.count = list(seeds), curve_states, actions
        self.who = np.arange(len(stack))
        self.decays, self.floors, self.rates, rate_ends = (
            np.array([getattr(arm, name) for arm in arms])
            for name in ("epsilon_decay", "epsilon_end", "learning_rate", "learning_rate_end")
        )
        self.shrink = (rate_ends / self.rates) ** (1 / settings.steps)
        tables = 2 if method == "double_q" else 1
        lengths = np.diff([*stack.begins, stack.rows])
        specks = [
            np.random.default_rng([seed, 2**32 - 1]).random((tables, n, actions))
            for seed, n in zip(seeds, lengths, strict=True)
        ]
        starts = np.repeat([arm.initial for arm in arms], lengths)
        self.values = starts[:, None] + SPECK * np.concatenate(specks, axis=1)  # (tables, rows, actions)
        self.steps, self.seconds, self.block = 0, 0.0, -1
        self.epsilons = np.array([arm.epsilon for arm in arms])
        self.episodes, self.ages = np.zeros((2, len(stack)), np.int64)
        self.best, self.kept_step = np.full(len(stack), -np.inf), np.zeros(len(stack), np.int64)
        self.kept = self.policy_values.copy()
        self.curve: list[dict[str, Any]] = []
        self.means: list[dict[str, float]] = []  # of all agents, for the tracker
        self._draw(0)
        self.states = simulator.draw(self.uniforms[OWN + simulator.chances :, 0])
        self.places = stack.rows_of(simulator.observe(self.states), self.who)
        self.actions = self._behave(self.places, EXPLORE_FIRST, 0)

    @property
    def policy_values(self) -> Floats:
        """What agents act by (rows, actions)."""
        return self.values[0] if len(self.values) == 1 else self.values.sum(0)

    def run(self) -> None:
        """To the last step, unless a training that is resumed was there already."""
        settings, session = self.settings, current_session()
        points = range(len(self.curve), -(-settings.steps // settings.evaluate_every))
        for point in progress(points, session.label if session else self.method):
            until, start = min((point + 1) * settings.evaluate_every, settings.steps), time.perf_counter()
            while self.steps < until:
                self.advance()
            self.seconds += time.perf_counter() - start
            self.evaluate()
            if (point + 1) % settings.checkpoint_points == 0 or until == settings.steps:
                self.save()

    def advance(self) -> None:
        """One step of every agent, and the update that belongs to it."""
        t, simulator, method = self._draw(self.steps), self.simulator, self.method
        uniforms, rows = self.uniforms, self.places
        if method != "sarsa":
            self.actions = self._behave(rows, EXPLORE, t)
        actions = self.actions
        states, rewards, terminated = simulator.step(
            self.states, actions, uniforms[OWN : OWN + simulator.chances, t]
        )
        self.ages += 1
        over = terminated | (self.ages >= simulator.limit)
        following = self.stack.rows_of(simulator.observe(states), self.who)
        chosen = self._behave(following, EXPLORE, t) if method == "sarsa" else actions
        self._learn(rows, actions, rewards, terminated, following, chosen, uniforms[COIN, t])
        self.states, self.places, self.actions = states, following, chosen
        if over.any():
            self._begin_anew(np.flatnonzero(over), t)
        self.steps += 1
        self.rates = self.rates * self.shrink

    def _learn(
        self,
        rows: NDArray,
        actions: NDArray,
        rewards: Floats,
        terminated: NDArray,
        following: NDArray,
        chosen: NDArray,
        coins: Floats,
    ) -> None:
        flat, size = self.values.reshape(-1), self.values[0].size
        learns: NDArray | int = 0  # where the table that learns begins
        if self.method == "double_q":
            learns = np.where(coins < 0.5, 0, size)
            best = self.values.reshape(-1, self.count)[following + learns // self.count].argmax(1)
            worth = flat[(size - learns) + following * self.count + best]
        elif self.method == "sarsa":
            worth = flat[following * self.count + chosen]
        else:
            found = self.values[0, following]
            worth = found.max(1)
            if self.method == "expected_sarsa":
                worth = worth + self.epsilons * (found.mean(1) - worth)
        place = learns + rows * self.count + actions
        before = flat[place]
        flat[place] = before + self.rates * (rewards + self.settings.discount * worth * ~terminated - before)

    def _begin_anew(self, over: NDArray, t: int) -> None:
        """New episodes for the agents ``over``."""
        first = OWN + self.simulator.chances
        self.episodes[over] += 1
        self.epsilons[over] = np.maximum(self.epsilons[over] * self.decays[over], self.floors[over])
        self.ages[over] = 0
        self.states[over] = self.simulator.draw(self.uniforms[first:, t, over])
        self.places[over] = self.stack.rows_of(self.simulator.observe(self.states[over]), over)
        if self.method == "sarsa":
            self.actions[over] = self._behave(self.places[over], EXPLORE_FIRST, t, over)

    def _behave(self, rows: NDArray, explore: int, t: int, who: NDArray | None = None) -> NDArray[np.int64]:
        """Actions of agents ``who``, ε-greedy."""
        take = slice(None) if who is None else who
        values = self.values[0, rows] if len(self.values) == 1 else self.values[:, rows].sum(0)
        uniforms = self.uniforms[explore : explore + 2, t][:, take]
        return np.where(
            uniforms[0] < self.epsilons[take], (uniforms[1] * self.count).astype(np.int64), values.argmax(1)
        )

    def _draw(self, step: int) -> int:
        """The place of a step in its block of uniform numbers, which is drawn if it is another one."""
        block, place = divmod(step, BLOCK)
        if block != self.block:
            count = OWN + self.simulator.chances + self.simulator.starts
            drawn = [np.random.default_rng([seed, block]).random((count, BLOCK)) for seed in self.seeds]
            self.uniforms, self.block = np.ascontiguousarray(np.stack(drawn, axis=-1)), block
        return place

    def evaluate(self) -> None:
        """A point of the learning curve: greedy dev episodes of every agent; the best point's values are kept, the last
        of equals: with fewer states that nobody has seen yet."""
        values = self.policy_values
        returns = greedy_returns(self.simulator, self.stack, values, self.curve_states).mean(1)
        better = returns >= self.best
        self.best[better], self.kept_step[better] = returns[better], self.steps
        lengths = np.diff([*self.stack.begins, self.stack.rows])
        self.kept = np.where(np.repeat(better, lengths)[:, None], values, self.kept)
        self.curve.append(
            {"step": self.steps, "returns": returns.tolist(), "episodes": self.episodes.tolist()}
        )
        self.means.append({"step": self.steps, "dev_mean_return": float(returns.mean())})
        self.log(self.means[-1])

    def curve_of(self, agent: int) -> list[dict[str, float]]:
        """One agent's points of the curve."""
        return [
            {
                "step": point["step"],
                "episodes": point["episodes"][agent],
                "dev_mean_return": point["returns"][agent],
            }
            for point in self.curve
        ]


def greedy_returns(simulator: Simulator, stack: Stack, values: Floats, first: NDArray) -> Floats:
    """Undiscounted returns (K, N) of the greedy policies of K agents, from N first states (N, ...).

    Where chance decides what follows, all agents meet the same.
    """
    agents, count = len(stack), len(first)
    best = values.argmax(1)
    playing = np.arange(agents * count)
    states = first[playing % count]
    returns, chance = np.zeros(agents * count), np.random.default_rng(0)
    for _ in range(simulator.limit):
        uniforms = chance.random((simulator.chances, count))[:, playing % count]
        actions = best[stack.rows_of(simulator.observe(states), playing // count)]
        states, rewards, terminated = simulator.step(states, actions, uniforms)
        returns[playing] += rewards
        if terminated.any():
            states, playing = states[~terminated], playing[~terminated]
            if not len(playing):
                break
    return returns.reshape(agents, count)
