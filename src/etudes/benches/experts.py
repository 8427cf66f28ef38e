"""Players that are told the rules and learn nothing: value iteration where they are a table, a rule written by hand elsewhere."""

from __future__ import annotations

from typing import Any

from numpy.typing import NDArray

from etudes.benches.agents import Yardstick, environment_of
from etudes.models import register_model
from etudes.rl.controllers import rule_for
from etudes.rl.evaluation import Policy
from etudes.rl.planning import value_iteration
from etudes.rl.simulators import FiniteProcess, simulator_of
from etudes.stored import Stored


@register_model("agents.planner")
class Planner(Yardstick, Stored):
    """One player that takes the best action by optimal values (S, A)."""

    def __init__(self, optimal: NDArray) -> None:
        self.optimal = optimal

    def __len__(self) -> int:
        return 1

    def policy(self, agent: int) -> Policy:
        return lambda observations: self.optimal[observations].argmax(1)

    def values(self, agent: int, observations: NDArray) -> NDArray:
        return self.optimal[observations]


@register_model("agents.rule")
class Rule(Yardstick, Stored):
    """One player by the rule that `etudes.rl.controllers` has for an environment.

    Raises:
        ValueError: it has none.
    """

    def __init__(self, environment: str) -> None:
        self.environment, rule = environment, rule_for(environment)
        if rule is None:
            raise ValueError(
                f"there is no rule written by hand for '{environment}': leave it out of the parameter variants"
            )
        self._rule = rule

    def __len__(self) -> int:
        return 1

    def policy(self, agent: int) -> Policy:
        return self._rule


def expert_in(card: dict[str, Any], discount: float) -> Planner | Rule | None:
    """The expert of the environment that a card describes; None where nobody knows the rules."""
    spec, _ = environment_of(card)
    simulator = simulator_of(spec)
    if isinstance(simulator, FiniteProcess):
        return Planner(value_iteration(simulator, discount))
    return Rule(spec.id) if rule_for(spec.id) else None
