"""What the variants train, and the agent that answers users.

Importing this module registers every class that a model file may name.
"""

from __future__ import annotations

import base64
import json
from collections.abc import Callable, Sequence
from typing import Any, Protocol, Self

import numpy as np
import pandas as pd
import torch
from numpy.typing import NDArray

from etudes.models import ModelState, register_model, registered_class
from etudes.pipelines.lunar_lander_bbf.baselines import RandomPolicy, heuristic_policy
from etudes.pipelines.lunar_lander_bbf.network import QNetwork
from etudes.rl.environments import EnvironmentSpec
from etudes.rl.evaluation import Policy
from etudes.rl.pictures import animation, play
from etudes.serving.questions import seed_of

__all__ = ["Heuristic", "LanderPredictor", "QAgents", "RandomAgents"]


class Agents(Protocol):
    """The agents of one variant, one for each seed. ``learned`` tells networks from yardsticks."""

    registered_name: str
    learned: bool

    def __len__(self) -> int: ...
    def policy(self, agent: int) -> Policy: ...
    def last_policy(self, agent: int) -> Policy: ...
    def values(self, agent: int, observations: NDArray) -> NDArray | None: ...


@register_model("lunar_lander_bbf.random")
class RandomAgents:
    """One random player for each seed."""

    registered_name: str
    learned = False

    def __init__(self, actions: int, seeds: Sequence[int]) -> None:
        self.actions, self.seeds = actions, list(seeds)

    def __len__(self) -> int:
        return len(self.seeds)

    def policy(self, agent: int) -> Policy:
        return RandomPolicy(self.actions, self.seeds[agent])

    last_policy = policy

    def values(self, agent: int, observations: NDArray) -> NDArray | None:
        return None

    def state(self) -> ModelState:
        return ModelState({"actions": self.actions, "seeds": self.seeds})

    @classmethod
    def from_state(cls, state: ModelState) -> Self:
        return cls(**state.config)


@register_model("lunar_lander_bbf.heuristic")
class Heuristic:
    """The controller written by hand: one player, nothing random."""

    registered_name: str
    learned = False

    def __len__(self) -> int:
        return 1

    def policy(self, agent: int) -> Policy:
        return heuristic_policy

    last_policy = policy

    def values(self, agent: int, observations: NDArray) -> NDArray | None:
        return None

    def state(self) -> ModelState:
        return ModelState()

    @classmethod
    def from_state(cls, state: ModelState) -> Self:
        return cls()


@register_model("lunar_lander_bbf.q_agents")
class QAgents:
    """Greedy players by action values, one network for each seed.

    Args:
        sizes: ``inputs``, ``actions``, ``hidden`` and ``layer_norm`` of the networks.
        kept: (agents, P) float32, the weights each agent ended with.
        last: (agents, P), the weights of the last update.
    """

    registered_name: str
    learned = True

    def __init__(self, sizes: dict[str, Any], kept: NDArray, last: NDArray) -> None:
        self.sizes, self.kept, self.last = sizes, kept, last

    def __len__(self) -> int:
        return len(self.kept)

    def network(self, weights: NDArray) -> QNetwork:
        """A network with ``weights`` (P,)."""
        network = QNetwork(**self.sizes, generator=torch.Generator())
        vector = torch.from_numpy(np.array(weights, np.float32))
        torch.nn.utils.vector_to_parameters(vector, network.parameters())
        return network.requires_grad_(False)

    def policy(self, agent: int) -> Policy:
        return self.network(self.kept[agent]).greedy

    def last_policy(self, agent: int) -> Policy:
        return self.network(self.last[agent]).greedy

    def values(self, agent: int, observations: NDArray) -> NDArray | None:
        return self.network(self.kept[agent]).values(observations)

    def only(self, agent: int) -> QAgents:
        """That agent alone."""
        return QAgents(self.sizes, self.kept[[agent]], self.last[[agent]])

    def state(self) -> ModelState:
        return ModelState({"sizes": self.sizes}, {"kept": self.kept, "last": self.last})

    @classmethod
    def from_state(cls, state: ModelState) -> Self:
        sizes = {**state.config["sizes"], "hidden": tuple(state.config["sizes"]["hidden"])}
        return cls(sizes, state.arrays["kept"], state.arrays["last"])


