"""Environments as data and side by side.

An `EnvironmentSpec` says which environment is meant and travels to other processes; `Environments` steps E of them as
one. Environments reset themselves in the step after the one that ended, as gymnasium's `AutoresetMode.NEXT_STEP`: the
last observation of an episode is seen like any other, and `Step.real` is false where a step only reset.
"""

from __future__ import annotations

import json
import os
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from typing import TYPE_CHECKING, Any, Self

import numpy as np
from numpy.typing import NDArray

if TYPE_CHECKING:
    import gymnasium

LIFE_LOST = "life_lost"  # in what a step tells besides


@dataclass(frozen=True)
class EnvironmentSpec:
    """Which environment, as JSON can hold it.

    ``id`` is gymnasium's (``LunarLander-v3``, or ``my_package:MyEnvironment-v0``, which is imported first);
    ``arguments`` go to its constructor; ``max_episode_steps`` is its own where None; ``solved`` is the return from
    which an episode counts as solved; ``observations`` and ``actions`` name the parts, numbered where empty. ``screens``, for
    games that observe their screen, are the arguments of `etudes.rl.screens.Screens`.
    """

    id: str
    solved: float
    arguments: Mapping[str, Any] = field(default_factory=dict)
    max_episode_steps: int | None = None
    observations: tuple[str, ...] = ()
    actions: tuple[str, ...] = ()
    screens: Mapping[str, Any] | None = None

    @classmethod
    def from_dict(cls, values: Mapping[str, Any]) -> Self:
        """Read what `as_dict` gave, or what a user wrote.

        Raises:
            ValueError: a key is missing or unknown, or a value has the wrong type.
        """
        known = set(cls.__dataclass_fields__)
        if unknown := sorted(set(values) - known):
            raise ValueError(f"unknown key {', '.join(unknown)}; expected some of {', '.join(sorted(known))}")
        if not isinstance(values.get("id"), str) or not isinstance(values.get("solved"), int | float):
            raise ValueError('expected at least an "id" (a text) and "solved" (a number)')
        names = {key: tuple(values.get(key) or ()) for key in ("observations", "actions")}
        return cls(**{**values, **names})

    def as_dict(self) -> dict[str, Any]:
        told = {
            **asdict(self),
            "arguments": dict(self.arguments),
            "observations": list(self.observations),
            "actions": list(self.actions),
        }
        if self.screens is None:  # as before there were any, so that fingerprints stay
            del told["screens"]
        return told

    def make(self, *, render: bool = False) -> gymnasium.Env:
        """One environment; with ``render`` its frames can be asked for as arrays.

        Raises:
            ValueError: gymnasium does not know it or lacks what it needs, or it does not observe a screen where one is expected.
        """
        os.environ.setdefault("PYGAME_HIDE_SUPPORT_PROMPT", "1")  # its greeting would go to standard output
        import gymnasium

        options = {"render_mode": "rgb_array"} if render else {}
        try:
            if self.id.startswith("ALE/"):
                import_atari()
            environment = gymnasium.make(
                self.id,
                max_episode_steps=self.max_episode_steps,
                disable_env_checker=True,
                **{**self.arguments, **options},
            )
        except (gymnasium.error.Error, ImportError, TypeError, AssertionError) as error:
            raise ValueError(
                f"the environment '{self.id}' cannot be made: {error} Expected an id that gymnasium knows "
                "(or package:id), with what it needs installed and arguments that it takes."
            ) from error
        if self.screens is None:
            return environment
        from etudes.rl.screens import Screens

        try:
            return Screens(environment, **self.screens)
        except (TypeError, ValueError) as error:
            environment.close()
            raise ValueError(f"the screens of '{self.id}': {error}") from error


def import_atari() -> None:
    """Let Gymnasium know the Atari games.

    Raises:
        ImportError: the optional package is not installed.
    """
    try:
        import ale_py
    except ImportError:
        raise ImportError(
            "Atari games need ale-py, which is optional: pip install 'etudes[atari]'."
        ) from None
    ale_py.ALEInterface.setLoggerMode(ale_py.LoggerMode.Error)  # its greeting


@dataclass(frozen=True)
class EnvironmentFacts:
    """What a learner must know of an environment: ``shape`` and ``dtype`` of an observation, count of ``actions``; where an
    observation is the number of a state, the count of ``states``."""

    shape: tuple[int, ...]
    dtype: str
    actions: int
    max_episode_steps: int | None
    states: int | None = None


