"""Who is told the rules: planning where they are a table, a rule elsewhere, nobody where there is neither."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from etudes.benches import several_environments as several
from etudes.benches.experts import Planner, Rule, expert_in
from etudes.benches.parameters import AgentsParameters, EpisodesParameters
from etudes.rl import controllers
from etudes.samples.environments import raw_file
from study_settings import run_parameters

EPISODES = EpisodesParameters(curve_episodes=1, choice_episodes=1, test_episodes=2, seed=0)


def cards(*names: str) -> list[dict[str, Any]]:
    given = [{"id": name, "solved": 0.0} for name in names]
    data_card = several.ingest(raw_file("several", embedded_sample=True, environments=given))
    *_, card = several.split(data_card, EPISODES, AgentsParameters(agents=1), run_parameters())
    return [own for _, own, _ in several.by_environment(card)]


def test_an_expert_is_a_planner_a_rule_or_nobody(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delitem(controllers._RULES, "Acrobot")
    lake, cart, acrobot = (
        expert_in(card, 0.9) for card in cards("FrozenLake-v1", "CartPole-v1", "Acrobot-v1")
    )
    assert isinstance(lake, Planner) and lake.optimal.shape == (16, 4)
    assert isinstance(cart, Rule) and acrobot is None
    with pytest.raises(ValueError, match="no rule written by hand for 'Acrobot-v1'"):
        Rule("Acrobot-v1")
    again = Rule.from_state(cart.state())
    leaning = np.array([[0.0, 0.0, 0.1, 0.0], [0.0, 0.0, -0.1, 0.0]])
    assert again.policy(0)(leaning).tolist() == [1, 0]
