"""An agent behind a user's input: an observation, or the seed of an episode to play."""

from __future__ import annotations

import base64
import json
from typing import Any

import numpy as np
import pandas as pd

from etudes.models import register_model
from etudes.rl.environments import EnvironmentSpec
from etudes.rl.pictures import animation, play
from etudes.serving.predictor import Column, Predictor
from etudes.serving.questions import LARGEST_SEED, seed_of


@register_model("agents.predictor")
class AgentPredictor(Predictor):
    """The chosen agent. A column for each number of the observation (named as in the environment's specification) is
    answered by the action and all action values; a column ``seed`` by the return of that episode and an animation. Where an
    observation is the number of a state, ``states`` is how many there are. Of pictures, which nobody types, ``size`` is 0: there is the
    seed alone.
    """

    suffix = ".gif"
    environment: dict[str, Any]
    size: int
    states: int | None

    @property
    def spec(self) -> EnvironmentSpec:
        return EnvironmentSpec.from_dict(self.environment)

    @property
    def names(self) -> list[str]:
        """Names of the observation's numbers."""
        named = list(self.spec.observations)
        return named or (["state"] if self.states else [f"observation_{i}" for i in range(self.size)])

    @property
    def columns(self) -> tuple[Column, ...]:
        alone = not (self.size or self.states)
        seed = Column(
            "seed",
            "whole",
            required=alone,
            examples=(0, 1) if alone else (),
            low=0,
            high=LARGEST_SEED,
            about="of an episode to play",
        )
        if self.states:
            numbered = Column(
                self.names[0], "whole", required=False, low=0, high=self.states - 1, examples=(0, 1)
            )
            return (seed, numbered)
        numbers = (Column(name, "number", required=False, examples=(0.0, 0.1)) for name in self.names)
        return (seed, *numbers)

    def action_name(self, action: int) -> str:
        """What the environment's specification calls an action."""
        return self.spec.actions[action] if self.spec.actions else f"action {action}"

    def answer(self, frame: pd.DataFrame) -> pd.DataFrame:
        """One row for each observation (``action``, ``action_name``, ``values`` by action) or for each episode
        (``seed``, ``return``, ``steps``, ``solved``, ``ended``, ``animation`` as base64 GIF).

        Raises:
            ValueError: neither of both, or some rows of this kind and some of that.
        """
        if frame["seed"].notna().all():
            return pd.DataFrame([self._play(int(seed)) for seed in frame["seed"]])
        observations = frame[self.names].to_numpy(np.float32, na_value=np.nan)
        if frame["seed"].notna().any() or not np.isfinite(observations).all():
            missing = [name for name in self.names if frame[name].isna().any()]
            raise ValueError(
                f"the columns {', '.join(missing)} are missing or empty; expected {', '.join(self.names)} (an observation) "
                "in every row, or seed (an episode to play)"
            )
        if self.states:
            observations = observations[:, 0].astype(np.int64)
        actions = self.model.policy(0)(observations)
        values = self.model.values(0, observations)
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
        rollout = play(self.model.policy(0), self.spec, seed)
        return {
            "seed": seed,
            "return": rollout.total,
            "steps": len(rollout.actions),
            "solved": rollout.total >= self.spec.solved,
            "ended": "by itself" if rollout.terminated else "at the time limit",
            "animation": base64.b64encode(animation(rollout.frames, rollout.rate)).decode(),
        }

    def parse(self, text: str) -> pd.DataFrame:
        """A JSON list of the observation's numbers, or a whole number: the seed of an episode to play."""
        listed = f"a JSON list of {self.size} numbers ({', '.join(self.names)}) or " if self.names else ""
        expected = f"{listed}the seed of an episode, such as 7"
        try:
            value = json.loads(text)
        except json.JSONDecodeError as error:
            raise ValueError(f"{text!r} cannot be read ({error}); expected {expected}") from error
        if isinstance(value, int) and not isinstance(value, bool):
            return pd.DataFrame({"seed": [seed_of(value, "the seed")]})
        numbers = isinstance(value, list) and all(
            isinstance(item, int | float) and not isinstance(item, bool) for item in value
        )
        if not numbers or not self.names or len(value) != self.size:
            raise ValueError(f"{text!r} is not {expected}")
        return pd.DataFrame([value], columns=self.names, dtype=np.float64)

    def describe(self, answer: pd.DataFrame) -> str:
        """The first row, for a terminal."""
        row = answer.iloc[0]
        if "return" in answer.columns:
            verdict = "solved" if row["solved"] else f"not solved (below {self.spec.solved:g})"
            return f"episode {row['seed']}: return {row['return']:.1f} in {row['steps']} steps, {verdict}, ended {row['ended']}"
        values = sorted(row["values"].items(), key=lambda pair: -pair[1])
        listed = "\n".join(f"  {name:<14} {value:8.2f}" for name, value in values)
        return f"action {row['action']} ({row['action_name']})" + (f"\n{listed}" if listed else "")

    def draw(self, answer: pd.DataFrame) -> bytes | None:
        """The first episode as a GIF; None for the answer to an observation."""
        return base64.b64decode(answer["animation"].iloc[0]) if "animation" in answer.columns else None
