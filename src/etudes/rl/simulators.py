"""Environments as array operations: thousands of them step at once.

A `Simulator` holds no state. States are arrays with a row for each environment, uniform numbers come from the caller, so that a
training decides by itself where its chance comes from. Three kinds of Gymnasium's environments have one: those whose dynamics
are a table (`FiniteProcess`), the cart with a pole, and the two links that swing up; tests hold them to Gymnasium's own ``step``. A fourth,
`etudes.rl.bricks`, is a game of ours.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache, lru_cache
from typing import Any, Protocol, Self

import numpy as np
from numpy.typing import NDArray

from etudes.rl.bricks import Bricks
from etudes.rl.environments import EnvironmentSpec

Floats = NDArray[np.float64]


class Simulator(Protocol):
    """What B environments do.

    ``spec`` is which environment that is, ``limit`` the number of steps after which an episode is cut off; ``starts`` and ``chances`` are how many uniform numbers
    the start of an episode and a step take for each environment.
    """

    @property
    def spec(self) -> EnvironmentSpec: ...
    @property
    def limit(self) -> int: ...
    @property
    def starts(self) -> int: ...
    @property
    def chances(self) -> int: ...

    def begun(self, environment: Any) -> NDArray:
        """The state in which one of Gymnasium's environments is."""

    def draw(self, uniforms: Floats) -> NDArray:
        """First states (B, ...) from uniform numbers (starts, B)."""

    def observe(self, states: NDArray) -> NDArray:
        """What is seen of the states: observations (B, ...)."""

    def step(
        self, states: NDArray, actions: NDArray, uniforms: Floats
    ) -> tuple[NDArray, Floats, NDArray[np.bool_]]:
        """Next states, rewards (B,) and whether each episode ended by itself (B,); ``uniforms`` are (chances, B)."""