@register_model("lunar_lander_bbf.predictor")
class LanderPredictor:
    """The chosen agent behind a user's input: an observation, or the seed of an episode to play.

    ``predict`` takes a column for each number of the observation (named as in the environment's specification) and gives
    the action and all action values; or a column ``seed``, and gives the return of that episode and an animation.
    """

    registered_name: str
    suffix = ".gif"

    def __init__(self, agents: Any, environment: EnvironmentSpec, size: int, card: dict[str, Any]) -> None:
        self.agents, self.environment, self.size, self.card = agents, environment, size, card

    @property
    def columns(self) -> list[str]:
        """Names of the observation's numbers."""
        return list(self.environment.observations) or [f"observation_{i}" for i in range(self.size)]

    def action_name(self, action: int) -> str:
        """What the environment's specification calls an action."""
        return self.environment.actions[action] if self.environment.actions else f"action {action}"

    def predict(self, frame: pd.DataFrame) -> pd.DataFrame:
        """One row for each observation (``action``, ``action_name``, ``values`` by action) or for each episode
        (``seed``, ``return``, ``steps``, ``solved``, ``ended``, ``animation`` as base64 GIF).

        Raises:
            ValueError: neither of both, numbers that are not finite, or a seed that is no whole number from 0 on.
        """
        if "seed" in frame.columns:
            return pd.DataFrame(
                [self._play(seed_of(seed, f"seed in row {row}")) for row, seed in enumerate(frame["seed"])]
            )
        if missing := [name for name in self.columns if name not in frame.columns]:
            raise ValueError(
                f"the columns {', '.join(missing)} are missing; expected {', '.join(self.columns)} (an observation), or "
                "seed (an episode to play)"
            )
        try:
            observations = frame[self.columns].to_numpy(np.float32)
        except (TypeError, ValueError) as error:
            raise ValueError(f"an observation holds something that is no number: {error}") from error
        if not np.isfinite(observations).all():
            raise ValueError("an observation holds a number that is missing or not finite")
        actions = self.agents.policy(0)(observations)
        values = self.agents.values(0, observations)
        return pd.DataFrame(
            {
                "action": actions.astype(int),
                "action_name": [self.action_name(action) for action in actions],
                "values": [
                    {self.action_name(a): float(v) for a, v in enumerate(row)}
                    for row in (np.empty((len(actions), 0)) if values is None else values)
                ],
            }
        )

    def _play(self, seed: int) -> dict[str, Any]:
        rollout = play(self.agents.policy(0), self.environment, seed)
        return {
            "seed": seed,
            "return": rollout.total,
            "steps": len(rollout.actions),
            "solved": rollout.total >= self.environment.solved,
            "ended": "by itself" if rollout.terminated else "at the time limit",
            "animation": base64.b64encode(animation(rollout.frames, rollout.rate)).decode(),
        }

    def example(self) -> pd.DataFrame:
        rows = np.zeros((2, self.size))
        rows[1] = 0.1
        return pd.DataFrame(rows, columns=self.columns)

    def parse(self, text: str) -> pd.DataFrame:
        """A JSON list of the observation's numbers, or a whole number: the seed of an episode to play."""
        expected = f"a JSON list of {self.size} numbers ({', '.join(self.columns)}) or the seed of an episode, such as 7"
        try:
            value = json.loads(text)
        except json.JSONDecodeError as error:
            raise ValueError(f"{text!r} cannot be read ({error}); expected {expected}") from error
        if isinstance(value, int) and not isinstance(value, bool):
            return pd.DataFrame({"seed": [seed_of(value, "the seed")]})
        numbers = isinstance(value, list) and all(
            isinstance(item, int | float) and not isinstance(item, bool) for item in value
        )
        if not numbers or len(value) != self.size:
            raise ValueError(f"{text!r} is not {expected}")
        return pd.DataFrame([value], columns=self.columns, dtype=np.float64)

    def describe(self, answer: pd.DataFrame) -> str:
        """The first row, for a terminal."""
        row = answer.iloc[0]
        if "return" in answer.columns:
            verdict = "solved" if row["solved"] else f"not solved (below {self.environment.solved:g})"
            return f"episode {row['seed']}: return {row['return']:.1f} in {row['steps']} steps, {verdict}, ended {row['ended']}"
        values = sorted(row["values"].items(), key=lambda pair: -pair[1])
        listed = "\n".join(f"  {name:<14} {value:8.2f}" for name, value in values)
        return f"action {row['action']} ({row['action_name']})" + (f"\n{listed}" if listed else "")

    def draw(self, answer: pd.DataFrame) -> bytes | None:
        """The first episode as a GIF; None for the answer to an observation."""
        return base64.b64decode(answer["animation"].iloc[0]) if "animation" in answer.columns else None

    def state(self) -> ModelState:
        state = ModelState(
            {
                "environment": self.environment.as_dict(),
                "size": self.size,
                "card": self.card,
                "class": self.agents.registered_name,
            }
        )
        state.nest("agents", self.agents.state())
        return state

    @classmethod
    def from_state(cls, state: ModelState) -> Self:
        load: Callable[[ModelState], Any] = registered_class(state.config["class"]).from_state
        return cls(
            load(state.nested("agents")),
            EnvironmentSpec.from_dict(state.config["environment"]),
            state.config["size"],
            state.config["card"],
        )