def inspect_environment(spec: EnvironmentSpec, *, numbered: bool = False) -> EnvironmentFacts:
    """Make the environment once and look at it.

    Args:
        spec: the environment.
        numbered: whether it may observe the number of a state (Discrete) instead of an array.

    Raises:
        ValueError: it cannot be made, its observations are no array of numbers, its actions are no list, or the names in
            the spec do not fit.
    """
    environment = spec.make()
    try:
        space, actions = environment.observation_space, environment.action_space
        kind = type(space).__name__
        if kind not in ("Box", *["Discrete"] * numbered) or space.shape is None or space.dtype is None:
            expected = " or the number of a state (Discrete)" if numbered else ""
            raise ValueError(f"'{spec.id}' observes {space}; expected an array of numbers (Box){expected}")
        states = int(space.n) if kind == "Discrete" else None  # type: ignore[attr-defined]
        if type(actions).__name__ != "Discrete" or getattr(actions, "start", 0) != 0:
            raise ValueError(f"'{spec.id}' takes {actions}; expected actions 0, 1, ... (Discrete)")
        count = int(actions.n)  # type: ignore[attr-defined]
        for name, given, there in (
            ("observations", spec.observations, int(np.prod(space.shape))),
            ("actions", spec.actions, count),
        ):
            if given and len(given) != there:
                raise ValueError(f"'{spec.id}' has {there} {name}, but {len(given)} names are given for them")
        limit = getattr(environment.spec, "max_episode_steps", None)
        return EnvironmentFacts(tuple(space.shape), np.dtype(space.dtype).name, count, limit, states)
    finally:
        environment.close()


@dataclass(frozen=True)
class Step:
    """What one step of E environments gave, each (E, ...); ``real`` is false where it only reset one, ``lost`` true where a life of
    several was lost."""

    observations: NDArray
    rewards: NDArray[np.float64]
    terminated: NDArray[np.bool_]
    truncated: NDArray[np.bool_]
    real: NDArray[np.bool_]
    lost: NDArray[np.bool_]


class Environments:
    """E environments of one spec in this process, whose state can be saved and taken back.

    An environment is saved as the state of its random generator when the episode began and the actions since: it is
    taken back by playing them again, which works for every environment that its generator and actions decide.

    Args:
        spec: the environment.
        seeds: one for each environment; they seed its first episode, later ones go on from there.
    """

    def __init__(self, spec: EnvironmentSpec, seeds: Sequence[int]) -> None:
        import gymnasium

        self.spec = spec
        self._environments = [spec.make() for _ in seeds]
        self._generators = [gymnasium.utils.seeding.np_random(int(seed))[0] for seed in seeds]
        self._begun: list[str] = [""] * len(self._environments)
        self._actions: list[list[int]] = [[] for _ in self._environments]
        first = [self._begin(index) for index in range(len(self._environments))]
        self.observations = np.stack(first)
        self.pending = np.zeros(len(self), bool)  # those that the next step resets

    def __len__(self) -> int:
        return len(self._environments)

    def step(self, actions: NDArray, where: NDArray[np.bool_] | None = None) -> Step:
        """One step with ``actions`` (E,); those of environments that are reset are ignored. Environments that are not in ``where``
        (E,) stay as they are."""
        count = len(self)
        chosen = np.ones(count, bool) if where is None else where
        observations = self.observations.copy()
        rewards, terminated, truncated = np.zeros(count), np.zeros(count, bool), np.zeros(count, bool)
        real, lost = ~self.pending & chosen, np.zeros(count, bool)
        for index, action in enumerate(np.asarray(actions).tolist()):
            if not chosen[index]:
                continue
            if not real[index]:
                observations[index] = self._begin(index)
                continue
            observations[index], rewards[index], terminated[index], truncated[index], told = (
                self._environments[index].step(action)
            )
            lost[index] = told.get(LIFE_LOST, False)
            self._actions[index].append(action)
        self.observations = observations
        self.pending = np.where(chosen, terminated | truncated, self.pending)
        return Step(observations, rewards, terminated, truncated, real, lost)

    def _begin(self, index: int) -> NDArray:
        generator = self._generators[index]
        self._begun[index] = json.dumps(generator.bit_generator.state)
        self._actions[index].clear()
        environment = self._environments[index]
        environment.unwrapped.np_random = generator
        return environment.reset()[0]

    def state(self) -> dict[str, Any]:
        """Texts, numbers and lists that `restore` needs."""
        return {
            "begun": list(self._begun),
            "actions": [list(actions) for actions in self._actions],
            "pending": self.pending.tolist(),
            "observations": self.observations.copy(),
        }

    def restore(self, state: Mapping[str, Any]) -> None:
        """Play every environment to where `state` found it.

        Raises:
            RuntimeError: an environment came out elsewhere: something besides its generator decides what it does.
        """
        for index, (begun, actions) in enumerate(zip(state["begun"], state["actions"], strict=True)):
            self._generators[index].bit_generator.state = json.loads(begun)
            observation = self._begin(index)
            for action in actions:
                observation = self._environments[index].step(action)[0]
                self._actions[index].append(action)
            self.observations[index] = observation
        self.pending = np.asarray(state["pending"], bool)
        if not np.array_equal(self.observations, np.asarray(state["observations"])):
            raise RuntimeError(
                f"'{self.spec.id}' does not repeat itself from its random generator and actions, so a training in it "
                "cannot be continued inside an episode; run without run.resume"
            )

    def close(self) -> None:
        for environment in self._environments:
            environment.close()