@dataclass(frozen=True)
class FiniteProcess:
    """A Markov decision process with S states and A actions, each with at most K outcomes.

    Args:
        probabilities, following, rewards, terminated: (S, A, K), of each outcome; the probabilities of those that a pair has
            not are 0.
        first: (S,) how likely an episode begins in each state.
        limit: steps after which it is cut off.
        spec: the environment whose table it is.
    """

    probabilities: Floats
    following: NDArray[np.int64]
    rewards: Floats
    terminated: NDArray[np.bool_]
    first: Floats
    limit: int
    spec: EnvironmentSpec

    @property
    def starts(self) -> int:
        return 1

    @property
    def states(self) -> int:
        return self.following.shape[0]

    @property
    def actions(self) -> int:
        return self.following.shape[1]

    @property
    def chances(self) -> int:
        return int(self.following.shape[2] > 1)

    @classmethod
    def read(cls, table: dict[int, Any], first: NDArray, limit: int, spec: EnvironmentSpec) -> Self:
        """From Gymnasium's ``P[state][action] = [(probability, state, reward, terminated), ...]``."""
        outcomes = max(len(found) for actions in table.values() for found in actions.values())
        parts = np.zeros((4, len(table), len(table[0]), outcomes))
        for state, actions in table.items():
            for action, found in actions.items():
                parts[:, state, action, : len(found)] = np.array(found, np.float64).T
        probabilities, following, rewards, terminated = parts
        first = np.asarray(first, np.float64)
        return cls(probabilities, following.astype(np.int64), rewards, terminated > 0, first, limit, spec)

    def begun(self, environment: Any) -> NDArray[np.int64]:
        return np.array(environment.s, np.int64)

    def draw(self, uniforms: Floats) -> NDArray[np.int64]:
        ends = np.cumsum(self.first)
        return np.searchsorted(ends, uniforms[0] * ends[-1], side="right")

    def observe(self, states: NDArray) -> NDArray:
        return states

    def step(
        self, states: NDArray, actions: NDArray, uniforms: Floats
    ) -> tuple[NDArray, Floats, NDArray[np.bool_]]:
        outcomes = self.following.shape[2]
        place = (states * self.actions + actions) * outcomes
        if outcomes > 1:
            ends = self.probabilities.reshape(-1, outcomes)[place // outcomes].cumsum(1)
            place = place + (uniforms[0][:, None] * ends[:, -1:] >= ends).sum(1)
        return (
            self.following.reshape(-1)[place],
            self.rewards.reshape(-1)[place],
            self.terminated.reshape(-1)[place],
        )


@dataclass(frozen=True)
class _Mechanism:
    """A body whose states are four numbers, each drawn at the start, and whose course chance has no part in."""

    spec: EnvironmentSpec
    limit: int

    @property
    def starts(self) -> int:
        return 4

    @property
    def chances(self) -> int:
        return 0

    def begun(self, environment: Any) -> Floats:
        return np.array(environment.state, np.float64)


GRAVITY, CART, POLE, HALF_LENGTH, FORCE, SECONDS = 9.8, 1.0, 0.1, 0.5, 10.0, 0.02
FARTHEST, STEEPEST, NEAR_REST = 2.4, 12 * 2 * np.pi / 360, 0.05  # metres, radians, half the width of a start


@dataclass(frozen=True)
class CartPole(_Mechanism):
    """A pole on a cart: states (B, 4) float64 are position (m), speed (m/s), angle (rad) and spin (rad/s).

    Barto, Sutton and Anderson (IEEE Transactions on Systems, Man and Cybernetics 13, 1983) without friction, in Euler's steps of
    0.02 s, as Gymnasium has it (``CartPole-v1``): push left (0) or right (1) with 10 N; each step is a point; an episode ends
    where the cart is more than 2.4 m off or the pole leans by more than 12 degrees.
    """

    def draw(self, uniforms: Floats) -> Floats:
        return (2 * uniforms.T - 1) * NEAR_REST

    def observe(self, states: NDArray) -> NDArray[np.float32]:
        return states.astype(np.float32)

    def step(
        self, states: NDArray, actions: NDArray, uniforms: Floats
    ) -> tuple[NDArray, Floats, NDArray[np.bool_]]:
        _, speed, angle, spin = states.T
        cosine, sine, total = np.cos(angle), np.sin(angle), CART + POLE
        push = (FORCE * (2 * actions - 1) + POLE * HALF_LENGTH * spin * spin * sine) / total
        turned = (GRAVITY * sine - cosine * push) / (
            HALF_LENGTH * (4.0 / 3.0 - POLE * cosine * cosine / total)
        )
        pushed = push - POLE * HALF_LENGTH * turned * cosine / total
        following = states + SECONDS * np.stack([speed, pushed, spin, turned], axis=1)
        over = (np.abs(following[:, 0]) > FARTHEST) | (np.abs(following[:, 2]) > STEEPEST)
        return following, np.ones(len(states)), over


LINK, CENTRE, INERTIA, HEAVY, TURN = 1.0, 0.5, 1.0, 9.8, 0.2  # m, m, kg m², m/s², s; a link weighs 1 kg
SPINS = np.array([4 * np.pi, 9 * np.pi])  # fastest spins of both links, rad/s


@dataclass(frozen=True)
class Acrobot(_Mechanism):
    """Two links that hang from one another, with a motor in the joint between them: states (B, 4) are the angle of the first link
    from where it hangs, that of the second from the first (rad), and their spins (rad/s).

    Sutton and Barto, Reinforcement Learning, 1998, section 11.3, in Runge and Kutta's steps of 0.2 s, as Gymnasium has it
    (``Acrobot-v1``): a torque of -1, 0 or 1 Nm; each step costs a point but the one that lifts the tip to more than a link above
    the hinge, where an episode ends.
    """

    def draw(self, uniforms: Floats) -> Floats:
        return ((2 * uniforms.T - 1) * 0.1).astype(np.float32).astype(np.float64)

    def observe(self, states: NDArray) -> NDArray[np.float32]:
        first, second = states[:, 0], states[:, 1]
        seen = [np.cos(first), np.sin(first), np.cos(second), np.sin(second), states[:, 2], states[:, 3]]
        return np.stack(seen, axis=1).astype(np.float32)

    def step(
        self, states: NDArray, actions: NDArray, uniforms: Floats
    ) -> tuple[NDArray, Floats, NDArray[np.bool_]]:
        torque, start = actions - 1.0, states.T
        slopes = [self._slope(start, torque)]
        for share in (TURN / 2, TURN / 2, TURN):
            slopes.append(self._slope(start + share * slopes[-1], torque))
        moved = start + TURN / 6 * (slopes[0] + 2 * slopes[1] + 2 * slopes[2] + slopes[3])
        turns = np.ceil(
            (np.abs(moved[:2]) - np.pi) / (2 * np.pi)
        )  # whole turns that are more than half of one off
        moved[:2] -= 2 * np.pi * np.sign(moved[:2]) * turns
        moved[2:] = np.clip(moved[2:], -SPINS[:, None], SPINS[:, None])
        over = -np.cos(moved[0]) - np.cos(moved[0] + moved[1]) > LINK
        return moved.T, np.where(over, 0.0, -1.0), over

    @staticmethod
    def _slope(states: Floats, torque: Floats) -> Floats:
        """Time derivatives (4, B) of states (4, B)."""
        first, second, spin, other = states
        cosine, sine = np.cos(second), np.sin(second)
        both = CENTRE**2 + LINK**2 + CENTRE**2 + 2 * LINK * CENTRE * cosine + 2 * INERTIA
        own = CENTRE**2 + LINK * CENTRE * cosine + INERTIA
        pulled = CENTRE * HEAVY * np.sin(first + second)
        swung = (
            -LINK * CENTRE * other * (other + 2 * spin) * sine
            + (CENTRE + LINK) * HEAVY * np.sin(first)
            + pulled
        )
        faster = torque + own / both * swung - LINK * CENTRE * spin * spin * sine - pulled
        faster = faster / (CENTRE**2 + INERTIA - own * own / both)
        return np.stack([spin, other, -(own * faster + swung) / both, faster])


def simulator_of(spec: EnvironmentSpec) -> FiniteProcess | CartPole | Acrobot | Bricks | None:
    """The array form of an environment, or None where there is none.

    Raises:
        ValueError: the environment cannot be made.
    """
    return _simulator_of(json.dumps(spec.as_dict()))


@cache
def _simulator_of(described: str) -> FiniteProcess | CartPole | Acrobot | Bricks | None:
    spec = EnvironmentSpec.from_dict(json.loads(described))
    environment = spec.make()
    try:
        bare: Any = environment.unwrapped
        limit = getattr(environment.spec, "max_episode_steps", None)
        if limit is None:
            return None
        if hasattr(bare, "P") and hasattr(bare, "initial_state_distrib"):
            # A passenger who changes his mind is no row of Taxi's table.
            whole = not getattr(bare, "fickle_passenger", False)
            return FiniteProcess.read(bare.P, bare.initial_state_distrib, limit, spec) if whole else None
        equations: dict[str, type[CartPole] | type[Acrobot] | type[Bricks]] = {
            "CartPoleEnv": CartPole,
            "AcrobotEnv": Acrobot,
            "BrickGame": Bricks,
        }
        found = equations.get(type(bare).__name__)
        return found(spec, limit) if found and not spec.arguments else None
    finally:
        environment.close()


def first_states(simulator: Simulator, seeds: Sequence[int] | NDArray) -> NDArray:
    """The states (B, ...) in which Gymnasium begins the episodes of these seeds; not to be written to."""
    return _first_states(json.dumps(simulator.spec.as_dict()), tuple(int(seed) for seed in seeds))


@lru_cache(maxsize=16)
def _first_states(described: str, seeds: tuple[int, ...]) -> NDArray:
    simulator = _simulator_of(described)
    if simulator is None:
        raise AssertionError(f"there is no array form of {described}")
    environment = simulator.spec.make()
    try:
        found = []
        for seed in seeds:
            environment.reset(seed=seed)
            found.append(simulator.begun(environment.unwrapped))
        return np.stack(found)
    finally:
        environment.close()
